"""kafka-features: describes, raises and lowers the feature levels of a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from kafkalite.cli.command_line import CommandExit
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int
from kafkalite.cli.subcommand_parser import (
    SubcommandError,
    SubcommandParser,
    add_bootstrap_arguments,
    open_admin_of,
    run_subcommand,
)
from kafkalite.client.admin import Admin
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.features import FEATURES, default_level
from kafkalite.metadata.metadata_version import METADATA_VERSION_FEATURE
from kafkalite.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest

_UPGRADE, _SAFE_DOWNGRADE, _UNSAFE_DOWNGRADE = 1, 2, 3
_INT16: Final = range(-(2**15), 2**15)
_TERSE: Final = "org.apache.kafka.tools.TerseException"


def _parser() -> SubcommandParser:
    parser = SubcommandParser(prog="kafka-features", description="This tool manages feature flags in Kafka.")
    parser.add_version()
    add_bootstrap_arguments(parser, is_required=False)
    parser.add_argument("--command-config", help="A properties file with settings of the connection.")
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="Describe the levels that are active.")
    describe.add_argument("--node-id", type=int, help="The node to ask; any if left out.")
    for name, verb in (("upgrade", "raise"), ("downgrade", "lower")):
        command = commands.add_parser(name, help=f"Change features: {verb} their levels.")
        command.add_argument("--metadata", help="(DEPRECATED) The metadata.version to go to, for example 3.3-IV3.")
        command.add_argument("--release-version", help="The release to whose levels all features go, like 3.9-IV0.")
        command.add_argument("--feature", action="append", help="A feature and its level, like metadata.version=5.")
        if name == "downgrade":
            command.add_argument("--unsafe", action="store_true", help="Even where metadata may be lost for good.")
        command.add_argument("--dry-run", action="store_true", help="Check the change, do not make it.")
    disable = commands.add_parser("disable", help="Take features to level 0.")
    disable.add_argument("--feature", action="append", help="A feature to disable.")
    disable.add_argument("--unsafe", action="store_true", help="Even where metadata may be lost for good.")
    disable.add_argument("--dry-run", action="store_true", help="Check the change, do not make it.")
    mapping = commands.add_parser("version-mapping", help="Show the feature levels that belong to a release.")
    mapping.add_argument("--release-version", help="The release; the latest if left out.")
    dependencies = commands.add_parser("feature-dependencies", help="Show which features a feature level needs.")
    dependencies.add_argument(
        "--feature", action="append", required=True, help="A feature and its level, like metadata.version=5."
    )
    return parser


def _level_text(feature: str, level: int) -> str:
    if feature != METADATA_VERSION_FEATURE:
        return str(level)
    try:
        return versions.version_name(level)
    except ValueError:
        return f"UNKNOWN {level}"


def describe(admin: Admin, node_id: int | None) -> None:
    """Prints the supported range and the finalized level of each feature."""
    if node_id is not None and node_id < 0:
        raise ToolError(f"Invalid node id {node_id}: must be non-negative.")
    if node_id is None:
        admin.connect(call="describeFeatures")
    client = admin.bootstrap_client if node_id is None else admin.client_of(node_id)
    response = client.api_versions()
    finalized = {feature.name: feature.max_version_level for feature in response.finalized_features}
    epoch = response.finalized_features_epoch
    for feature in sorted(response.supported_features, key=lambda each: each.name):
        name = feature.name
        print(
            f"Feature: {name:40}  SupportedMinVersion: {_level_text(name, feature.min_version):15}  "
            f"SupportedMaxVersion: {_level_text(name, feature.max_version):15}  "
            f"FinalizedVersionLevel: {_level_text(name, finalized.get(name, 0)):15}  "
            f"Epoch: {'-' if epoch < 0 else epoch}"
        )


def parse_name_and_level(text: str) -> tuple[str, int]:
    """Reads "feature=level"; raises ToolError."""
    name, equals, level_text = (part.strip() for part in text.partition("="))
    complaint = f"Can't parse feature=level string {text}: "
    if not equals:
        raise ToolError(f"{complaint}equals sign not found.", "java.lang.RuntimeException")
    try:
        level = parse_int(level_text)
    except ToolError:
        level = 1 << 16
    if level not in _INT16:
        raise ToolError(f"{complaint}unable to parse {level_text} as a short.", "java.lang.RuntimeException")
    return name, level


def _metadata_version(text: str) -> int:
    try:
        return versions.metadata_version_for(text)
    except ValueError as error:
        raise ToolError(str(error), _TERSE) from None


def _changes(namespace: argparse.Namespace, upgrade_type: int) -> dict[str, int]:
    """The levels that an upgrade or downgrade asks for."""
    release: str | None = namespace.release_version
    if release is not None:
        if namespace.metadata is not None or namespace.feature is not None:
            raise ToolError("Can not specify `release-version` with other feature flags.", _TERSE)
        version = _metadata_version(release)
        levels = {METADATA_VERSION_FEATURE: version}
        for feature in FEATURES:
            level = default_level(feature, version)
            if upgrade_type != _UPGRADE or level > 0:
                levels[feature] = level
        return levels
    levels = {}
    if namespace.metadata is not None:
        print(" `metadata` flag is deprecated and may be removed in a future release.")
        levels[METADATA_VERSION_FEATURE] = _metadata_version(namespace.metadata)
    for text in namespace.feature or ():
        name, level = parse_name_and_level(text)
        _add(levels, name, level)
    return levels


def _add(levels: dict[str, int], name: str, level: int) -> None:
    if name in levels:
        raise ToolError(f"Feature {name} was specified more than once.", "java.lang.RuntimeException")
    levels[name] = level


def update(admin: Admin, command: str, levels: dict[str, int], upgrade_type: int, *, is_dry_run: bool) -> None:
    """Asks for the levels and prints what came of it; raises ToolError where something failed."""
    if not levels:
        raise ToolError(f"You must specify at least one feature to {command}", _TERSE)
    keys = [
        FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=upgrade_type)
        for name, level in levels.items()
    ]
    request = UpdateFeaturesRequest(timeout_ms=admin.api_timeout_ms, feature_updates=keys, validate_only=is_dry_run)
    response = admin.send(
        request,
        call="updateFeatures",
        retry_if=lambda response: response.error_code == ErrorCode.NOT_CONTROLLER,
    )
    errors: dict[str, KafkaError] = {}
    if response.error_code:
        error = KafkaError(ErrorCode.for_code(response.error_code), response.error_message)
        errors = dict.fromkeys(levels, error)
    for result in response.results:
        if result.error_code:
            errors[result.feature] = KafkaError(ErrorCode.for_code(result.error_code), result.error_message)
    for name in sorted(levels):
        target = "" if command == "disable" else f" to {levels[name]}"
        if name in errors:
            print(f"{'Can not' if is_dry_run else 'Could not'} {command} {name}{target}. {errors[name].message}")
        else:
            done = "disabled" if command == "disable" else f"{command}d"
            print(f"{name}{' can be ' if is_dry_run else ' was '}{done}{target}.")
    if errors:
        raise ToolError(f"{len(errors)} out of {len(levels)} operation(s) failed.", _TERSE)


def print_version_mapping(release: str | None) -> None:
    """The levels of a release's features."""
    text = versions.version_name(versions.LATEST) if release is None else release
    version = _metadata_version(text)
    print(f"{METADATA_VERSION_FEATURE}={version} ({text})")
    for feature in FEATURES:
        print(f"{feature}={default_level(feature, version)}")


