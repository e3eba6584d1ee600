"""kafka-reassign-partitions: moves partitions between brokers, and replicas between log directories."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import OptionError, run_command
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.cli.reassignment_options import ReassignPartitionsCommandOptions
from kafkalite.cli.reassignment_plan import (
    Assignment,
    Plan,
    brokers_in,
    check_executable,
    format_plan,
    parse_broker_list,
    parse_plan,
    parse_topics,
    planned_moves,
    propose,
    throttled_replicas,
)
from kafkalite.client.admin import Admin, AdminTimeoutError, raise_for
from kafkalite.client.reassignment_admin import (
    Reassignment,
    Replica,
    ReplicaLogDirs,
    alter_reassignments,
    alter_replica_log_dirs,
    list_reassignments,
    replica_log_dirs,
)
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition

_BROKER_THROTTLES: Final = (
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
)
_LEADER_THROTTLE, _FOLLOWER_THROTTLE, _LOG_DIRS_THROTTLE = _BROKER_THROTTLES
_TOPIC_THROTTLES: Final = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
_MOVE_POLL_S: Final = 0.1


class Refusal(Exception):
    """An end without success that needs no more words than these."""


class ReassignPartitions:
    """What kafka-reassign-partitions does."""

    def __init__(self, admin: Admin, options: ReassignPartitionsCommandOptions) -> None:
        self._admin = admin
        self._options = options

    def run(self) -> None:
        options = self._options
        if options.has(options.verify):
            self.verify(parse_plan(_read(options.options.value(options.reassignment_json_file))))
        elif options.has(options.generate):
            self.generate()
        elif options.has(options.execute):
            self.execute(parse_plan(_read(options.options.value(options.reassignment_json_file))))
        elif options.has(options.cancel):
            self.cancel(parse_plan(_read(options.options.value(options.reassignment_json_file))))
        else:
            self.list()

    # --- verify

    def verify(self, plan: Plan) -> None:
        """Prints what has become of a plan; removes throttles where nothing moves any more."""
        current = list_reassignments(self._admin)
        replicas = self._replicas_of({partition.topic for partition, _ in plan.partitions if partition not in current})
        print("Status of partition reassignment:")
        for partition, target in sorted(plan.assignment.items()):
            if partition in current:
                print(f"Reassignment of partition {partition} is still in progress.")
            elif replicas.get(partition, []) == target:
                print(f"Reassignment of partition {partition} is completed.")
            else:
                print(
                    f"There is no active reassignment of partition {partition}, but replica set is "
                    f"{_joined(replicas.get(partition, []))} rather than {_joined(target)}."
                )
        is_moving = self._print_moves(plan.log_dirs)
        if not current and not is_moving:
            self._clear_throttles(plan)

    def _print_moves(self, targets: Mapping[Replica, str]) -> bool:
        """Prints the state of each move between directories; returns whether one is under way."""
        states = replica_log_dirs(self._admin, targets)
        lines = [_move_text(replica, states[replica], targets[replica]) for replica in sorted(targets)]
        print("\n".join(lines))
        return any(state.future is not None for state in states.values())

    def _clear_throttles(self, plan: Plan) -> None:
        from kafkalite.client.config_admin import BROKER, TOPIC, alter_configs

        options = self._options
        if options.has(options.preserve_throttles):
            return
        brokers = sorted({*self._admin.brokers(), *(broker for _, replicas in plan.partitions for broker in replicas)})
        print(f"Clearing broker-level throttles on broker{'' if len(brokers) == 1 else 's'} {_joined(brokers)}")
        for broker in brokers:
            alter_configs(self._admin, BROKER, str(broker), dict.fromkeys(_BROKER_THROTTLES))
        topics = sorted({partition.topic for partition, _ in plan.partitions})
        print(f"Clearing topic-level throttles on topic{'' if len(topics) == 1 else 's'} {_joined(topics)}")
        for topic in topics:
            alter_configs(self._admin, TOPIC, topic, dict.fromkeys(_TOPIC_THROTTLES))

    # --- generate

    def generate(self) -> None:
        """Prints where the partitions of some topics are, and a proposal where they could be."""
        import random

        options = self._options
        text = _read(options.options.value(options.topics_to_move_json_file))
        wanted = parse_broker_list(options.options.value(options.broker_list))
        topics = parse_topics(text)
        current = self._existing_replicas_of(topics)
        log_dirs = self._current_log_dirs(current)
        brokers = self._brokers(wanted)
        proposal = propose(current, brokers, random.randrange)
        print(f"Current partition replica assignment\n{format_plan(current, log_dirs)}\n")
        print(f"Proposed partition reassignment configuration\n{format_plan(proposal, {})}")

    def _brokers(self, wanted: Sequence[int]) -> list[tuple[int, str | None]]:
        """The wanted brokers that exist, with their racks unless these do not count."""
        options = self._options
        is_rack_aware = not options.has(options.disable_rack_aware)
        found = [
            (broker.node_id, broker.rack if is_rack_aware else None)
            for broker in self._admin.metadata([]).brokers
            if broker.node_id in wanted
        ]
        rackless = sum(rack is None for _, rack in found)
        if is_rack_aware and 0 < rackless < len(found):
            raise ToolError(
                "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica"
                " assignment without rack information.",
                "org.apache.kafka.tools.AdminOperationException",
            )
        return found

    # --- execute

    def execute(self, plan: Plan) -> None:
        """Starts the moves of a plan."""
        options, admin = self._options, self._admin
        check_executable(plan)
        proposed = plan.assignment
        current_moves = list_reassignments(admin)
        if current_moves and not options.has(options.additional):
            raise Refusal(
                "Cannot execute because there is an existing partition assignment.  Use --additional to override this"
                " and create a new partition assignment in addition to the existing one. The --additional flag can"
                " also be used to change the throttle by resubmitting the current reassignment."
            )
        unknown = [broker for replicas in proposed.values() for broker in replicas if broker not in admin.brokers()]
        if unknown:
            raise ToolError(f"Unknown broker id {unknown[0]}", "org.apache.kafka.tools.AdminCommandFailedException")
        current = self._existing_partitions(proposed)
        print("Current partition replica assignment\n")
        print(f"{format_plan(current, self._current_log_dirs(current))}\n")
        print("Save this to use as the --reassignment-json-file option during rollback")
        self._throttle(plan, current_moves, current)
        errors = alter_reassignments(
            admin,
            proposed,
            allows_replication_factor_change=not options.has(options.disallow_replication_factor_change),
        )
        if errors:
            raise Refusal(f"Error reassigning partition(s):\n{_error_lines(errors)}")
        print(f"Successfully started partition reassignment{_plural(proposed)} for {_joined(sorted(proposed))}")
        if plan.log_dirs:
            self._move(plan.log_dirs)

    def _throttle(self, plan: Plan, current_moves: Mapping[TopicPartition, Reassignment], current: Assignment) -> None:
        from kafkalite.client.config_admin import BROKER, TOPIC, alter_configs

        options = self._options
        between_brokers: int = options.options.value(options.throttle)
        between_log_dirs: int = options.options.value(options.log_dirs_throttle)
        if between_brokers < 0 and between_log_dirs < 0:
            return
        print(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is"
            " removed."
        )
        if between_brokers >= 0:
            moves = planned_moves(current_moves, plan.assignment, current)
            for topic, throttles in throttled_replicas(moves).items():
                alter_configs(self._admin, TOPIC, topic, dict(zip(_TOPIC_THROTTLES, throttles, strict=True)))
            rates: dict[str, str | None] = dict.fromkeys((_LEADER_THROTTLE, _FOLLOWER_THROTTLE), str(between_brokers))
            for broker in brokers_in(moves):
                alter_configs(self._admin, BROKER, str(broker), rates)
            print(f"The inter-broker throttle limit was set to {between_brokers} B/s")
        if between_log_dirs >= 0:
            for broker in sorted({replica.broker_id for replica in plan.log_dirs}):
                alter_configs(self._admin, BROKER, str(broker), {_LOG_DIRS_THROTTLE: str(between_log_dirs)})
            print(f"The replica-alter-dir throttle limit was set to {between_log_dirs} B/s")

    def _move(self, targets: Mapping[Replica, str]) -> None:
        """Starts moves between directories; replicas that are still to arrive at their broker are waited for."""
        options = self._options
        deadline_s = time.monotonic() + options.options.value(options.timeout) / 1000
        pending = dict(targets)
        while True:
            results = alter_replica_log_dirs(self._admin, pending)
            for replica in sorted(results):
                error = results[replica]
                if not error:
                    print(
                        f"Successfully started moving log directory to {pending.pop(replica)} for replica "
                        f"{replica.topic_partition} with broker {replica.broker_id} "
                    )
                elif error is not ErrorCode.REPLICA_NOT_AVAILABLE:
                    raise ToolError(
                        f"Failed to alter dir for {replica}", "org.apache.kafka.tools.AdminCommandFailedException"
                    )
            if not pending:
                return
            if time.monotonic() >= deadline_s:
                raise Refusal(
                    f"Timed out before log directory move{_plural(pending)} could be started for:"
                    f" {_joined(sorted(pending))}"
                )
            time.sleep(_MOVE_POLL_S)

    # --- cancel and list

    def cancel(self, plan: Plan) -> None:
        """Cancels the moves of a plan that are under way."""
        admin = self._admin
        current = list_reassignments(admin, [partition for partition, _ in plan.partitions])
        moving = sorted(
            partition for partition, each in current.items() if each.adding_replicas or each.removing_replicas
        )
        if moving:
            errors = alter_reassignments(admin, dict.fromkeys(moving))
            if errors:
                raise Refusal(f"Error cancelling partition reassignment{_plural(errors)} for:\n{_error_lines(errors)}")
            print(f"Successfully cancelled partition reassignment{_plural(moving)} for: {_joined(moving)}")
        else:
            print("None of the specified partition reassignments are active.")
        states = replica_log_dirs(admin, plan.log_dirs)
        back = {
            replica: state.current
            for replica, state in states.items()
            if state.current is not None and state.future is not None
        }
        if back:
            self._move(back)
        else:
            print("None of the specified partition moves are active.", end="")
        self._clear_throttles(plan)

    def list(self) -> None:
        """Prints the moves between brokers that are under way."""
        current = list_reassignments(self._admin)
        if not current:
            print("No partition reassignments found.")
            return
        print("Current partition reassignments:")
        for partition in sorted(current):
            each = current[partition]
            adding = f" adding: {_joined(each.adding_replicas)}." if each.adding_replicas else ""
            removing = f" removing: {_joined(each.removing_replicas)}." if each.removing_replicas else ""
            print(f"{partition}: replicas: {_joined(each.replicas)}.{adding}{removing}")

    # --- where replicas are

    def _replicas_of(self, topics: Iterable[str]) -> Assignment:
        """The replicas of topics; topics that do not exist are left out."""
        replicas: Assignment = {}
        wanted = sorted(set(topics))
        for topic in self._admin.metadata(wanted, call="describeTopics").topics if wanted else ():
            if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                continue
            raise_for(topic.error_code)
            for partition in topic.partitions:
                replicas[TopicPartition(topic.name or "", partition.partition_index)] = partition.replica_nodes
        return replicas

    def _existing_replicas_of(self, topics: Iterable[str]) -> Assignment:
        """The replicas of topics; raises KafkaError for one that does not exist."""
        wanted = list(topics)
        replicas = self._replicas_of(wanted)
        for topic in wanted:
            if all(partition.topic != topic for partition in replicas):
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {topic} not found.")
        return replicas

    def _existing_partitions(self, partitions: Iterable[TopicPartition]) -> Assignment:
        """The replicas of partitions; raises KafkaError where one does not exist."""
        wanted = list(partitions)
        replicas = self._existing_replicas_of(dict.fromkeys(partition.topic for partition in wanted))
        missing = [partition for partition in wanted if partition not in replicas]
        if missing:
            raise KafkaError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition: {', '.join(map(str, missing))}"
            )
        return {partition: replicas[partition] for partition in wanted}

    def _current_log_dirs(self, assignment: Assignment) -> dict[Replica, str]:
        replicas = [Replica(broker, *partition) for partition, brokers in assignment.items() for broker in brokers]
        states = replica_log_dirs(self._admin, replicas)
        return {replica: state.current for replica, state in states.items() if state.current is not None}


def _move_text(replica: Replica, state: ReplicaLogDirs, target: str) -> str:
    where = f"Partition {replica.topic_partition} on broker {replica.broker_id} is"
    if state.current is None:
        return (
            f"Partition {replica.topic_partition} is not found in any live log dir on broker {replica.broker_id}."
            " There is likely an offline log directory on the broker."
        )
    if state.future is None:
        if state.current == target:
            return f"Reassignment of replica {replica} completed successfully."
        return f"{where} not being moved from log dir {state.current} to {target}."
    if state.future == target:
        return f"Reassignment of replica {replica} is still in progress."
    return f"{where} being moved to log dir {state.future} instead of {target}."


def _joined(items: Iterable[object]) -> str:
    return ",".join(map(str, items))


def _plural(items: Sized) -> str:
    return "" if len(items) == 1 else "s"


def _error_lines(errors: Mapping[TopicPartition, KafkaError]) -> str:
    return "\n".join(f"{partition}: {errors[partition].message}" for partition in sorted(errors))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        raise ToolError(f"Unable to read file {path}", "java.io.IOException") from None


def _execute(argv: list[str]) -> int:
    options = ReassignPartitionsCommandOptions(argv)
    try:
        with open_admin(options.servers, load_properties(options.options.value(options.command_config))) as admin:
            ReassignPartitions(admin, options).run()
    except Refusal as refusal:
        print(refusal)
        return 1
    except (OptionError, ToolError) as error:
        print(f"Error: {message(error)}")
        return 1
    except (KafkaError, AdminTimeoutError, WireClientError) as error:
        print(f"Error: {described(error)}")
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
