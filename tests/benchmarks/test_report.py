"""What was measured is kept, and shown where the page has a place for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import report
from measuring import APACHE_KAFKA, KAFKALITE, Bench, Figure, Figures, Workload


def measure(bench: Bench, size: int) -> Figures:
    raise NotImplementedError


WORKLOAD = Workload(
    name="things",
    title="Things",
    counted="things",
    sizes=(1, 10),
    figures={"per_second": Figure("per second", is_more_better=True), "ms": Figure("p99, ms", is_drawn=False)},
    measure=measure,
)


@pytest.fixture(autouse=True)
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "_RESULTS", tmp_path / "results")
    monkeypatch.setattr(report, "_PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "_PLOTS", tmp_path / "plots")
    return tmp_path


def results() -> report.Results:
    results = report.Results(WORKLOAD)
    for size, factor in ((1, 1.0), (10, 10.0)):
        results.add(KAFKALITE, size, {"per_second": 3_000 * factor, "ms": 0.5})
        results.add(APACHE_KAFKA, size, {"per_second": 1_000 * factor, "ms": 2.0})
    return results


def test_a_table_has_a_row_for_each_figure_and_size_and_ratios_in_favour_of_kafkalite() -> None:
    assert report.table(results()) == [
        "| figure | things | kafkalite | Apache Kafka | ratio |",
        "|---|---:|---:|---:|---:|",
        "| per second | 1 | 3,000 | 1,000 | 3.0 |",
        "|  | 10 | 30,000 | 10,000 | 3.0 |",
        "| p99, ms | 1 | 0.50 | 2.00 | 4.0 |",
        "|  | 10 | 0.50 | 2.00 | 4.0 |",
    ]


def test_what_nobody_measured_is_a_dash_without_a_ratio() -> None:
    alone = report.Results(WORKLOAD)
    alone.add(KAFKALITE, 1, {"per_second": 7.0})
    assert report.table(alone)[2:] == ["| per second | 1 | 7.00 | - |  |", "| p99, ms | 1 | - | - |  |"]


def test_a_run_of_one_side_replaces_that_side_alone() -> None:
    results().save()
    again = report.Results(WORKLOAD)
    again.add(KAFKALITE, 10, {"per_second": 12_345.678, "ms": 0.25})
    again.save()
    kept = report.Results.load(WORKLOAD)
    assert kept.value(KAFKALITE, 10, "per_second") == 12_350
    assert kept.value(KAFKALITE, 1, "per_second") == 3_000
    assert kept.value(APACHE_KAFKA, 10, "ms") == 2.0


def test_tables_and_plots_stand_between_the_marks_and_nothing_else_changes(docs: Path) -> None:
    page = docs / "page.md"
    page.write_text("Before\n<!-- things -->\nold\n<!-- end of things -->\nAfter\n")
    results().save()
    report.write_report([WORKLOAD])
    once = page.read_text()
    assert once.startswith("Before\n<!-- things -->\n")
    assert once.endswith("\n<!-- end of things -->\nAfter\n")
    assert "old" not in once
    assert "](plots/things-per-second.svg)" in once
    assert "things-ms.svg" not in once, "a figure that is not drawn has no plot"
    assert (docs / "plots" / "things-per-second.svg").read_text().startswith("<svg ")
    report.write_report([WORKLOAD])
    assert page.read_text() == once


def test_a_workload_that_the_page_has_no_place_for_changes_nothing(docs: Path) -> None:
    (docs / "page.md").write_text("Nothing here\n")
    results().save()
    report.write_report([WORKLOAD])
    assert (docs / "page.md").read_text() == "Nothing here\n"
