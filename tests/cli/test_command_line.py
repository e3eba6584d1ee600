from __future__ import annotations

from typing import Any

import pytest

from kafkalite import __version__
from kafkalite.cli.command_line import (
    CommandExit,
    OptionError,
    OptionParser,
    check_invalid,
    check_one_of,
    check_required,
    parse_key_value_arguments,
    print_help_or_version,
    run_command,
)


class Tool:
    def __init__(self, **facts: Any) -> None:
        self.parser = OptionParser(**facts)
        self.topic = self.parser.option("topic", "The topic.", "topic")
        self.partitions = self.parser.option("partitions", "How many.", "count", type_name="Integer")
        self.state = self.parser.option("state", "With a state.", is_value_optional=True)
        self.types = self.parser.option("types", "Several.", separator=",", default=["a", "b"])
        self.list = self.parser.flag("list", "List all.")
        self.quiet = self.parser.flag(["q", "quiet"], "Say less.")
        self.level = self.parser.option(["l", "level"], "How loud.", type_name="Integer", default=3)


@pytest.mark.parametrize(
    "words", [["--topic", "t"], ["--topic=t"], ["-topic", "t"], ["-topic=t"], ["x", "--list", "--topic", "t"]]
)
def test_a_value_stands_behind_its_option_or_behind_an_equals_sign(words: list[str]) -> None:
    tool = Tool()
    options = tool.parser.parse(words)
    assert options.value(tool.topic) == "t"
    assert options.has(tool.list) == ("--list" in words)


def test_a_required_value_is_the_next_word_whatever_it_looks_like() -> None:
    tool = Tool()
    options = tool.parser.parse(["--topic", "--list"])
    assert options.value(tool.topic) == "--list"
    assert not options.has(tool.list)


def test_an_optional_value_does_not_look_like_an_option() -> None:
    tool = Tool()
    options = tool.parser.parse(["--state", "--list"])
    assert options.has(tool.state)
    assert not options.has_value(tool.state)
    assert options.value(tool.state) is None
    assert options.has(tool.list)
    assert tool.parser.parse(["--state", "Empty"]).value(tool.state) == "Empty"


def test_short_options_may_share_a_word_and_the_last_may_carry_its_value() -> None:
    tool = Tool()
    options = tool.parser.parse(["-ql7"])
    assert options.has(tool.quiet)
    assert options.value(tool.level) == 7


def test_a_value_that_may_be_left_out_is_taken_where_it_can_be_one() -> None:
    parser = OptionParser()
    count = parser.option("count", "How many.", type_name="Integer", is_value_optional=True, default=7)
    name = parser.option("name", "Who.", is_value_optional=True)

    def parsed(*words: str) -> tuple[object, object, list[str]]:
        options = parser.parse(words)
        return options.value(count), options.value(name), options.non_options

    assert parsed("--count", "-1", "--name", "x") == (-1, "x", [])
    assert parsed("--count", "some", "--name") == (7, None, ["some"])
    assert parsed("--name", "--count", "2") == (2, None, [])


def test_an_empty_value_is_a_value() -> None:
    tool = Tool()
    assert tool.parser.parse(["--topic="]).value(tool.topic) == ""


def test_defaults_do_not_count_as_given() -> None:
    tool = Tool()
    options = tool.parser.parse([])
    assert not options.has(tool.level)
    assert options.value(tool.level) == 3
    assert options.values(tool.types) == ["a", "b"]
    assert options.value(tool.topic) is None


def test_values_are_separated_and_repeated_options_add_up() -> None:
    tool = Tool()
    assert tool.parser.parse(["--types", "x,,y", "--types=z"]).values(tool.types) == ["x", "y", "z"]
    assert tool.parser.parse(["--types", ","]).values(tool.types) == [","]


def test_words_behind_two_hyphens_are_no_options() -> None:
    tool = Tool()
    options = tool.parser.parse(["-", "--", "--list", "--topic"])
    assert options.non_options == ["-", "--list", "--topic"]
    assert not options.has(tool.list)


