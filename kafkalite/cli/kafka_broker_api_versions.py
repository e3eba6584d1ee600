"""kafka-broker-api-versions: prints which versions of which APIs each broker serves."""

from __future__ import annotations

import sys
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import (
    OptionParser,
    check_required,
    exit_with_error,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.java_exceptions import ToolError, message
from kafkalite.client.admin import Admin, AdminTimeoutError
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import KafkaError
from kafkalite.protocol.api_keys import ApiKey, request_class
from kafkalite.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from kafkalite.protocol.messages.metadata import MetadataRequest

_ABOUT: Final = "This tool helps to retrieve broker version information."
_LISTENER: Final = "broker"


def _described(api: ApiVersion) -> str:
    """ "Fetch(1): 4 to 18 [usable: 18]"."""
    served = str(api.min_version)
    if api.max_version != api.min_version:
        served = f"{api.min_version} to {api.max_version}"
    if api.api_key not in ApiKey.__members__.values():
        return f"UNKNOWN({api.api_key}): {served}"
    request = request_class(api.api_key)
    name = request.__name__.removesuffix("Request")
    known = request.valid_versions
    if known.highest < api.min_version:
        usable = "unusable: node too new"
    elif api.max_version < known.lowest:
        usable = "unusable: node too old"
    else:
        usable = f"usable: {min(known.highest, api.max_version)}"
    return f"{name}({api.api_key}): {served} [{usable}]"


def format_api_versions(response: ApiVersionsResponse) -> str:
    """The APIs by number, those that the broker lacks included."""
    lines = {api.api_key: _described(api) for api in response.api_keys}
    for key in ApiKey:
        if key not in lines:
            request = request_class(key)
            if _LISTENER in request.listener_types:
                lines[int(key)] = f"{request.__name__.removesuffix('Request')}({int(key)}): UNSUPPORTED"
    return "(\n\t" + ",\n\t".join(lines[key] for key in sorted(lines)) + "\n)"


def print_versions(admin: Admin) -> None:
    try:
        # Once, as Apache Kafka's: this tool is what people try a broker with.
        brokers = admin.bootstrap_client.send(MetadataRequest(topics=[])).brokers
    except WireClientError:
        tried = ", ".join(
            f"{endpoint} (id: {-number} rack: null isFenced: false)"
            for number, endpoint in enumerate(admin.bootstrap_client.endpoints, 1)
        )
        raise ToolError(f"Request METADATA failed on brokers [{tried}]", "java.lang.RuntimeException") from None
    for broker in brokers:
        client = admin.client_of(broker.node_id)
        where = f"{broker.host}:{broker.port} (id: {broker.node_id} rack: {broker.rack or 'null'} isFenced: false)"
        try:
            print(f"{where} -> {format_api_versions(client.api_versions())}")
        except (KafkaError, WireClientError) as error:
            print(f"{where} -> ERROR: {message(error)}")


def _execute(argv: list[str]) -> None:
    parser = OptionParser()
    command_config = parser.option(
        "command-config", "A properties file with settings of the connection.", "command config property file"
    )
    bootstrap_server = parser.option(
        "bootstrap-server", "REQUIRED: the broker to connect to.", "server(s) to use for bootstrapping"
    )
    options = parser.parse(argv)
    print_help_or_version(parser, options, _ABOUT, is_empty=not argv)
    check_required(parser, options, bootstrap_server)
    try:
        with open_admin(options.value(bootstrap_server), load_properties(options.value(command_config))) as admin:
            print_versions(admin)
    except (ToolError, KafkaError, AdminTimeoutError, WireClientError) as error:
        exit_with_error(message(error))


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
