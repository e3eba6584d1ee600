"""What real clients are told, and what is read from their outputs."""

from __future__ import annotations

import client_cases
import pytest
from client_cases import CLIENTS, ClientCase, UnreadableOutputError, all_cases, usual_cases

PRODUCE_10K = ClientCase("java", "produce", "lz4", "all", 10_000, 12)
CONSUME_100 = ClientCase("java", "consume", "none", "", 100, 1)

JAVA_PRODUCED = """\
Warmup first 250 records. Steady state results will print after the complete test summary.
1000 records sent, 500.000000 records/sec (4.77 MB/sec), 1.00 ms avg latency, 9.00 ms max latency, 1 ms 50th, 2 ms 95th, 3 ms 99th, 9 ms 99.9th.
750 steady state records sent, 62500.250000 records/sec (596.05 MB/sec), 1.00 ms avg latency, 2.00 ms max latency, 1 ms 50th, 2 ms 95th, 2 ms 99th, 2 ms 99.9th.
"""  # noqa: E501
JAVA_CONSUMED = """\
2026-01-02 23:59:59:900, 0, 0.0095, 0.1, 100, 1000.0, 300, 100, 0.1, 1000.0
2026-01-03 00:00:00:000, 0, 0.0954, 0.9, 1000, 9000.0, 0, 100, 0.9, 9000.0
2026-01-03 00:00:00:100, 0, 0.1907, 0.9, 2000, 10000.0, 0, 100, 0.9, 10000.0
2026-01-03 00:00:00:200, 0, 0.3815, 1.9, 4000, 20000.0, 0, 100, 1.9, 20000.0
"""
RDKAFKA_PRODUCED = """\
% Sending 4000 messages of size 100 bytes
|    elapsed |       msgs |      bytes |        rtt |         dr |     dr_m/s |    dr_MB/s |     dr_err | (and more)
|       1000 |       2000 |     200000 |          0 |          0 |          0 |       0.00 |          0 |          0
|       1050 |       3000 |     300000 |          0 |       1000 |        952 |       0.00 |          0 |          0
|       1150 |       4000 |     400000 |          0 |       3800 |       3304 |       0.00 |          0 |          0
|       2150 |       4000 |     400000 |          0 |       4000 |       1860 |       0.00 |          0 |          0
"""
RDKAFKA_CONSUMED = """\
|    elapsed |       msgs |      bytes |        rtt |        m/s |       MB/s |     rx_err |     offset
|         50 |        100 |      10000 |          0 |       2000 |       0.00 |          0 |        100
|        100 |        500 |      50000 |          0 |       5000 |       0.00 |          0 |        500
|        300 |       1000 |     100000 |          0 |       3333 |       0.00 |          0 |       1000
% Average application fetch latency: 12us
"""


def test_the_matrix_has_each_codec_size_and_number_of_partitions_and_acks_where_there_are_any() -> None:
    cases = all_cases()
    assert len(cases) == len(set(cases)) == len(set(map(str, cases))) == 4 * (5 * 2 * 2 * 2 + 5 * 2 * 2)
    assert set(usual_cases()) < set(cases)
    assert {case.client for case in usual_cases()} == set(CLIENTS)


def test_a_case_is_named_by_all_that_it_is() -> None:
    assert str(PRODUCE_10K) == "java produce lz4 all 10000B 12p"
    assert str(CONSUME_100) == "java consume none 100B 1p"


def test_java_producers_count_from_their_steady_state_on() -> None:
    assert CLIENTS["java"].records_per_second(PRODUCE_10K, JAVA_PRODUCED) == 62_500.25


def test_java_consumers_count_from_their_first_quarter_on() -> None:
    speed = CLIENTS["java"].records_per_second(CONSUME_100, JAVA_CONSUMED)
    assert speed == pytest.approx((4_000 - 1_000) / 0.2)


@pytest.mark.parametrize(
    ("direction", "output", "speed"),
    [("produce", RDKAFKA_PRODUCED, 28_000.0), ("consume", RDKAFKA_CONSUMED, 2_500.0)],
)
def test_librdkafkas_program_counts_from_its_first_quarter_on_without_its_last_wait(
    direction: str, output: str, speed: float
) -> None:
    case = ClientCase("rdkafka", direction, "none", "", 100, 1)
    assert CLIENTS["rdkafka"].records_per_second(case, output) == pytest.approx(speed)


def test_a_client_in_python_says_its_speed_as_json() -> None:
    case = ClientCase("aiokafka", "consume", "none", "", 100, 1)
    assert CLIENTS["aiokafka"].records_per_second(case, '{"records_per_second": 12.5}\n') == 12.5


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("direction", ["produce", "consume"])
@pytest.mark.parametrize(
    "output",
    ["", "WARNING: nothing\n", '{"records_per_second": 0.0}', "| 50 | 100 | 1000 | 0 | 100 | 2000 | 0.00 | 0 |"],
)
def test_an_output_without_a_figure_is_said_to_be_none(client: str, direction: str, output: str) -> None:
    with pytest.raises(UnreadableOutputError):
        CLIENTS[client].records_per_second(ClientCase(client, direction, "none", "1", 100, 1), output)


def test_clients_are_told_what_the_case_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_cases, "tools_home", lambda: client_cases.Path("/jars"))
    java = CLIENTS["java"].command(PRODUCE_10K, "127.0.0.1:9", "things", 1_000)
    assert " ".join(java[java.index("-cp") + 1 :]) == (
        "/jars:/jars/libs/* org.apache.kafka.tools.ProducerPerformance --record-size 10000 --throughput -1"
        " --warmup-records 250 --command-property acks=all compression.type=lz4"
        " --bootstrap-server 127.0.0.1:9 --topic things --num-records 1000"
    )
    rdkafka = CLIENTS["rdkafka"].command(PRODUCE_10K, "127.0.0.1:9", "things", 1_000)
    assert (
        " ".join(rdkafka) == "rdkafka_performance -t things -b 127.0.0.1:9 -c 1000 -u -i 50 -P -s 10000 -a all -z lz4"
    )
    consumer = ClientCase("rdkafka", "consume", "none", "", 100, 2)
    reading = CLIENTS["rdkafka"].command(consumer, "127.0.0.1:9", "things", 7)
    assert " ".join(reading) == "rdkafka_performance -t things -b 127.0.0.1:9 -c 7 -u -i 50 -C -o beginning -p 0 -p 1"
    python = CLIENTS["confluent"].command(PRODUCE_10K, "127.0.0.1:9", "things", 1_000)
    assert " ".join(python[2:]) == (
        "confluent produce 127.0.0.1:9 things 1000 --record-size 10000 --acks all --codec lz4"
    )
