"""The options of kafka-dump-log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kafkalite.cli.command_line import OptionParser, check_required, print_help_or_version

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
            "Print the records' keys and values. Every decoder option implies it.",
        )
        self._verify = parser.flag("verify-index-only", "Compare indexes with their logs and print no entries.")
        self._sanity = parser.flag(
            "index-sanity-check",
            "Check only what a broker checks at its start, before it decides whether to build an index again.",
        )
        self._files = parser.option(
            "files",
            "REQUIRED: The files to show, separated by commas.",
            "file1, file2, ...",
        )
        self._max_message_size = parser.option(
            "max-message-size",
            "How far behind an index entry's position to look for its batch, in bytes.",
            "size",
            type_name="Integer",
            default=DEFAULT_MAX_MESSAGE_SIZE,
        )
        self._max_bytes = parser.option(
            "max-bytes",
            "How many bytes of each .log file to read.",
            "size",
            type_name="Integer",
            default=MAX_BYTES,
        )
        self._deep = parser.flag(
            "deep-iteration",
            "Show each record, not batches alone. --print-data-log implies it.",
        )
        self._value_decoder, self._key_decoder = (
            parser.option(
                f"{part}-decoder-class",
                f"The class that makes text of {part}s: StringDecoder, LongDecoder, IntegerDecoder or DefaultDecoder "
                "of org.apache.kafka.tools.api.",
                default="org.apache.kafka.tools.api.StringDecoder",
                is_value_optional=True,
            )
            for part in ("value", "key")
        )
        self._offsets = parser.flag(
            "offsets-decoder",
            "Read the records as those of __consumer_offsets.",
        )
        self._transactions = parser.flag(
            "transaction-log-decoder",
            "Read the records as those of __transaction_state.",
        )
        self._metadata = parser.flag("cluster-metadata-decoder", "Read the records as those of __cluster_metadata.")
        self._remote_metadata = parser.flag(
            "remote-log-metadata-decoder",
            "Read the records as those of __remote_log_metadata.",
        )
        self._share_state = parser.flag(
            "share-group-state-decoder",
            "Read the records as those of __share_group_state.",
        )
        self._skip_record_metadata = parser.flag(
            "skip-record-metadata",
            "Print keys and values alone, and nothing of control records.",
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
            return record_decoders.remote_log_metadata_decoder()
        if self._found.has(self._share_state):
            return record_decoders.share_group_state_decoder()
        return record_decoders.decoder_of_classes(
            self._found.value(self._key_decoder), self._found.value(self._value_decoder)
        )
