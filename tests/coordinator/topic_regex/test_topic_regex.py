"""Regular expressions over topic names: RE2's syntax, whole names, linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kafkalite.coordinator.topic_regex.pattern import TopicPattern
from kafkalite.coordinator.topic_regex.syntax import PatternSyntaxError

MATCHES = [
    ("orders.*", ["orders", "orders-1"], ["my-orders", "order"]),
    ("^orders$|^a", ["orders", "a"], ["ab", "orders1"]),
    ("a{2,3}b?", ["aa", "aaa", "aaab"], ["a", "aaaa", "aaabb"]),
    ("(a|b)*c+", ["c", "abbac", "acc"], ["ab", ""]),
    ("[[:alpha:]_]+[^0-9]", ["a-", "a_b", "abc"], ["a1", "1a"]),
    (r"\w+\.\d+", ["logs.1", "a_b.22"], ["logs1", "a-b.1"]),
    (r"\Qa.b\E+", ["a.b", "a.bb"], ["axb", "a.ba.b"]),
    ("(?i)ab(?-i)c", ["ABc", "abc"], ["abC"]),
    ("(?i:a)b", ["Ab", "ab"], ["AB"]),
    (r"\pL+\PL", ["ab1"], ["ab"]),
    (r"\p{Latin}\p{^Latin}", ["a-"], ["aa"]),
    (r"\ba\b.*", ["a-b", "a"], ["ab"]),
    (r"a\B.", ["ab"], ["a-"]),
    (r"\x61\x{62}\143", ["abc"], ["abd"]),
    ("a{,2}", ["a{,2}"], ["aa", ""]),
    ("(?P<name>a)(?<other>b)?", ["a", "ab"], ["b"]),
    ("", [""], ["a"]),
    ("a**"[:2] + "|", ["", "aaa"], ["b"]),
    ("(?s).+(?-s).", ["ab"], ["a"]),
]


@pytest.mark.parametrize(("regex", "matching", "others"), MATCHES)
def test_whole_names_match(regex: str, matching: list[str], others: list[str]) -> None:
    pattern = TopicPattern(regex)
    assert [name for name in matching + others if pattern.matches(name)] == matching


@pytest.mark.parametrize(
    ("regex", "description"),
    [
        ("[", "missing closing ]"),
        ("[a", "missing closing ]"),
        ("(", "missing closing )"),
        (")", "regexp/syntax: internal error"),
        ("*", "missing argument to repetition operator"),
        ("a|*", "missing argument to repetition operator"),
        ("(?i)+", "missing argument to repetition operator"),
        ("a**", "invalid nested repetition operator"),
        ("a{*", "invalid nested repetition operator"),
        ("a{1001}", "invalid repeat count"),
        ("a{2,1}", "invalid repeat count"),
        ("a\\", "trailing backslash at end of expression"),
        ("\\8", "invalid escape sequence"),
        ("\\C", "invalid escape sequence"),
        ("\\x{110000}", "invalid escape sequence"),
        ("[b-a]", "invalid character class range"),
        ("[[:foo:]]", "invalid character class range"),
        ("\\pX", "invalid character class range"),
        ("(?z)", "invalid or unsupported Perl syntax"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        ("(?P<n>a)(?P<n>b)", "duplicate capture group name"),
        ("(?P<n", "invalid named capture"),
        ("(" * 1000, "expression nests too deeply"),
        ("((a{1000}){1000}){1000}", "expression too large"),
    ],
)
def test_what_is_no_expression_is_described_as_apache_kafka_does(regex: str, description: str) -> None:
    with pytest.raises(PatternSyntaxError) as error:
        TopicPattern(regex)
    assert str(error.value) == description


def test_no_expression_takes_long() -> None:
    pattern = TopicPattern("(a|a)*(a+)+(a*)*b")
    assert not pattern.matches("a" * 249)
    assert pattern.matches("a" * 248 + "b")


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "\\b", "^", "$", "-", "\\."])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}"])).map(lambda p: f"(?:{p[0]}){p[1]}"),
        inner.map(lambda regex: f"(?i:{regex})"),
    )


@given(st.recursive(ATOMS, _grow, max_leaves=8), st.lists(st.text("abA-.", max_size=6), max_size=8))
def test_what_both_know_matches_as_pythons_own_expressions_do(regex: str, names: list[str]) -> None:
    try:
        theirs = re.compile(regex.replace("$", "\\Z"))
    except re.error:
        assume(False)
    pattern = TopicPattern(regex)
    for name in names:
        assert pattern.matches(name) == (theirs.fullmatch(name) is not None)
