"""kafka-storage: makes ids, formats a node's log directories and says what is in them (kafka.tools.StorageTool)."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

from kafkalite.broker.metadata_batches import standalone_voter
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.broker.storage_formatter import (
    DirectoryFormat,
    FormatError,
    check_identity,
    format_directories,
)
from kafkalite.cli.command_line import CommandExit, exit_with_error, run_command
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException
from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.bootstrap_metadata import bootstrap_levels, bootstrap_records
from kafkalite.metadata.features import FEATURES, KRAFT_VERSION_FEATURE, default_level
from kafkalite.metadata.metadata_version import FORMAT_VERSION, METADATA_VERSION_FEATURE, version_name
from kafkalite.protocol.control_records import VotersRecord
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import FeatureLevelRecord
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.meta_properties import MetaProperties, MetaPropertiesError, read_meta_properties

_PROGRAM: Final = "kafka-storage"
_SALT_SIZE: Final = 20
_VOTERS: Final = "controller.quorum.voters"
_NO_VOTERS_FLAG: Final = (
    f"Because {_VOTERS} is not set on this controller, you must specify one of the following: --standalone, "
    "--initial-controllers, or --no-initial-controllers."
)
_VOTERS_AND_FLAG: Final = (
    f"You cannot specify {_VOTERS} and format the node with --initial-controllers or --standalone. If you want to use "
    f"dynamic quorum, please remove {_VOTERS} and specify controller.quorum.bootstrap.servers instead."
)
_STATIC_WITH_VERSION_1: Final = (
    "Cannot set kraft.version to {} unless controller.quorum.voters is empty and one of the flags --standalone, "
    "--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of "
    "--standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
)
_DYNAMIC_WITH_VERSION_0: Final = (
    "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, "
    "--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the "
    "--feature flag for kraft.version."
)


class _Parser(argparse.ArgumentParser):
    """Reports errors as argparse4j does: the usage, one line, exit code 1."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{_PROGRAM}: error: {message}", file=sys.stderr)
        raise CommandExit(1)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise CommandExit(status)


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, dict[str, _Parser]]:
    parser = _Parser(prog=_PROGRAM, description="The storage tool: formats log directories and says what is in them.")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    info = commands.add_parser("info", help="Say what the log directories of this node hold.")
    formatting = commands.add_parser("format", help="Format the log directories of this node.")
    mapping = commands.add_parser("version-mapping", help="Show the feature levels that come with a release.")
    dependencies = commands.add_parser("feature-dependencies", help="Show which other features a level needs.")
    commands.add_parser("random-uuid", help="Print a random id.")
    for command in (info, formatting):
        command.add_argument("--config", "-c", help="The broker's configuration file.")
    formatting.add_argument("--cluster-id", "-t", help="The id of the cluster.")
    formatting.add_argument(
        "--add-scram",
        "-S",
        action="append",
        help="A SCRAM credential to begin with: 'SCRAM-SHA-256=[name=alice,password=alice-secret]', or with salt, "
        "iterations and saltedpassword.",
    )
    formatting.add_argument(
        "--ignore-formatted", "-g", action="store_true", help="Leave formatted directories as they are."
    )
    release_help = f"The release whose feature levels to take, from {version_name(versions.MINIMUM)} on; " + (
        f"{version_name(FORMAT_VERSION)} unless given."
    )
    formatting.add_argument("--release-version", "-r", help=release_help)
    formatting.add_argument("--feature", "-f", action="append", help="The level of one feature: feature=level.")
    quorum = formatting.add_mutually_exclusive_group()
    quorum.add_argument("--standalone", "-s", action="store_true", help="This node alone is the controllers' quorum.")
    quorum.add_argument(
        "--no-initial-controllers", "-N", action="store_true", help="The quorum will be told by other controllers."
    )
    quorum.add_argument(
        "--initial-controllers",
        "-I",
        help="The quorum: id@host:port:directory, the same on all nodes, comma-separated.",
    )
    mapping.add_argument("--release-version", "-r", help=release_help)
    dependencies.add_argument("--feature", "-f", action="append", help="The level to look up: feature=level.")
    found, unknown = parser.parse_known_args(argv)
    if found.command is None:
        parser.error("too few arguments")
    if unknown:
        commands.choices[found.command].error(f"unrecognized arguments: '{' '.join(unknown)}'")
    return found, dict(commands.choices)


_REQUIRED: Final = {
    "info": (("config", "--config/-c"),),
    "format": (("config", "--config/-c"), ("cluster_id", "--cluster-id/-t")),
    "feature-dependencies": (("feature", "--feature/-f"),),
}


