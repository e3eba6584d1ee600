"""The topics that a regular expression on a tool's command line names."""

from __future__ import annotations

import re

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.identifiers import INTERNAL_TOPICS


class TopicFilter:
    """Matches whole names; commas are alternatives, blanks and outer quotes are nothing."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern.strip().replace(",", "|").replace(" ", "").strip("\"'")
        try:
            self._regex = re.compile(self.pattern)
        except re.error:
            raise ToolError(f"{self.pattern} is an invalid regex.", "java.lang.RuntimeException") from None

    def is_allowed(self, topic: str, *, excludes_internal: bool) -> bool:
        return self._regex.fullmatch(topic) is not None and not (excludes_internal and topic in INTERNAL_TOPICS)
