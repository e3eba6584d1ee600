"""Standard input, output and errors, of which programs are sometimes started without."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Opens on the null device whichever of the three is closed.

    Otherwise the next socket or log file would get its descriptor, and whatever is written to stderr, by a C library
    or by Python, would go there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor: this one
            os.set_inheritable(descriptor, True)
    # Python has set those that it found closed to None.
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def discard_output() -> None:
    """Points stdout at the null device, so that flushing what is left at the end is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
