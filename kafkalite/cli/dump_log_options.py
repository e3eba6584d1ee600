"""The options of kafka-dump-log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kafkalite.cli.command_line import OptionParser, check_required, print_help_or_version
from kafkalite.cli.log_dump import DumpError

if TYPE_CHECKING:
    from kafkalite.cli.record_decoders import RecordDecoder

DEFAULT_MAX_MESSAGE_SIZE: Final = 5 * 1024 * 1024
MAX_BYTES: Final = 0x7FFFFFFF


class DumpLogOptions:
    """What the command line says."""

    def __init__(self, argv: list[str]) -> None:
        self.parser = parser = OptionParser()
        self._print = parser.flag(
            "print-data-log",
            "If set, printing the messages content when dumping data logs. Automatically set if any decoder option is "
            "specified.",
        )
        self._verify = parser.flag(
            "verify-index-only", "If set, just verify the index log without printing its content."
        )
        self._sanity = parser.flag(
            "index-sanity-check",
            "If set, just checks the index sanity without printing its content. This is the same check that is "
            "executed on broker startup to determine if an index needs rebuilding or not.",
        )
        self._files = parser.option(
            "files",
            "REQUIRED: The comma separated list of data and index log files to be dumped.",
            "file1, file2, ...",
        )
        self._max_message_size = parser.option(
            "max-message-size",
            "Size of largest message.",
            "size",
            type_name="Integer",
            default=DEFAULT_MAX_MESSAGE_SIZE,
        )
        self._max_bytes = parser.option(
            "max-bytes",
            "Limit the amount of total batches read in bytes avoiding reading the whole .log file(s).",
            "size",
            type_name="Integer",
            default=MAX_BYTES,
        )
        self._deep = parser.flag(
            "deep-iteration",
            "If set, uses deep instead of shallow iteration. Automatically set if print-data-log is enabled.",
        )
        self._value_decoder, self._key_decoder = (
            parser.option(
                f"{part}-decoder-class",
                f"If set, used to deserialize the {plural}. This class should implement "
                "org.apache.kafka.tools.api.Decoder trait. Custom jar should be available in kafka/libs directory.",
                default="org.apache.kafka.tools.api.StringDecoder",
                is_value_optional=True,
            )
            for part, plural in (("value", "messages"), ("key", "keys"))
        )
        self._offsets = parser.flag(
            "offsets-decoder",
            "If set, log data will be parsed as offset data from the __consumer_offsets topic.",
        )
        self._transactions = parser.flag(
            "transaction-log-decoder",
            "If set, log data will be parsed as transaction metadata from the __transaction_state topic.",
        )
        self._metadata = parser.flag(
            "cluster-metadata-decoder", "If set, log data will be parsed as cluster metadata records."
        )
        self._remote_metadata = parser.flag(
            "remote-log-metadata-decoder",
            "If set, log data will be parsed as TopicBasedRemoteLogMetadataManager (RLMM) metadata records. Instead, "
            "the value-decoder-class option can be used if a custom RLMM implementation is configured.",
        )
        self._share_state = parser.flag(
            "share-group-state-decoder",
            "If set, log data will be parsed as share group state data from the __share_group_state topic.",
        )
        self._skip_record_metadata = parser.flag(
            "skip-record-metadata",
            "Skip metadata when printing records. This flag also skips control records.",
        )
        self._found = parser.parse(argv)
        print_help_or_version(
            parser,
            self._found,
            "This tool helps to parse a log file and dump its contents to the console, useful for debugging a "
            "seemingly corrupt log segment.",
            is_empty=not argv,
        )
        check_required(parser, self._found, self._files)

    @property
    def files(self) -> list[str]:
        parts: list[str] = self._found.value(self._files).split(",")
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        return parts

    @property
    def is_verify_only(self) -> bool:
        return self._found.has(self._verify)

    @property
    def is_sanity_check_only(self) -> bool:
        return self._found.has(self._sanity)

    @property
    def max_message_size(self) -> int:
        size: int = self._found.value(self._max_message_size)
        return size

    @property
    def max_bytes(self) -> int:
        size: int = self._found.value(self._max_bytes)
        return size

    @property
    def has_printed_data(self) -> bool:
        return any(
            map(
                self._found.has,
                (
                    self._print,
                    self._offsets,
                    self._transactions,
                    self._metadata,
                    self._remote_metadata,
                    self._value_decoder,
                    self._key_decoder,
                    self._share_state,
                ),
            )
        )

    @property
    def is_deep(self) -> bool:
        return self._found.has(self._deep) or self.has_printed_data

    @property
    def skips_record_metadata(self) -> bool:
        return self._found.has(self._skip_record_metadata)

    def record_decoder(self) -> RecordDecoder:
        """The decoder that the flags ask for; raises DumpError for a class that is none."""
        from kafkalite.cli import record_decoders

        if self._found.has(self._offsets):
            return record_decoders.offsets_decoder()
        if self._found.has(self._transactions):
            return record_decoders.transaction_log_decoder()
        if self._found.has(self._metadata):
            return record_decoders.cluster_metadata_decoder()
        if self._found.has(self._remote_metadata):
            raise DumpError(
                "kafkalite keeps no remote log metadata and cannot decode it", "java.lang.UnsupportedOperationException"
            )
        if self._found.has(self._share_state):
            return record_decoders.share_group_state_decoder()
        return record_decoders.decoder_of_classes(
            self._found.value(self._key_decoder), self._found.value(self._value_decoder)
        )
