"""From the name in a client's certificate to its user name: ssl.principal.mapping.rules (KIP-371).

rules  rule, rule, ...; the first that fits decides
rule   DEFAULT (the name as it is) | RULE:pattern/replacement/[LU] (the whole name fits; L, U: in small letters, in
       capitals); a slash within is written \\/
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final, NamedTuple

from kafkalite.config.config_value import ConfigException

_RULE: Final = r"(DEFAULT)|RULE:((?:\\.|[^\\/])*)/((?:\\.|[^\\/])*)/([LU]?).*?|(.*?)"
_SPLITTER: Final = re.compile(rf"\s*({_RULE})\s*(,\s*|$)")
_PARSER: Final = re.compile(_RULE)
_REFERENCE: Final = re.compile(r"\\(.)|\$(\d+)")


class _Rule(NamedTuple):
    pattern: re.Pattern[str] | None
    replacement: str
    case: str


class SslPrincipalMapper:
    """The rules, read once. Raises ConfigException for what is none."""

    def __init__(self, rules: str) -> None:
        self._text = rules
        self._rules = [rule for match in _SPLITTER.finditer(rules.strip()) for rule in _parse(match[1])]

    def name_of(self, distinguished_name: str) -> str:
        """The user name of who has this name; raises ValueError where no rule fits."""
        for rule in self._rules:
            if rule.pattern is None:
                return distinguished_name
            if rule.pattern.fullmatch(distinguished_name) is None:
                continue
            name = rule.pattern.sub(partial(_replaced, rule.replacement), distinguished_name)
            return {"L": name.lower(), "U": name.upper()}.get(rule.case, name)
        raise ValueError(f"No rules apply to {distinguished_name}, rules {self._text}")


def _parse(text: str) -> list[_Rule]:
    match = _PARSER.match(text)
    if match is None or match.end() != len(text):
        rest = text if match is None else text[match.end() :]
        raise ConfigException(f"Invalid rule: `{text}`, unmatched substring: `{rest}`")
    if match[1] is not None:
        return [_Rule(None, "", "")]
    if match[2] is None:
        return []
    try:
        return [_Rule(re.compile(match[2]), match[3], match[4])]
    except re.error as error:
        raise ConfigException(f"Invalid rule: `{text}`: {error}") from None


def _replaced(replacement: str, match: re.Match[str]) -> str:
    """The replacement with $1, $2, ... filled in: the longest number that is a group's; others stay as they are."""

    def fill(reference: re.Match[str]) -> str:
        if reference[1] is not None:
            return reference[1]
        digits = reference[2]
        for size in range(len(digits), 0, -1):
            number = int(digits[:size])
            if number <= match.re.groups:
                return (match[number] or "") + digits[size:]
        return reference[0]

    return _REFERENCE.sub(fill, replacement)
