"""kafka-configs: shows and changes configurations of topics, brokers, groups, ..., quotas and SCRAM credentials."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import OptionError, run_command
from kafkalite.cli.config_command_options import (
    BROKER_LOGGERS,
    BROKERS,
    CLIENT_METRICS,
    CLIENTS,
    GROUPS,
    IPS,
    TOPICS,
    USERS,
    ConfigCommandOptions,
)
from kafkalite.cli.java_exceptions import ToolError, described
from kafkalite.client.admin import Admin, AdminTimeoutError, raise_for
from kafkalite.client.wire_client import NoCommonVersionError, WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.java_hash_map import string_map_order
from kafkalite.protocol.messages.describe_configs import DescribeConfigsResourceResult

_RESOURCE_TYPES: Final = {TOPICS: 2, BROKERS: 4, BROKER_LOGGERS: 8, CLIENT_METRICS: 16, GROUPS: 32}
_SOURCES: Final = (
    "UNKNOWN",
    "DYNAMIC_TOPIC_CONFIG",
    "DYNAMIC_BROKER_CONFIG",
    "DYNAMIC_DEFAULT_BROKER_CONFIG",
    "STATIC_BROKER_CONFIG",
    "DEFAULT_CONFIG",
    "DYNAMIC_BROKER_LOGGER_CONFIG",
    "DYNAMIC_CLIENT_METRICS_CONFIG",
    "DYNAMIC_GROUP_CONFIG",
)
_OWN_SOURCES: Final = {TOPICS: 1, BROKERS: 2, CLIENT_METRICS: 7, GROUPS: 8}
_DEFAULT_BROKER_SOURCE: Final = 3
_SET, _DELETE = 0, 1


class ConfigService:
    """What kafka-configs does."""

    def __init__(self, admin: Admin, options: ConfigCommandOptions) -> None:
        self._admin = admin
        self._options = options
        self._type = options.entity_types[0]

    def run(self) -> None:
        options = self._options
        if options.has(options.alter):
            if len(options.entity_types) != len(options.entity_names):
                raise ToolError("An entity name must be specified for every entity type")
            self.alter()
        else:
            self.describe()

    # --- altering

    def alter(self) -> None:
        types, names = self._options.entity_types, self._options.entity_names
        added, deleted = self._options.configs_to_add(), self._options.configs_to_delete()
        if self._type in (USERS, CLIENTS):
            from kafkalite.cli.client_quotas import alter_users_and_clients

            alter_users_and_clients(self._admin, types, names, added, deleted)
        elif self._type == IPS:
            from kafkalite.cli.client_quotas import alter_ips

            alter_ips(self._admin, names, added, deleted)
        else:
            if self._type == BROKER_LOGGERS:
                known = {entry.name for entry in self._configs(names[0], with_synonyms=False)}
                unknown = [name for name in (*deleted, *added) if name not in known]
                if unknown:
                    raise ToolError(f"Invalid broker logger(s): {','.join(unknown)}")
            self._alter_resource(names[0], added, deleted)
        if names[0]:
            print(f"Completed updating config for {self._type[:-1]} {names[0]}.")
        else:
            print(f"Completed updating default config for {self._type} in the cluster.")

    def _alter_resource(self, name: str, added: dict[str, str], deleted: Iterable[str]) -> None:
        from kafkalite.protocol.messages.incremental_alter_configs import (
            AlterableConfig,
            AlterConfigsResource,
            IncrementalAlterConfigsRequest,
        )

        configs = [AlterableConfig(name=config, config_operation=_DELETE, value="") for config in deleted]
        configs += [AlterableConfig(name=config, config_operation=_SET, value=value) for config, value in added.items()]
        resource = AlterConfigsResource(resource_type=_RESOURCE_TYPES[self._type], resource_name=name, configs=configs)
        response = self._admin.send(
            IncrementalAlterConfigsRequest(resources=[resource]),
            call="incrementalAlterConfigs",
            node_id=self._node_id(name),
            retry_if=lambda answer: answer.responses[0].error_code == ErrorCode.NOT_CONTROLLER,
        )
        for result in response.responses:
            raise_for(result.error_code, result.error_message)

    # --- describing

    def describe(self) -> None:
        types, names = self._options.entity_types, self._options.entity_names
        if self._type in (USERS, CLIENTS, IPS):
            from kafkalite.cli.client_quotas import describe_quotas, describe_scram

            describe_quotas(self._admin, types, names)
            if self._type != IPS and CLIENTS not in types and "" not in names:
                describe_scram(self._admin, names)
            return
        shows_all = self._options.has(self._options.all)
        if names and not shows_all and not self._exists(names[0]):
            print(f"The {self._type[:-1]} '{names[0]}' doesn't exist and doesn't have dynamic config.")
            return
        for name in names[:1] or self._entities():
            if name:
                print(f"{'All' if shows_all else 'Dynamic'} configs for {self._type[:-1]} {name} are:")
            else:
                print(f"Default configs for {self._type} in the cluster are:")
            own_source = _OWN_SOURCES.get(self._type)
            if self._type == BROKERS and not name:
                own_source = _DEFAULT_BROKER_SOURCE
            for entry in sorted(self._configs(name, with_synonyms=True), key=lambda entry: entry.name):
                if shows_all or own_source is None or entry.config_source == own_source:
                    print(_shown(entry))

    def _exists(self, name: str) -> bool:
        if self._type == TOPICS:
            _check_topic_name(name)
            return name in self._topics()
        if self._type in (BROKERS, BROKER_LOGGERS):
            return not name or name in map(str, self._admin.brokers())
        if self._type == CLIENT_METRICS:
            return name in self._resources()
        return name in self._groups_known_to_coordinators() or name in self._groups_with_configs(or_else=[name])

    def _entities(self) -> list[str]:
        """All entities of the type, in the order in which Apache Kafka's tool shows them."""
        if self._type == TOPICS:
            return string_map_order(self._topics())
        if self._type in (BROKERS, BROKER_LOGGERS):
            return [*map(str, self._admin.brokers()), ""]
        if self._type == CLIENT_METRICS:
            return self._resources()
        return list(dict.fromkeys([*self._groups_known_to_coordinators(), *self._groups_with_configs()]))

    def _topics(self) -> list[str]:
        return [topic.name or "" for topic in self._admin.metadata(None, call="listTopics").topics]

    def _resources(self) -> list[str]:
        from kafkalite.protocol.messages.list_config_resources import ListConfigResourcesRequest

        request = ListConfigResourcesRequest(resource_types=[_RESOURCE_TYPES[self._type]])
        response = self._admin.send(request, call="listConfigResources")
        raise_for(response.error_code)
        return [resource.resource_name for resource in response.config_resources]

    def _groups_known_to_coordinators(self) -> list[str]:
        """Groups that have members or offsets."""
        from kafkalite.protocol.messages.list_groups import ListGroupsRequest

        names: list[str] = []
        for node_id in self._admin.brokers():
            response = self._admin.send(
                ListGroupsRequest(),
                call="listGroups",
                node_id=node_id,
                retry_if=lambda answer: ErrorCode.for_code(answer.error_code).is_retriable,
            )
            raise_for(response.error_code)
            names += [group.group_id for group in response.groups]
        return names

    def _groups_with_configs(self, or_else: Sequence[str] = ()) -> Sequence[str]:
        """Groups that have configurations; `or_else` where they are not listed: by a broker before 4.1, or to us."""
        try:
            return self._resources()
        except NoCommonVersionError:
            return or_else
        except KafkaError as error:
            if error.error is not ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
                raise
            return or_else

    def _configs(self, name: str, *, with_synonyms: bool) -> list[DescribeConfigsResourceResult]:
        from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

        if self._type == TOPICS:
            _check_topic_name(name)
        resource = DescribeConfigsResource(
            resource_type=_RESOURCE_TYPES[self._type], resource_name=name, configuration_keys=None
        )
        response = self._admin.send(
            DescribeConfigsRequest(resources=[resource], include_synonyms=with_synonyms),
            call="describeConfigs",
            node_id=self._node_id(name),
        )
        result = response.results[0]
        raise_for(result.error_code, result.error_message)
        configs: list[DescribeConfigsResourceResult] = result.configs
        return configs

    def _node_id(self, name: str) -> int | None:
        """The broker that must be asked; None: any."""
        return int(name) if name and self._type in (BROKERS, BROKER_LOGGERS) else None


