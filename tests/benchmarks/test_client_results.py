"""What real clients came to is kept, and shown where the page has a place for it."""

from __future__ import annotations

from pathlib import Path

import client_results
import pytest
from client_cases import ClientCase
from client_results import ClientFigures, ClientResults, Round
from measuring import APACHE_KAFKA, KAFKALITE

PRODUCE = ClientCase("java", "produce", "none", "all", 100, 1)
CONSUME = ClientCase("java", "consume", "lz4", "", 10_000, 12)


@pytest.fixture(autouse=True)
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(client_results, "_RESULTS", tmp_path / "results" / "clients.json")
    monkeypatch.setattr(client_results, "_PAGE", tmp_path / "page.md")
    return tmp_path


def figures(records_per_second: float, record_size: int) -> ClientFigures:
    rounds = [Round(records_per_second * factor, 2.0 * factor, 8.0) for factor in (1.0, 0.5, 3.0)]
    return ClientFigures.of(rounds, record_size)


def results() -> ClientResults:
    results = ClientResults()
    results.add(PRODUCE, {KAFKALITE: figures(1_500_000.0, 100), APACHE_KAFKA: figures(1_000_000.0, 100)})
    results.add(CONSUME, {KAFKALITE: figures(90_000.0, 10_000), APACHE_KAFKA: figures(100_000.0, 10_000)})
    return results


def test_figures_are_the_medians_of_their_rounds() -> None:
    one = figures(1_000_000.0, 100)
    assert (one.records_per_second, one.mb_per_second, one.broker_cpu_per_gb) == (1_000_000.0, 100.0, 2.0)
    assert one.rounds == (1_000_000.0, 500_000.0, 3_000_000.0)
    assert one.broker_cores == pytest.approx(0.2), "2 s for a GB, a tenth of which comes in a second"


def test_a_table_has_a_row_for_each_case_and_a_ratio_in_favour_of_kafkalite() -> None:
    assert client_results.table(results(), [PRODUCE, CONSUME])[2:] == [
        "| produce | none | all | 100 | 1 | 1,500,000 | 1,000,000 | 150 | 1.50 | 2.00 | 2.00 | 30% |",
        "| consume | lz4 |  | 10,000 | 12 | 90,000 | 100,000 | 900 | 0.90 | 2.00 | 2.00 | 180% |",
    ]


def test_what_was_measured_on_one_broker_alone_has_no_row() -> None:
    alone = ClientResults()
    alone.add(PRODUCE, {KAFKALITE: figures(1.0, 100)})
    assert len(client_results.table(alone, [PRODUCE, CONSUME])) == 2
    assert "1/s" in client_results.line_of(PRODUCE, alone.by_case[str(PRODUCE)])


def test_a_run_replaces_the_cases_that_it_measured_and_no_others() -> None:
    results().save()
    again = ClientResults.load()
    again.add(PRODUCE, {KAFKALITE: figures(2_000_000.0, 100), APACHE_KAFKA: figures(1_000_000.0, 100)})
    again.save()
    kept = ClientResults.load()
    assert client_results.ratio_of(kept.by_case[str(PRODUCE)]) == 2.0
    assert kept.by_case[str(CONSUME)] == results().by_case[str(CONSUME)]


def test_tables_stand_between_the_marks_and_nothing_else_changes(docs: Path) -> None:
    page = docs / "page.md"
    page.write_text(
        "Before\n<!-- java -->\nold\n<!-- end of java -->\n<!-- aiokafka -->\n<!-- end of aiokafka -->\nEnd\n"
    )
    client_results.write_page(results())
    once = page.read_text()
    assert once.startswith("Before\n<!-- java -->\n\n| | codec |")
    assert once.endswith("|\n\n<!-- end of java -->\n<!-- aiokafka -->\n<!-- end of aiokafka -->\nEnd\n")
    assert "old" not in once
    client_results.write_page(results())
    assert page.read_text() == once