def print_dependencies(arguments: Sequence[str]) -> None:
    for text in arguments:
        name, level = parse_name_and_level(text)
        if name == METADATA_VERSION_FEATURE:
            try:
                version = versions.version_name(level)
            except ValueError:
                raise ToolError(f"Unknown metadata.version {level}", _TERSE) from None
            print(f"{name}={level} ({version}) has no dependencies.")
            continue
        if name not in FEATURES:
            raise ToolError(f"Unknown feature: {name}", _TERSE)
        found = next((entry for entry in FEATURES[name] if entry.level == level), None)
        if found is None:
            raise ToolError(f"No feature:{name} with feature level {level}")
        if not found.dependencies:
            print(f"{name}={level} has no dependencies.")
            continue
        print(f"{name}={level} requires:")
        for needed, needed_level in found.dependencies:
            suffix = f" ({versions.version_name(needed_level)})" if needed == METADATA_VERSION_FEATURE else ""
            print(f"    {needed}={needed_level}{suffix}")


def _run(namespace: argparse.Namespace, parser: SubcommandParser) -> None:
    command = namespace.command
    if command == "version-mapping":
        print_version_mapping(namespace.release_version)
        return
    if command == "feature-dependencies":
        print_dependencies(namespace.feature)
        return
    with open_admin_of(namespace, parser) as admin:
        if command == "describe":
            describe(admin, namespace.node_id)
            return
        upgrade_type = _UPGRADE
        if command != "upgrade":
            upgrade_type = _UNSAFE_DOWNGRADE if namespace.unsafe else _SAFE_DOWNGRADE
        levels: dict[str, int] = {}
        if command == "disable":
            for name in namespace.feature or ():
                _add(levels, name, 0)
        else:
            levels = _changes(namespace, upgrade_type)
        update(admin, command, levels, upgrade_type, is_dry_run=namespace.dry_run)


def _execute(argv: list[str]) -> None:
    parser = _parser()
    try:
        _run(parser.parse_args(argv), parser)
    except SubcommandError as error:
        print(f"Command line error: {error}. Type --help for help.", end="", file=sys.stderr)
        raise CommandExit(1) from None


def main(argv: list[str] | None = None) -> int:
    return run_subcommand(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
