"""Record batches: headers, records, compression, older message formats, control records."""