def _execute(argv: list[str]) -> int:
    arguments, parsers = _parse(argv)
    for name, flag in _REQUIRED.get(arguments.command, ()):
        if getattr(arguments, name) is None:
            parsers[arguments.command].error(f"argument {flag} is required")
    try:
        if arguments.command == "random-uuid":
            print(random_uuid())
            return 0
        if arguments.command == "version-mapping":
            return _show_version_mapping(arguments.release_version)
        if arguments.command == "feature-dependencies":
            return _show_feature_dependencies(arguments.feature)
        config = BrokerConfig.load(arguments.config)
        return _info(config) if arguments.command == "info" else _format(config, arguments)
    except (ConfigException, FormatError, MetaPropertiesError, ValueError) as error:
        exit_with_error(str(error))
    except OSError as error:
        exit_with_error(f"{error.filename or arguments.config}: {error.strerror}")


def _show_version_mapping(release: str | None) -> int:
    name = version_name(FORMAT_VERSION) if release is None else release
    level = versions.metadata_version_for(name)
    print(f"{METADATA_VERSION_FEATURE}={level} ({name})")
    for feature in FEATURES:
        print(f"{feature}={default_level(feature, level)}")
    return 0


def _show_feature_dependencies(wanted: Sequence[str]) -> int:
    for argument in wanted:
        name, equals, text = (part.strip() for part in argument.partition("="))
        if not equals:
            raise ValueError(
                f"Invalid feature format: {argument}. Expected format: 'feature=version' (e.g. 'group.version=1')"
            )
        level = _short(text)
        if level is None:
            raise ValueError(f"Invalid version format: {text} for feature {name}")
        if name == METADATA_VERSION_FEATURE:
            if not versions.MINIMUM <= level <= versions.LATEST:
                raise ValueError(f"Unknown metadata.version {level}")
            print(f"{name}={level} ({version_name(level)}) has no dependencies.")
            continue
        if name not in FEATURES:
            raise ValueError(f"Unknown feature: {name}")
        entry = next((entry for entry in FEATURES[name] if entry.level == level), None)
        if entry is None:
            raise ValueError(f"Feature level {level} is not supported for feature {name}")
        print(f"{name}={level} requires:" if entry.dependencies else f"{name}={level} has no dependencies.")
        for needed, needed_level in entry.dependencies:
            suffix = f" ({version_name(needed_level)})" if needed == METADATA_VERSION_FEATURE else ""
            print(f"    {needed}={needed_level}{suffix}")
    return 0


def _short(text: str) -> int | None:
    try:
        number = parse_int(text)
    except ToolError:
        return None
    return number if -32768 <= number <= 32767 else None


def _directories(config: BrokerConfig) -> list[str]:
    return sorted({*config.log_dirs, config.metadata_log_dir})


def _info(config: BrokerConfig) -> int:
    problems: list[str] = []
    found: list[str] = []
    first: MetaProperties | None = None
    for directory in _directories(config):
        if not os.path.isdir(directory):
            problems.append(f"{directory} {'is not a directory' if os.path.exists(directory) else 'does not exist'}")
            continue
        found.append(directory)
        try:
            properties = read_meta_properties(LocalFileSystem(), directory)
        except MetaPropertiesError as error:
            problems.append(f"Error loading {directory}/meta.properties: {error}")
            continue
        if properties is None:
            problems.append(f"{directory} is not formatted.")
        elif first is None:
            first = properties
        elif first.cluster_id != properties.cluster_id:
            problems.append("Mismatched cluster IDs between storage directories.")
        elif first.node_id != properties.node_id:
            problems.append("Mismatched node IDs between storage directories.")
    if first is not None and first.version == 0:
        problems.append(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted "
            "for legacy mode."
        )
    _print_list("Found log directory:", "Found log directories:", found)
    if first is not None:
        lines = first.encode().decode().splitlines()
        print(f"Found metadata: {{{', '.join(sorted(line for line in lines if not line.startswith('#')))}}}\n")
    _print_list("Found problem:", "Found problems:", problems)
    return 1 if problems else 0


def _print_list(singular: str, plural: str, lines: Sequence[str]) -> None:
    if lines:
        print(singular if len(lines) == 1 else plural)
        for line in lines:
            print(f"  {line}")
        print()


