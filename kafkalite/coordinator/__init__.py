"""Groups, offsets, transactions: state machines that know no clock, socket or disk."""
