"""The command lines of the tools: options declared, parsed and explained as Apache Kafka's tools do with joptsimple.

    --option value   --option=value   -option value   -xVALUE   -- (what follows is no option)

An option that requires a value takes the next word whatever it looks like; one whose value is optional takes it only
if it can be converted and does not look like an option, negative numbers excepted. Values are converted when they are
asked for, so that a tool reports what is missing before it reports what is malformed. Names may be shortened only where
a tool's parser says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

from kafkalite import __version__
from kafkalite.cli.standard_streams import discard_output, open_standard_streams

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)


class CommandExit(Exception):
    """Ends a tool with an exit code; what it had to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class OptionError(Exception):
    """A command line that cannot be parsed, in joptsimple's words; `class_name` is joptsimple's exception.

    `parser` is set where the usage is worth showing.
    """

    def __init__(self, class_name: str, message: str) -> None:
        super().__init__(message)
        self.class_name = class_name
        self.parser: OptionParser | None = None


def _java_integer(bounds: range) -> Callable[[str], int]:
    def convert(text: str) -> int:
        digits = text[1:] if text[:1] in ("-", "+") else text
        if not (digits.isascii() and digits.isdigit()) or int(text) not in bounds:
            raise ValueError(text)
        return int(text)

    return convert


def _java_boolean(text: str) -> bool:
    return text.lower() == "true"


# What a value is converted to, under the name that --help shows.
_CONVERTERS: Final[dict[str, Callable[[str], Any]]] = {
    "String": str,
    "Integer": _java_integer(_INT32),
    "Long": _java_integer(_INT64),
    "Double": float,
    "Boolean": _java_boolean,
}
_NUMBERS: Final = frozenset({"Integer", "Long", "Double"})


class Option:
    """One option: its names, and what it takes (nothing, a value, or a value that may be left out)."""

    __slots__ = (
        "argument",
        "available_with",
        "convert",
        "defaults",
        "description",
        "is_for_help",
        "is_required",
        "is_value_optional",
        "names",
        "separator",
        "takes_value",
        "type_name",
    )

    def __init__(self, names: Sequence[str], description: str) -> None:
        self.names = sorted(names, key=lambda name: (len(name) > 1, name)) if len(names) > 1 else list(names)
        self.description = description
        self.takes_value = False
        self.is_value_optional = False
        self.is_required = False
        self.is_for_help = False
        self.argument = ""
        self.type_name = "String"
        self.convert: Callable[[str], Any] = str
        self.defaults: list[Any] = []
        self.separator: str | None = None
        self.available_with: Sequence[Option] = ()

    def available_if(self, *others: Option) -> Option:
        """Allows this option only together with one of the others."""
        self.available_with = others
        return self

    def __str__(self) -> str:
        return f"[{', '.join(self.names)}]"

    @property
    def slashed_names(self) -> str:
        return "/".join(self.names)


class OptionSet:
    """What a command line said."""

    def __init__(self) -> None:
        self._values: dict[Option, list[str]] = {}
        self.order: list[Option] = []
        """The options in the order in which they came, each as often as it came."""
        self.non_options: list[str] = []

    def has(self, option: Option) -> bool:
        """Whether the option was on the command line; defaults do not count."""
        return option in self._values

    @property
    def in_order(self) -> list[Option]:
        """The options that were given, in the order of their first appearance."""
        return list(self._values)

    def has_value(self, option: Option) -> bool:
        return bool(self._values.get(option))

    def values(self, option: Option) -> list[Any]:
        """All values given, converted, or the defaults. Raises OptionError for one that cannot be converted."""
        given = self._values.get(option)
        if not given:
            return list(option.defaults)
        return [_converted(option, value) for value in given]

    def value(self, option: Option) -> Any:
        """The only value, the default, or None. Raises OptionError where several were given."""
        values = self.values(option)
        if len(values) > 1:
            raise OptionError(
                "MultipleArgumentsForOptionException",
                f"Found multiple arguments for option {option.slashed_names}, but you asked for only one",
            )
        return values[0] if values else None

    def add(self, option: Option, value: str | None) -> None:
        self.order.append(option)
        values = self._values.setdefault(option, [])
        if value is None:
            return
        parts = value.split(option.separator) if option.separator else [value]
        values.extend([part for part in parts if part] or [value])