def _format(config: BrokerConfig, arguments: argparse.Namespace) -> int:
    has_static_voters = bool(config["controller.quorum.voters"])
    if has_static_voters and (arguments.standalone or arguments.initial_controllers is not None):
        exit_with_error(_VOTERS_AND_FLAG)
    is_controller = "controller" in config["process.roles"]
    if arguments.standalone and not is_controller:
        exit_with_error("You can only use --standalone on a controller.")
    levels = _levels(arguments, is_dynamic=not has_static_voters)
    voters = _voters(config, arguments)
    if voters is None and is_controller and not has_static_voters and not arguments.no_initial_controllers:
        exit_with_error(_NO_VOTERS_FLAG)
    records = bootstrap_records(levels) + _scram_records(arguments.add_scram or (), levels)
    filesystem = LocalFileSystem()
    directories = _directories(config)
    wanted = DirectoryFormat(arguments.cluster_id, config.node_id, voters=voters, records=records)
    formatted = []
    for directory in directories:
        properties = read_meta_properties(filesystem, directory)
        if properties is not None:
            check_identity(directory, properties, wanted)
            formatted.append(directory)
    if formatted and not arguments.ignore_formatted:
        raise FormatError(
            f"Log directory {formatted[0]} is already formatted. Use --ignore-formatted to ignore this directory and "
            "format the others."
        )
    if len(formatted) < len(directories):
        _print_bootstrap_metadata(records)
    name = version_name(levels[METADATA_VERSION_FEATURE])

    def announce(directory: str) -> None:
        print(f"Formatting {_describe(config, directory, voters)} {directory} with metadata.version {name}.")

    format_directories(
        filesystem,
        directories,
        config.metadata_log_dir,
        wanted,
        now_ms=time.time_ns() // 1_000_000,
        random_uuid=random_uuid,
        announce=announce,
    )
    if len(formatted) == len(directories):
        print("All of the log directories are already formatted.")
    return 0


def _describe(config: BrokerConfig, directory: str, voters: VotersRecord | None) -> str:
    if directory != config.metadata_log_dir:
        return "data directory"
    if voters is None:
        return "metadata directory"
    is_voter = any(voter.voter_id == config.node_id for voter in voters.voters)
    return "dynamic metadata voter directory" if is_voter else "dynamic metadata directory"


def _levels(arguments: argparse.Namespace, *, is_dynamic: bool) -> dict[str, int]:
    explicit: dict[str, int] = {}
    for argument in arguments.feature or ():
        name, equals, text = (part.strip() for part in argument.partition("="))
        if not equals:
            raise ValueError(f"Can't parse feature=level string {argument}: equals sign not found.")
        level = _short(text)
        if level is None:
            raise ValueError(f"Can't parse feature=level string {argument}: unable to parse {text} as a short.")
        explicit[name] = level
    version = FORMAT_VERSION
    if METADATA_VERSION_FEATURE in explicit:
        if arguments.release_version is not None:
            raise ValueError("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")
        version = explicit.pop(METADATA_VERSION_FEATURE)
        version_name(version)
    elif arguments.release_version is not None:
        version = versions.metadata_version_for(arguments.release_version)
    for name in explicit:
        if name not in FEATURES:
            raise ValueError(f"Unsupported feature: {name}. Supported features are: {', '.join(sorted(FEATURES))}")
    kraft_version = explicit.setdefault(KRAFT_VERSION_FEATURE, 1 if is_dynamic else 0)
    if kraft_version == 0 and is_dynamic:
        raise ValueError(_DYNAMIC_WITH_VERSION_0)
    if kraft_version != 0 and not is_dynamic:
        raise ValueError(_STATIC_WITH_VERSION_1.format(kraft_version))
    return bootstrap_levels(version, explicit)


def _voters(config: BrokerConfig, arguments: argparse.Namespace) -> VotersRecord | None:
    listener_name = config["controller.listener.names"][0]
    if arguments.initial_controllers is not None:
        from kafkalite.cli.dynamic_voters import parse_dynamic_voters

        return parse_dynamic_voters(arguments.initial_controllers, listener_name)
    if not arguments.standalone:
        return None
    if not config.controller_endpoints:
        raise ValueError("No controller listeners found.")
    endpoint = config.controller_endpoints[0]
    address = (endpoint.listener_name, endpoint.host or "localhost", endpoint.port)
    return standalone_voter(config.node_id, random_uuid(), [address])


def _scram_records(arguments: Sequence[str], levels: dict[str, int]) -> list[MetadataRecord]:
    if not arguments:
        return []
    if not versions.is_scram_supported(levels[METADATA_VERSION_FEATURE]):
        raise ValueError("SCRAM is only supported in metadata.version 3.5-IV2 or later.")
    from kafkalite.cli.scram_arguments import parse_scram_argument

    return [parse_scram_argument(argument, lambda: os.urandom(_SALT_SIZE)) for argument in arguments]


def _print_bootstrap_metadata(records: Sequence[MetadataRecord]) -> None:
    shown = []
    level = 0
    for record in records:
        if isinstance(record, FeatureLevelRecord):
            if record.name == METADATA_VERSION_FEATURE:
                level = record.feature_level
            text = f"FeatureLevelRecord(name='{record.name}', featureLevel={record.feature_level})"
        else:
            text = type(record).__name__  # a credential, which is nobody's business
        shown.append(f"ApiMessageAndVersion({text} at version 0)")
    print(
        f"Bootstrap metadata: BootstrapMetadata(records=[{', '.join(shown)}], metadataVersionLevel={level}, "
        "source=format command)"
    )


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
