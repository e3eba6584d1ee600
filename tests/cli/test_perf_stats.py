from __future__ import annotations

import math
import re

import pytest

from kafkalite.cli.client_metrics import ClientMetrics
from kafkalite.cli.kafka_consumer_perf_test import format_date
from kafkalite.cli.kafka_producer_perf_test import tokens
from kafkalite.cli.perf_stats import ProducerStats, decimal, ratio


def test_percentiles_are_latencies_that_so_many_records_stay_below() -> None:
    stats = ProducerStats(1000, 5000)
    for latency_ms in range(1000):
        stats.record(latency_ms + 0.9, 10)
    assert stats.percentiles_ms(0.5, 0.95, 0.99, 0.999) == [500, 950, 990, 999]


def test_of_very_many_records_a_sample_is_kept() -> None:
    stats = ProducerStats(1_000_000, 5000)
    for number in range(1000):
        stats.record(number % 2, 1)
    assert stats.percentiles_ms(0.999) == [0], "every second record counts"


def test_the_summary_has_the_form_of_apache_kafkas(capsys: pytest.CaptureFixture[str]) -> None:
    stats = ProducerStats(4, 5000)
    for latency_ms in (1, 2, 3, 10):
        stats.record(latency_ms, 100)
    stats.print_total()
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"4 records sent, \d+\.\d{6} records/sec \(\d+\.\d\d MB/sec\), 4\.00 ms avg latency, 10\.00 ms max latency, "
        r"3 ms 50th, 10 ms 95th, 10 ms 99th, 10 ms 99\.9th\.",
        line,
    )


def test_progress_is_printed_when_the_interval_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    stats = ProducerStats(4, 0, is_steady_state=True)
    stats.record(3, 100)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "In steady state."
    assert re.fullmatch(
        r"1 records sent, (\d+\.\d|Infinity) records/sec \((\d+\.\d\d|Infinity) MB/sec\), "
        r"3\.0 ms avg latency, 3\.0 ms max latency\.",
        second,
    )
    stats.is_silent = True
    stats.record(3, 100)
    assert capsys.readouterr().out == ""


def test_nothing_sent_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    ProducerStats(4, 5000).print_total()
    line = capsys.readouterr().out
    assert line.startswith("0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, 0.00 ms max")


def test_quotients_by_zero_are_javas() -> None:
    assert ratio(1, 0) == math.inf
    assert math.isnan(ratio(0, 0))
    assert decimal(ratio(1, 0), 4) == "Infinity"
    assert decimal(ratio(-1, 0), 4) == "-Infinity"
    assert decimal(ratio(1, 3), 4) == "0.3333"


@pytest.mark.parametrize(
    ("pattern", "pattern_of_text"),
    [
        ("yyyy-MM-dd HH:mm:ss:SSS", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:042"),
        ("yy/M/d H:m:s", r"\d\d/\d\d?/\d\d? \d\d?:\d\d?:\d\d?"),
        ("'at' yyyy 'o''clock'", r"at \d{4} o'clock"),
        ("dd MMM", r"\d\d [A-Za-z]{3}"),
    ],
)
def test_dates_follow_the_letters_of_simple_date_format(pattern: str, pattern_of_text: str) -> None:
    assert re.fullmatch(pattern_of_text, format_date(1_700_000_000.0425, pattern))


def test_metrics_are_a_table_of_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = ClientMetrics()
    metrics.take('{"tx": 1, "brokers": {"b": {"rtt": 1.25}}}')
    metrics.print()
    assert capsys.readouterr().out == "\nMetric Name     Value\nbrokers:b:rtt : 1.250\ntx            : 1\n"


@pytest.mark.parametrize(
    ("text", "delimiter", "expected"),
    [
        ("a\nb\n", r"\n", ["a", "b"]),
        ("a\n\nb", r"\n", ["a", "", "b"]),
        ("\na\n\n", r"\n", ["a", ""]),
        ("a, b ,c", r"\s*,\s*", ["a", "b", "c"]),
        ("abc", "", ["a", "b", "c"]),
        ("a|b", "|", ["a", "|", "b"]),
        ("\n", r"\n", []),
    ],
)
def test_payloads_lie_between_delimiters_as_javas_scanner_finds_them(
    text: str, delimiter: str, expected: list[str]
) -> None:
    assert list(tokens(text, re.compile(delimiter))) == expected
