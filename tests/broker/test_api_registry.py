"""The registry: the table of versions beside the handlers, and what a broker imports before anybody asks for it."""

from __future__ import annotations

import subprocess
import sys

from kafkalite.broker.api_registry import served_api, served_apis
from kafkalite.broker.served_versions import SERVED_VERSIONS
from kafkalite.protocol.api_keys import ApiKey

ASKED_FOR_TWO = """
import sys
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite.testing import KafkaliteServer
with KafkaliteServer() as kafka, WireClient(kafka.bootstrap_servers) as client:
    client.send(ApiVersionsRequest())
    client.send(MetadataRequest())
    print(*sorted(name for name in sys.modules if name.startswith("kafkalite.apis.")))
"""


def test_the_table_of_versions_is_what_the_handlers_serve() -> None:
    assert {key: api.versions for key, api in served_apis().items()} == SERVED_VERSIONS


def test_an_api_is_found_by_its_number_and_none_by_others() -> None:
    api = served_api(ApiKey.METADATA)
    assert api is not None
    assert api.handler.__module__ == "kafkalite.apis.metadata"
    assert [served_api(number) for number in (ApiKey.VOTE, -1, 32_767)] == [None] * 3


def test_only_what_clients_ask_for_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED_FOR_TWO], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["kafkalite.apis.api_versions", "kafkalite.apis.metadata"]
