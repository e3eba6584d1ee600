"""A principal as it stands in forwarded requests."""

from __future__ import annotations

from kafkalite.protocol.schema import Message, boolean, string


class DefaultPrincipalData(Message, versions="0", flexible="0+"):
    type: str = string()
    name: str = string()
    token_authenticated: bool = boolean()