def _converted(option: Option, value: str) -> Any:
    try:
        return option.convert(value)
    except ValueError:
        raise OptionError(
            "OptionArgumentConversionException", f"Cannot parse argument '{value}' of option {option.slashed_names}"
        ) from None


class OptionParser:
    """The options of a tool; `--help` and `--version` are there from the start."""

    def __init__(self, *, allows_abbreviations: bool = False) -> None:
        self.options: list[Option] = []
        self._by_name: dict[str, Option] = {}
        self._allows_abbreviations = allows_abbreviations
        self.help = self.flag("help", "Print usage information.")
        self.version = self.flag("version", "Display the version.")
        self.help.is_for_help = self.version.is_for_help = True

    # --- declaring

    def flag(self, name: str | Sequence[str], description: str) -> Option:
        """An option without a value."""
        option = Option([name] if isinstance(name, str) else name, description)
        self.options.append(option)
        self._by_name.update(dict.fromkeys(option.names, option))
        return option

    def option(
        self,
        name: str | Sequence[str],
        description: str,
        argument: str = "",
        *,
        type_name: str = "String",
        convert: Callable[[str], Any] | None = None,
        default: Any = None,
        separator: str | None = None,
        is_required: bool = False,
        is_value_optional: bool = False,
    ) -> Option:
        """An option with a value; `type_name` (String, Integer, Long, ...) converts it unless `convert` does.

        `convert` raises ValueError for what it cannot convert. `default` may be a list.
        """
        option = self.flag(name, description)
        option.takes_value = True
        option.argument = argument
        option.type_name = type_name
        option.convert = convert or _CONVERTERS.get(type_name, str)
        option.separator = separator
        option.is_required = is_required
        option.is_value_optional = is_value_optional
        if default is not None:
            option.defaults = default if isinstance(default, list) else [default]
        return option

    # --- parsing

    def parse(self, arguments: Iterable[str]) -> OptionSet:
        """Reads a command line; raises OptionError."""
        try:
            return self._parse(arguments)
        except OptionError as error:
            error.parser = self
            raise

    def _parse(self, arguments: Iterable[str]) -> OptionSet:
        found = OptionSet()
        words = list(arguments)
        position = 0
        while position < len(words):
            word = words[position]
            position += 1
            if word == "--":
                found.non_options += words[position:]
                break
            if not _looks_like_an_option(word):
                found.non_options.append(word)
                continue
            name, equals, value = word[2 if word.startswith("--") else 1 :].partition("=")
            option = self._named(name)
            if option is None and not word.startswith("--"):
                option, value = self._cluster(word[1:], found)
                equals = "=" if value else ""
            if option is None:
                raise _unrecognized(name)
            if not option.takes_value:
                found.add(option, None)
            elif equals:
                found.add(option, value)
            else:
                position = self._take_value(option, words, position, found)
        if not any(found.has(option) for option in self.options if option.is_for_help):
            self._check_required(found)
            self._check_available(found)
        return found

    def _named(self, name: str) -> Option | None:
        option = self._by_name.get(name)
        if option is None and self._allows_abbreviations:
            matches = {id(known): known for full, known in self._by_name.items() if full.startswith(name)}
            if len(matches) == 1:
                return next(iter(matches.values()))
        return option

    def _cluster(self, letters: str, found: OptionSet) -> tuple[Option, str]:
        """Several one-letter options in a word, the last of them perhaps with its value."""
        for position, letter in enumerate(letters):
            option = self._named(letter)
            if option is None:
                raise _unrecognized(letter)
            if option.takes_value or position == len(letters) - 1:
                return option, letters[position + 1 :]
            found.add(option, None)
        raise _unrecognized(letters)

    def _take_value(self, option: Option, words: list[str], position: int, found: OptionSet) -> int:
        """Takes the next word as the option's value where it is one; returns the position behind it."""
        if not option.is_value_optional:
            if position == len(words):
                raise OptionError(
                    "OptionMissingRequiredArgumentException", f"Option {option.slashed_names} requires an argument"
                )
            found.add(option, words[position])
            return position + 1
        if position < len(words) and _may_be_the_value(option, words[position]):
            found.add(option, words[position])
            return position + 1
        found.add(option, None)
        return position

    def _check_required(self, found: OptionSet) -> None:
        missing = [option.slashed_names for option in self.options if option.is_required and not found.has(option)]
        if missing:
            raise OptionError("MissingRequiredOptionsException", f"Missing required option(s) [{', '.join(missing)}]")

    def _check_available(self, found: OptionSet) -> None:
        forbidden = [
            option.slashed_names
            for option in self.options
            if option.available_with and found.has(option) and not any(map(found.has, option.available_with))
        ]
        if forbidden:
            raise OptionError(
                "UnavailableOptionException",
                f"Option(s) [{', '.join(forbidden)}] are unavailable given other options on the command line",
            )

    # --- explaining

    def format_help(self) -> str:
        """The table of options that --help shows."""
        from kafkalite.cli.option_table import format_option_table  # rarely asked for

        return format_option_table(self.options)


