"""RE2's syntax: a regular expression's text becomes a tree, over the characters that a topic's name may have.

What is valid, and what is said of what is not, is as in RE2/J, which Apache Kafka uses. Groups capture nothing and
greediness does not matter, since the only question ever asked is whether a whole name matches. Sets of characters are
bit masks of ASCII: topic names have no others, and no newlines.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from kafkalite.coordinator.topic_regex.unicode_names import CATEGORIES, SCRIPTS

MAX_REPEAT: Final = 1000
MAX_DEPTH: Final = 500
"""Groups within groups; RE2/J has no limit but its stack."""
_MAX_RUNE: Final = 0x10FFFF
_ALL: Final = (1 << 128) - 1


class PatternSyntaxError(ValueError):
    """The text is no regular expression; the message is RE2/J's description."""


class Assertion(Enum):
    """What matches no character, but a place."""

    BEGIN_TEXT = "begin"
    END_TEXT = "end"
    WORD_BOUNDARY = "boundary"
    NO_WORD_BOUNDARY = "no boundary"


class CharacterSet(NamedTuple):
    """Any one of the characters in the mask."""

    mask: int


class Concatenation(NamedTuple):
    """One after the other; nothing at all where it is empty."""

    parts: tuple[Node, ...]


class Alternation(NamedTuple):
    """One or the other."""

    parts: tuple[Node, ...]


class Repetition(NamedTuple):
    """At least `minimum` times, and at most `maximum`; None: any number."""

    part: Node
    minimum: int
    maximum: int | None


Node = CharacterSet | Concatenation | Alternation | Repetition | Assertion


class _Group:
    """A group that is open: the alternatives that are complete, and the one being read."""

    __slots__ = ("alternatives", "folds_case", "parts")

    def __init__(self, *, folds_case: bool) -> None:
        self.folds_case = folds_case  # outside of it
        self.alternatives: list[Node] = []
        self.parts: list[Node] = []

    def close(self) -> Node:
        alternatives = [*self.alternatives, Concatenation(tuple(self.parts))]
        return alternatives[0] if len(alternatives) == 1 else Alternation(tuple(alternatives))


