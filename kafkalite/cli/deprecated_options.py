"""Options under the names that they used to have."""

from __future__ import annotations

import sys

from kafkalite.cli.command_line import Option, OptionParser, OptionSet, exit_with_usage


def settle(parser: OptionParser, options: OptionSet, new: Option, old: Option) -> Option:
    """The option that counts of two names for the same; warns of the old one and refuses both together."""
    if not options.has(old):
        return new
    if options.has(new):
        exit_with_usage(parser, f"Options --{old.names[0]} and --{new.names[0]} cannot be specified together.")
    warn_deprecated(old, new.names[0])
    return old


def warn_deprecated(option: Option, replacement: str) -> None:
    print(
        f"Option --{option.names[0]} is deprecated and will be removed in a future version. "
        f"Use --{replacement} instead.",
        file=sys.stderr,
    )