def _unrecognized(name: str) -> OptionError:
    return OptionError("UnrecognizedOptionException", f"{name} is not a recognized option")


def _looks_like_an_option(word: str) -> bool:
    return word.startswith("-") and word not in ("-", "--")


def _may_be_the_value(option: Option, word: str) -> bool:
    """Whether a word is the value of an option that may stand alone; -1 is one where numbers are asked for."""
    try:
        option.convert(word)
    except ValueError:
        return False
    return option.type_name in _NUMBERS or not _looks_like_an_option(word)


# --- what the tools do with their options


def exit_with_usage(parser: OptionParser, message: str) -> NoReturn:
    """Says what is wrong and how the tool is used, on stderr; exit code 1, as for --help."""
    print(message, file=sys.stderr)
    sys.stderr.write(parser.format_help())
    raise CommandExit(1)


def exit_with_error(message: str) -> NoReturn:
    """One line on stderr, exit code 1."""
    print(message, file=sys.stderr)
    raise CommandExit(1)


def print_help_or_version(parser: OptionParser, options: OptionSet, message: str, *, is_empty: bool = False) -> None:
    """Answers --help (and, with `is_empty`, an empty command line) and --version, and ends the tool."""
    if is_empty or options.has(parser.help):
        exit_with_usage(parser, message)
    if options.has(parser.version):
        print(__version__)
        raise CommandExit(0)


def check_required(parser: OptionParser, options: OptionSet, *required: Option) -> None:
    for option in required:
        if not options.has(option):
            exit_with_usage(parser, f'Missing required argument "{option}"')


def check_invalid(parser: OptionParser, options: OptionSet, used: Option, invalid: Iterable[Option]) -> None:
    """Refuses options that cannot go together with `used`."""
    if options.has(used):
        for option in invalid:
            if options.has(option):
                exit_with_usage(parser, f'Option "{used}" can\'t be used with option "{option}"')


def check_one_of(parser: OptionParser, options: OptionSet, *alternatives: Option) -> None:
    if sum(map(options.has, alternatives)) != 1:
        names = ", ".join(map(str, alternatives))
        exit_with_usage(parser, f"Exactly one of the following arguments is required: {names}")


def parse_key_value_arguments(arguments: Iterable[str], *, accepts_missing_value: bool = True) -> dict[str, str]:
    """Reads "key=value" words; a value may contain "=". Raises ValueError where one is missing and must not be."""
    properties: dict[str, str] = {}
    for argument in arguments:
        key, _, value = argument.partition("=")
        if not value and not accepts_missing_value:
            raise ValueError(f"Missing value for key {key}}}")
        properties[key] = value
    return properties


def run_command(execute: Callable[[list[str]], int | None], argv: Sequence[str] | None) -> int:
    """Runs a tool and returns its exit code: errors of the command line are explained, a closed pipe is no error."""
    open_standard_streams()
    try:
        code = execute(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code or 0
    except CommandExit as end:
        return end.code
    except OptionError as error:
        print(error, file=sys.stderr)
        if error.parser is not None:
            sys.stderr.write(error.parser.format_help())
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        discard_output()
        return 141
    except OSError as error:
        import errno

        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        discard_output()
        print(error.strerror, file=sys.stderr)
        return 1
