"""Matches whole topic names with a regular expression, in time that grows with the name's length and no faster.

The tree becomes a nondeterministic automaton (Thompson's), whose sets of states become those of a deterministic one as
names are read. A backtracking matcher such as Python's would let one expression of one member stop the broker.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kafkalite.coordinator.topic_regex.syntax import (
    Alternation,
    Assertion,
    CharacterSet,
    Concatenation,
    Node,
    PatternSyntaxError,
    Repetition,
    parse,
)

MAX_STATES: Final = 50_000
"""What counted repetitions within counted repetitions may come to; RE2 has such a limit, RE2/J its memory's."""
_MAX_CACHED_STEPS: Final = 20_000


class _Step(NamedTuple):
    """Reads one character of the mask."""

    mask: int
    next: int


class _Fork(NamedTuple):
    """Goes on in several places."""

    next: tuple[int, ...]


class _Check(NamedTuple):
    """Goes on if the place is right."""

    assertion: Assertion
    next: int


_State = _Step | _Fork | _Check
_ACCEPT: Final = 0
_BEGIN: Final = -1  # the place before the first character has no character before it


class TopicPattern:
    """A compiled regular expression. Raises PatternSyntaxError."""

    __slots__ = ("_start", "_states", "_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._states: list[_State] = [_Fork(())]
        self._start = frozenset([self._compile(parse(text), _ACCEPT)])
        self._steps: dict[tuple[frozenset[int], int, int], frozenset[int]] = {}

    def matches(self, name: str) -> bool:
        """Whether the whole of an ASCII text matches."""
        states, before = self._start, _BEGIN
        steps = self._steps
        for code in name.encode("ascii"):
            kind = before if before == _BEGIN else _is_word(before)
            key = states, kind, code
            following = steps.get(key)
            if following is None:
                following = self._read(states, before, code)
                if len(steps) >= _MAX_CACHED_STEPS:
                    steps.clear()
                steps[key] = following
            if not following:
                return False
            states, before = following, code
        return _ACCEPT in self._reachable(states, before, None)

    def _compile(self, root: Node, then: int) -> int:
        """Adds the states of a tree, which lead on to `then`; where they begin."""
        match root:
            case CharacterSet(mask):
                return self._add(_Step(mask, then))
            case Assertion():
                return self._add(_Check(root, then))
            case Concatenation(parts):
                for part in reversed(parts):
                    then = self._compile(part, then)
                return then
            case Alternation(parts):
                return self._add(_Fork(tuple(self._compile(part, then) for part in parts)))
            case Repetition(part, minimum, maximum):
                if maximum is None:
                    loop = self._add(_Fork(()))
                    self._states[loop] = _Fork((self._compile(part, loop), then))
                    then = loop
                else:
                    end = then
                    for _ in range(maximum - minimum):
                        then = self._add(_Fork((self._compile(part, then), end)))
                for _ in range(minimum):
                    then = self._compile(part, then)
                return then

    def _add(self, state: _State) -> int:
        if len(self._states) >= MAX_STATES:
            raise PatternSyntaxError("expression too large")
        self._states.append(state)
        return len(self._states) - 1

    def _reachable(self, states: frozenset[int], before: int, after: int | None) -> set[int]:
        """All states that are come to without reading, between two characters."""
        seen = set(states)
        waiting = list(states)
        while waiting:
            state = self._states[waiting.pop()]
            if isinstance(state, _Fork):
                following: tuple[int, ...] = state.next
            elif isinstance(state, _Check) and _holds(state.assertion, before, after):
                following = (state.next,)
            else:
                continue
            for number in following:
                if number not in seen:
                    seen.add(number)
                    waiting.append(number)
        return seen

    def _read(self, states: frozenset[int], before: int, code: int) -> frozenset[int]:
        bit = 1 << code
        reached = (self._states[number] for number in self._reachable(states, before, code))
        return frozenset(state.next for state in reached if isinstance(state, _Step) and state.mask & bit)


def _holds(assertion: Assertion, before: int, after: int | None) -> bool:
    match assertion:
        case Assertion.BEGIN_TEXT:
            return before == _BEGIN
        case Assertion.END_TEXT:
            return after is None
    is_boundary = _is_word(before) != (after is not None and _is_word(after))
    return is_boundary is (assertion is Assertion.WORD_BOUNDARY)


def _is_word(code: int) -> bool:
    return code != _BEGIN and (chr(code).isalnum() or code == 95)