def _check_topic_name(name: str) -> None:
    from kafkalite.metadata.topic_name import reason_invalid

    reason = reason_invalid(name)
    if reason is not None:
        raise ToolError(f"Topic name is invalid: {reason}")


def _shown(entry: DescribeConfigsResourceResult) -> str:
    synonyms = ", ".join(
        f"{_SOURCES[synonym.source]}:{synonym.name}={_text(synonym.value)}" for synonym in entry.synonyms
    )
    sensitive = "true" if entry.is_sensitive else "false"
    return f"  {entry.name}={_text(entry.value)} sensitive={sensitive} synonyms={{{synonyms}}}"


def _text(value: str | None) -> str:
    return "null" if value is None else value


def _execute(argv: list[str]) -> int:
    try:
        options = ConfigCommandOptions(argv)
        properties = load_properties(options.options.value(options.command_config))
        with open_admin(options.servers(), properties) as admin:
            ConfigService(admin, options).run()
    except NoCommonVersionError as error:
        print(error, file=sys.stderr)
        return 1
    except (ToolError, OptionError, KafkaError, AdminTimeoutError, WireClientError) as error:
        sys.stdout.flush()
        if isinstance(error, OptionError) or described(error).startswith("java.lang.IllegalArgumentException"):
            print(error, file=sys.stderr)
        else:
            print(f"Error while executing config command with args '{' '.join(argv)}'", file=sys.stderr)
            wrapper = "java.util.concurrent.ExecutionException: " if isinstance(error, KafkaError) else ""
            print(f"{wrapper}{described(error)}", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