@pytest.mark.parametrize(
    ("words", "class_name", "message"),
    [
        (["--nothing"], "UnrecognizedOptionException", "nothing is not a recognized option"),
        (["--nothing=1"], "UnrecognizedOptionException", "nothing is not a recognized option"),
        (["-z"], "UnrecognizedOptionException", "z is not a recognized option"),
        (["-qz"], "UnrecognizedOptionException", "z is not a recognized option"),
        (["--top"], "UnrecognizedOptionException", "top is not a recognized option"),
        (["--topic"], "OptionMissingRequiredArgumentException", "Option topic requires an argument"),
        (["--level"], "OptionMissingRequiredArgumentException", "Option l/level requires an argument"),
    ],
)
def test_what_cannot_be_parsed_is_refused_in_joptsimples_words(words: list[str], class_name: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Tool().parser.parse(words)
    assert (caught.value.class_name, str(caught.value)) == (class_name, message)


def test_values_are_converted_when_asked_for() -> None:
    tool = Tool()
    options = tool.parser.parse(["--partitions", "many", "--topic", "a", "--topic", "b"])
    with pytest.raises(OptionError, match=r"^Cannot parse argument 'many' of option partitions$"):
        options.value(tool.partitions)
    with pytest.raises(OptionError, match=r"^Found multiple arguments for option topic, but you asked for only one$"):
        options.value(tool.topic)
    assert options.values(tool.topic) == ["a", "b"]


@pytest.mark.parametrize(("text", "value"), [("-1", -1), ("+7", 7), ("2147483647", 2147483647)])
def test_integers_are_those_of_java(text: str, value: int) -> None:
    tool = Tool()
    assert tool.parser.parse(["--partitions", text]).value(tool.partitions) == value


@pytest.mark.parametrize("text", ["2147483648", "1_000", " 1", "", "1.0", "\u0663"])
def test_what_java_takes_for_no_integer_is_none(text: str) -> None:
    tool = Tool()
    with pytest.raises(OptionError, match="Cannot parse argument"):
        tool.parser.parse(["--partitions", text]).value(tool.partitions)


def test_names_may_be_shortened_where_the_tool_allows_it() -> None:
    tool = Tool(allows_abbreviations=True)
    assert tool.parser.parse(["--top", "t"]).value(tool.topic) == "t"
    with pytest.raises(OptionError, match=r"^t is not a recognized option$"):
        tool.parser.parse(["--t", "t"])


def test_a_missing_required_option_is_named_unless_help_is_asked_for() -> None:
    parser = OptionParser()
    parser.option("broker-list", "Where.", is_required=True)
    parser.option(["t", "topic"], "What.", is_required=True)
    with pytest.raises(OptionError, match=r"^Missing required option\(s\) \[broker-list, t/topic\]$"):
        parser.parse([])
    parser.parse(["--help"])


def test_an_option_may_be_available_only_with_another() -> None:
    parser = OptionParser()
    describe, everything = parser.flag("describe", "Describe."), parser.flag("list", "List.")
    members = parser.flag("members", "Members.").available_if(describe)
    parser.option("state", "State.", is_value_optional=True).available_if(describe, everything)
    assert parser.parse(["--members", "--describe", "--state"]).has(members)
    parser.parse(["--list", "--state"])
    with pytest.raises(OptionError) as caught:
        parser.parse(["--members", "--state"])
    assert str(caught.value) == ("Option(s) [members, state] are unavailable given other options on the command line")


def test_help_is_a_table_of_two_columns_sorted_by_name() -> None:
    parser = OptionParser()
    parser.option(
        "replica-assignment",
        "A list of manual assignments, which is a text so long that it must go on in the next lines.",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2",
    )
    parser.option("max", "At most.", type_name="Integer", default=5, is_value_optional=True)
    text = parser.format_help()
    assert [line.rstrip() for line in text.splitlines()] == [
        "Option                            Description",
        "------                            -----------",
        "--help                            Print usage information.",
        "--max [Integer]                   At most. (default: 5)",
        "--replica-assignment <String:     A list of manual assignments, which is",
        "  broker_id_for_part1_replica1 :    a text so long that it must go on in",
        "  broker_id_for_part1_replica2>     the next lines.",
        "--version                         Display the version.",
    ]
    assert {len(line) for line in text.splitlines()} == {72}


def test_help_marks_required_options() -> None:
    parser = OptionParser()
    parser.option("topic", "What.", "name", is_required=True)
    lines = [line.rstrip() for line in parser.format_help().splitlines()]
    assert lines[:2] == ["Option (* = required)     Description", "---------------------     -----------"]
    assert "* --topic <String: name> What." in [" ".join(line.split()) for line in lines]


def test_help_goes_to_stderr_with_exit_code_1_and_the_version_to_stdout_with_0(capsys: Any) -> None:
    tool = Tool()
    with pytest.raises(CommandExit) as caught:
        print_help_or_version(tool.parser, tool.parser.parse(["--help"]), "This tool does it.")
    output = capsys.readouterr()
    assert (caught.value.code, output.out) == (1, "")
    assert output.err == "This tool does it.\n" + tool.parser.format_help()
    with pytest.raises(CommandExit) as caught:
        print_help_or_version(tool.parser, tool.parser.parse(["--version"]), "This tool does it.")
    assert (caught.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], 'Missing required argument "[topic]"'),
        (["--topic", "t"], "Exactly one of the following arguments is required: [list], [state]"),
        (["--topic", "t", "--list", "--state"], "Exactly one of the following arguments is required: [list], [state]"),
        (["--topic", "t", "--list", "-q"], 'Option "[list]" can\'t be used with option "[q, quiet]"'),
    ],
)
def test_checks_name_the_options_and_show_the_usage(words: list[str], message: str, capsys: Any) -> None:
    tool = Tool()
    options = tool.parser.parse(words)
    with pytest.raises(CommandExit) as caught:
        check_required(tool.parser, options, tool.topic)
        check_one_of(tool.parser, options, tool.list, tool.state)
        check_invalid(tool.parser, options, tool.list, [tool.partitions, tool.quiet])
    assert caught.value.code == 1
    assert capsys.readouterr().err.split("\n")[0] == message


def test_key_value_arguments_may_hold_equals_signs_and_empty_values() -> None:
    assert parse_key_value_arguments(["a=b=c", "d", "e="]) == {"a": "b=c", "d": "", "e": ""}
    with pytest.raises(ValueError, match="Missing value for key d"):
        parse_key_value_arguments(["d"], accepts_missing_value=False)


def test_a_tool_returns_its_exit_code(capsys: Any) -> None:
    def refuse(argv: list[str]) -> int:
        Tool().parser.parse(argv)
        raise CommandExit(3)

    assert run_command(lambda argv: None, []) == 0
    assert run_command(lambda argv: len(argv), ["a", "b"]) == 2
    assert run_command(refuse, []) == 3
    assert run_command(refuse, ["--nothing"]) == 1
    assert capsys.readouterr().err == "nothing is not a recognized option\n" + Tool().parser.format_help()