def parse(text: str) -> Node:
    """The tree of a regular expression; raises PatternSyntaxError."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._folds_case = False
        self._groups = [_Group(folds_case=False)]
        self._names: set[str] = set()

    def parse(self) -> Node:
        text = self._text
        has_just_repeated = False
        while self._position < len(text):
            character = text[self._position]
            repetition = self._repetition(character)
            if repetition is not None:
                self._repeat(*repetition, has_just_repeated=has_just_repeated)
                has_just_repeated = True
                continue
            has_just_repeated = character == "{"  # RE2/J takes even a brace that is no operator for one here
            read = _READERS.get(character)
            if read is None:
                self._position += 1
                self._push(self._literal(ord(character)))
            else:
                read(self)
        if len(self._groups) > 1:
            raise PatternSyntaxError("missing closing )")
        return self._groups[0].close()

    def _push(self, node: Node) -> None:
        self._groups[-1].parts.append(node)

    # Repetition

    def _repetition(self, character: str) -> tuple[int, int | None] | None:
        """The bounds of a repetition operator at this place, which is read; None where there is none."""
        if character == "{":
            return self._counted_repetition()
        bounds = _REPETITIONS.get(character)
        if bounds is not None:
            self._position += 1
        return bounds

    def _counted_repetition(self) -> tuple[int, int | None] | None:
        text, end = self._text, self._text.find("}", self._position)
        if end < 0:
            return None
        first, comma, second = text[self._position + 1 : end].partition(",")
        minimum = _count(first)
        maximum = minimum if not comma else (None if not second else _count(second))
        if minimum == _NO_COUNT or maximum == _NO_COUNT:
            return None
        assert minimum is not None
        if minimum > MAX_REPEAT or (maximum is not None and (maximum > MAX_REPEAT or minimum > maximum)):
            raise PatternSyntaxError("invalid repeat count")
        self._position = end + 1
        return minimum, maximum

    def _repeat(self, minimum: int, maximum: int | None, *, has_just_repeated: bool) -> None:
        if self._text.startswith("?", self._position):
            self._position += 1  # Not greedy: the same to us.
        if has_just_repeated:
            raise PatternSyntaxError("invalid nested repetition operator")
        parts = self._groups[-1].parts
        if not parts:
            raise PatternSyntaxError("missing argument to repetition operator")
        parts[-1] = Repetition(parts[-1], minimum, maximum)

    # Groups and alternatives

    def read_group(self) -> None:
        if self._text.startswith("(?", self._position):
            self._read_flags()
            return
        self._position += 1
        self._open()

    def _open(self) -> None:
        if len(self._groups) > MAX_DEPTH:
            raise PatternSyntaxError("expression nests too deeply")
        self._groups.append(_Group(folds_case=self._folds_case))

    def read_end_of_group(self) -> None:
        if len(self._groups) == 1:
            raise PatternSyntaxError("regexp/syntax: internal error")
        self._position += 1
        group = self._groups.pop()
        self._folds_case = group.folds_case
        self._push(group.close())

    def read_bar(self) -> None:
        self._position += 1
        group = self._groups[-1]
        group.alternatives.append(Concatenation(tuple(group.parts)))
        group.parts = []

    def _read_flags(self) -> None:
        """(?flags), (?flags:...), or a group with a name."""
        text, position = self._text, self._position
        for opening in ("(?P<", "(?<"):
            if text.startswith(opening, position):
                self._read_named_group(position + len(opening))
                return
        position += 2
        folds_case, value, has_flag = self._folds_case, True, False
        while position < len(text):
            character = text[position]
            position += 1
            if character in _FLAGS:
                folds_case = value if character == "i" else folds_case
                has_flag = True
            elif character == "-" and value:
                value, has_flag = False, False
            elif character in ":)" and (value or has_flag):
                if character == ":":
                    self._open()
                self._folds_case, self._position = folds_case, position
                return
            else:
                break
        raise PatternSyntaxError("invalid or unsupported Perl syntax")

    def _read_named_group(self, begin: int) -> None:
        end = self._text.find(">", begin)
        name = self._text[begin : max(end, begin)]
        if end < 0 or not name or not all(c == "_" or (c.isascii() and c.isalnum()) for c in name):
            raise PatternSyntaxError("invalid named capture")
        if name in self._names:
            raise PatternSyntaxError("duplicate capture group name")
        self._names.add(name)
        self._position = end + 1
        self._open()

    # Single characters and places

    def read_caret(self) -> None:
        self._position += 1
        self._push(Assertion.BEGIN_TEXT)

    def read_dollar(self) -> None:
        self._position += 1
        self._push(Assertion.END_TEXT)

    def read_dot(self) -> None:
        self._position += 1
        self._push(CharacterSet(_ALL))

    def _literal(self, rune: int) -> CharacterSet:
        return CharacterSet(self._range(rune, rune))

    def _range(self, low: int, high: int) -> int:
        mask = (1 << min(high, 127) + 1) - (1 << low) if low < 128 else 0
        if not self._folds_case:
            return mask
        folded = _fold(mask)
        for rune, letter in ((0x17F, "s"), (0x212A, "k")):  # the long s and the Kelvin sign
            if low <= rune <= high:
                folded |= _fold(1 << ord(letter))
        return folded

    def read_escape(self) -> None:
        text, position = self._text, self._position
        following = text[position + 1 : position + 2]
        if following in _PLACES:
            self._position += 2
            self._push(_PLACES[following])
        elif following == "C":
            raise PatternSyntaxError("invalid escape sequence")
        elif following == "Q":
            end = text.find("\\E", position + 2)
            literal = text[position + 2 : len(text) if end < 0 else end]
            self._position = len(text) if end < 0 else end + 2
            for character in literal:
                self._push(self._literal(ord(character)))
        else:
            mask = self._class_escape()
            self._push(self._literal(self._escaped_rune()) if mask is None else CharacterSet(mask))

    def _class_escape(self) -> int | None:
        """The characters of \\d, \\pL and their like, which is read; None where it is something else."""
        text, position = self._text, self._position
        if not text.startswith("\\", position):
            return None
        name = text[position + 1 : position + 2]
        if name in ("p", "P"):
            return self._unicode_class()
        if name not in _PERL_CLASSES:
            return None
        self._position += 2
        return _PERL_CLASSES[name]

    def _unicode_class(self) -> int:
        text, position = self._text, self._position
        is_negated = text[position + 1] == "P"
        name = text[position + 2 : position + 3]
        end = position + 3
        if name == "{":
            closing = text.find("}", position)
            name, end = text[position + 3 : max(closing, 0)], closing + 1
        if not name and end <= position + 3:
            raise PatternSyntaxError("invalid character class range")
        if name.startswith("^"):
            is_negated, name = not is_negated, name[1:]
        mask = _unicode_mask(name)
        if mask is None:
            raise PatternSyntaxError("invalid character class range")
        self._position = end
        if self._folds_case:
            mask = _fold(mask)
        return _ALL & ~mask if is_negated else mask

    def _escaped_rune(self) -> int:
        text, position = self._text, self._position + 1
        if position >= len(text):
            raise PatternSyntaxError("trailing backslash at end of expression")
        character = text[position]
        self._position = position + 1
        if not (character.isascii() and character.isalnum()):
            return ord(character)
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "x":
            return self._hexadecimal_rune()
        octal = _leading(text[position : position + 3], "01234567")
        if character == "0" or len(octal) >= 2:
            self._position = position + len(octal)
            return int(octal, 8)
        raise PatternSyntaxError("invalid escape sequence")

    def _hexadecimal_rune(self) -> int:
        text, position = self._text, self._position
        if text.startswith("{", position):
            end = text.find("}", position)
            digits = text[position + 1 : max(end, 0)]
        else:
            end = position + 1
            digits = text[position : position + 2]
            if len(digits) < 2:
                digits = ""
        if not digits or _leading(digits, _HEXADECIMAL) != digits or int(digits, 16) > _MAX_RUNE:
            raise PatternSyntaxError("invalid escape sequence")
        self._position = end + 1
        return int(digits, 16)

    # Classes

    def read_class(self) -> None:
        text = self._text
        self._position += 1
        is_negated = text.startswith("^", self._position)
        self._position += is_negated
        mask = 0
        is_first = True
        while is_first or not text.startswith("]", self._position):
            is_first = False
            if self._position >= len(text):
                raise PatternSyntaxError("missing closing ]")
            named = self._named_class()
            if named is None:
                named = self._class_escape()
            mask |= self._class_range() if named is None else named
        self._position += 1
        self._push(CharacterSet(_ALL & ~mask if is_negated else mask))

    def _named_class(self) -> int | None:
        text, position = self._text, self._position
        end = text.find(":]", position)
        if not text.startswith("[:", position) or end < 0:
            return None
        name = text[position + 2 : end]
        is_negated = name.startswith("^")
        mask = _POSIX_CLASSES.get(name[is_negated:])
        if mask is None:
            raise PatternSyntaxError("invalid character class range")
        self._position = end + 2
        if self._folds_case:
            mask = _fold(mask)
        return _ALL & ~mask if is_negated else mask

    def _class_range(self) -> int:
        low = high = self._class_rune()
        text, position = self._text, self._position
        if text.startswith("-", position) and not text.startswith("-]", position):
            self._position += 1
            high = self._class_rune()
            if high < low:
                raise PatternSyntaxError("invalid character class range")
        return self._range(low, high)

    def _class_rune(self) -> int:
        if self._position >= len(self._text):
            raise PatternSyntaxError("missing closing ]")
        character = self._text[self._position]
        if character == "\\":
            return self._escaped_rune()
        self._position += 1
        return ord(character)


_NO_COUNT: Final = -1
_HEXADECIMAL: Final = "0123456789abcdefABCDEF"


def _count(digits: str) -> int:
    """A repeat count; _NO_COUNT where it is not written as one, and then the brace is a character like others."""
    if not digits or _leading(digits, "0123456789") != digits or (len(digits) > 1 and digits[0] == "0"):
        return _NO_COUNT
    return int(digits) if len(digits) <= 8 else MAX_REPEAT + 1


def _leading(text: str, characters: str) -> str:
    return text[: len(text) - len(text.lstrip(characters))]


def _mask(is_member: Callable[[str], bool]) -> int:
    return sum(1 << code for code in range(128) if is_member(chr(code)))


def _fold(mask: int) -> int:
    lower, upper = mask >> 97 & 0x3FFFFFF, mask >> 65 & 0x3FFFFFF
    return mask | (lower | upper) << 97 | (lower | upper) << 65


def _unicode_mask(name: str) -> int | None:
    """The ASCII characters of a Unicode category or script; None where there is no such name."""
    if name == "Any":
        return _ALL
    if name in CATEGORIES:
        return _mask(lambda character: unicodedata.category(character).startswith(name))
    if name not in SCRIPTS:
        return None
    letters = _mask(str.isalpha)
    return {"Latin": letters, "Common": _ALL & ~letters}.get(name, 0)


_REPETITIONS: Final[dict[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_FLAGS: Final = "imsU"  # of which only the first matters to names without newlines
_PLACES: Final = {
    "A": Assertion.BEGIN_TEXT,
    "b": Assertion.WORD_BOUNDARY,
    "B": Assertion.NO_WORD_BOUNDARY,
    "z": Assertion.END_TEXT,
}
_CONTROLS: Final = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_WORD: Final = _mask(lambda c: c.isalnum() or c == "_")
_DIGIT: Final = _mask(str.isdigit)
_PERL_SPACE: Final = _mask("\t\n\f\r ".__contains__)
_PERL_CLASSES: Final = {
    "d": _DIGIT,
    "D": _ALL & ~_DIGIT,
    "s": _PERL_SPACE,
    "S": _ALL & ~_PERL_SPACE,
    "w": _WORD,
    "W": _ALL & ~_WORD,
}
_POSIX_CLASSES: Final = {
    "alnum": _mask(str.isalnum),
    "alpha": _mask(str.isalpha),
    "ascii": _ALL,
    "blank": _mask("\t ".__contains__),
    "cntrl": _mask(lambda c: ord(c) < 32 or ord(c) == 127),
    "digit": _DIGIT,
    "graph": _mask(lambda c: 32 < ord(c) < 127),
    "lower": _mask(str.islower),
    "print": _mask(lambda c: 32 <= ord(c) < 127),
    "punct": _mask(lambda c: 32 < ord(c) < 127 and not c.isalnum()),
    "space": _mask("\t\n\v\f\r ".__contains__),
    "upper": _mask(str.isupper),
    "word": _WORD,
    "xdigit": _mask(_HEXADECIMAL.__contains__),
}
_READERS: Final[dict[str, Callable[[_Parser], None]]] = {
    "(": _Parser.read_group,
    ")": _Parser.read_end_of_group,
    "|": _Parser.read_bar,
    "^": _Parser.read_caret,
    "$": _Parser.read_dollar,
    ".": _Parser.read_dot,
    "[": _Parser.read_class,
    "\\": _Parser.read_escape,
}
