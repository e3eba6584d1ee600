"""What the configuration of a controller says of it to a quorum that it joins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.client.endpoint import BootstrapError, Endpoint
from kafkalite.identifiers import Uuid

_TERSE = "org.apache.kafka.tools.TerseException"
_DOUBT = "Is this a valid controller configuration file?"


class Controller(NamedTuple):
    node_id: int
    directory_id: Uuid
    endpoints: dict[str, Endpoint]


def controller_of(properties: Mapping[str, str]) -> Controller:
    """Reads a controller's server.properties and the meta.properties that it names; raises ToolError."""
    return Controller(_node_id(properties), _directory_id(properties), _endpoints(properties))


def _node_id(properties: Mapping[str, str]) -> int:
    if "node.id" not in properties:
        raise ToolError(f"node.id not found in configuration file. {_DOUBT}", _TERSE)
    text = properties["node.id"].strip()
    if not text.lstrip("-").isdigit():
        raise ToolError(f'For input string: "{text}"', "java.lang.NumberFormatException")
    if int(text) < 0:
        raise ToolError(f"node.id was negative in configuration file. {_DOUBT}", _TERSE)
    if "controller" not in properties.get("process.roles", ""):
        raise ToolError(f"process.roles did not contain 'controller' in configuration file. {_DOUBT}", _TERSE)
    return int(text)


def _directory_id(properties: Mapping[str, str]) -> Uuid:
    directory = properties.get("metadata.log.dir") or properties.get("log.dirs", "").strip().split(",")[0]
    if not directory:
        raise ToolError(f"Neither metadata.log.dir nor log.dirs were found. {_DOUBT}", _TERSE)
    path = os.path.join(directory, "meta.properties")
    if not os.path.exists(path):
        raise ToolError(f"Unable to read meta.properties from {directory}", _TERSE)
    text = load_properties(path).get("directory.id")
    if text is None:
        raise ToolError(f"No directory id found in {directory}", _TERSE)
    return Uuid.parse(text)


def _endpoints(properties: Mapping[str, str]) -> dict[str, Endpoint]:
    known: dict[str, Endpoint] = {}
    for key in ("listeners", "advertised.listeners"):
        for listener in filter(None, map(str.strip, properties.get(key, "").split(","))):
            name, _, address = listener.partition("://")
            try:
                endpoint = Endpoint.parse(address)
            except BootstrapError:
                raise ToolError(f"Unable to parse {listener} to a broker endpoint") from None
            known[name.upper()] = Endpoint(endpoint.host or "localhost", endpoint.port)
    if "controller.listener.names" not in properties:
        raise ToolError(f"controller.listener.names was not found. {_DOUBT}", _TERSE)
    endpoints = {}
    for text in properties["controller.listener.names"].split(","):
        name = text.strip().upper()
        if name not in known:
            raise ToolError(f"Cannot find information about controller listener name: {name}", _TERSE)
        endpoints[name] = known[name]
    return endpoints
