"""Percentiles and counting."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hanse.bench.books import Count, Run, by_region, count, ledger_runs, recorded_runs
from hanse.bench.figures import Usage, latencies, percentile, usage_document
from hanse.bench.league import filesystem_of, shape_of


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        (list(range(1, 101)), 0.99, 99),
        (list(range(1, 101)), 1.0, 100),
        (list(range(1, 101)), 0.0, 1),
    ],
)
def test_percentile(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def test_latencies_need_no_order() -> None:
    assert latencies([3.0, 1.0, 2.0]) == {"p50_s": 2.0, "p95_s": 3.0, "p99_s": 3.0}
    assert latencies([]) == {"p50_s": None, "p95_s": None, "p99_s": None}


def test_cpu_per_job() -> None:
    before = Usage(1.0, {"north": 2.0}, {"north": 0.5}, 10.0)
    after = Usage(1.5, {"north": 4.0}, {"north": 1.0}, 15.0)
    document = usage_document(before, after, 1_000)
    assert document["cpu_ms_per_job"] == {
        "client": 0.5,
        "daemons": {"north": 2.0},
        "launchers": {"north": 0.5},
        "client_and_daemons": 2.5,
        "machine": 5.0,
    }


def test_what_ran_is_compared_with_what_was_promised() -> None:
    runs = [Run("a", 1, 1, "north"), Run("b", 2, 1, "east"), Run("c", 1, 1, "north"), Run("c", 2, 1, "west")]
    counted = count("north", ["a", "b", "c", "d", "e"], ["a", "b", "c", "d"], runs)
    # d succeeded without having run; e never ended.
    assert counted == Count(handed_off=2, lost=2, run_twice=1)
    assert by_region(runs) == {"east": 1, "north": 2, "west": 1}


def test_records_of_tasks_are_read(tmp_path: Path) -> None:
    (tmp_path / "north").write_text("north-1 1 1 north\n", encoding="utf-8")
    (tmp_path / "east").write_text("north-2 2 1 east\nnorth-2 3 1 east\n", encoding="utf-8")
    assert [run.epoch for run in recorded_runs(tmp_path)] == [2, 3, 1]


def test_starts_are_read_from_ledgers(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE timeline (job_id, epoch, attempt, what)")
        rows = [("a", 1, 0, "QUEUED"), ("a", 1, 1, "RUNNING"), ("a", 1, 1, "SUCCEEDED")]
        connection.executemany("INSERT INTO timeline VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    assert ledger_runs({"north": path}) == [Run("a", 1, 1, "north")]


@pytest.mark.parametrize(("slots", "nodes"), [(1, 1), (8, 1), (100, 1), (300, 3), (250, 5)])
def test_slots_are_spread_over_nodes(slots: int, nodes: int) -> None:
    shape = shape_of(slots, {"kind": "simulated"})
    assert shape.nodes == nodes
    assert shape.nodes * shape.resources["cpu"] == slots * 1_000


def test_the_file_system_of_a_path_is_known() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
