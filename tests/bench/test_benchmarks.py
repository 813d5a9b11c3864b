"""Each benchmark end to end, small: real daemons, real ledgers, and figures that add up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from hanse.bench.handoff import bench_handoff
from hanse.bench.league import league, shape_of
from hanse.bench.memory import bench_memory
from hanse.bench.run import LOCAL, SIMULATED, RunSet, bench_run
from hanse.bench.submit import bench_submit
from hanse.cli.errors import UsageOrConfigError

KEYS = {
    "jobs",
    "jobs_per_s",
    "handed_off",
    "lost",
    "run_twice",
    "p50_s",
    "p95_s",
    "p99_s",
    "versions",
    "load",
}

pytestmark = pytest.mark.timeout(180)


def quiet(text: str) -> None:
    """Nobody reads it."""


def left_behind(directory: Path) -> list[str]:
    """Processes that still work below the directory."""
    return [
        str(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline", "cwd"])
        if str(directory) in str(process.info["cmdline"]) + str(process.info["cwd"])
    ]


def entries(directory: Path) -> list[str]:
    """What is in a directory."""
    return [path.name for path in directory.iterdir()]


async def test_submit(tmp_path: Path) -> None:
    document = await bench_submit(tmp_path, 1_000, 100, 2, quiet)
    assert document.keys() >= KEYS
    assert (document["jobs"], document["lost"], document["run_twice"]) == (1_000, 0, 0)
    assert document["jobs_per_s"] > 0
    assert document["p50_s"] <= document["p99_s"]
    assert left_behind(tmp_path) == []
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    "run_set",
    [
        pytest.param(replace(SIMULATED, jobs=600, slots=60, duration_us=200_000), id="simulated"),
        pytest.param(replace(LOCAL, jobs=60, slots=2), id="local"),
    ],
)
async def test_run(tmp_path: Path, run_set: RunSet) -> None:
    document = await bench_run(tmp_path, run_set, quiet, timeout_s=120)
    assert document.keys() >= KEYS
    assert (document["lost"], document["run_twice"]) == (0, 0)
    assert document["handed_off"] > 0
    assert sum(document["runs_by_region"].values()) == run_set.jobs
    assert left_behind(tmp_path) == []


async def test_handoff(tmp_path: Path) -> None:
    document = await bench_handoff(tmp_path, 10, 10.0, quiet)
    assert document.keys() >= KEYS
    assert (document["handed_off"], document["lost"], document["run_twice"]) == (10, 0, 0)
    assert "north" not in document["runs_by_region"]
    assert 0 < document["p50_s"] <= document["max_s"]
    # The fillers would have slept for an hour.
    assert left_behind(tmp_path) == []


async def test_memory(tmp_path: Path) -> None:
    document = await bench_memory(tmp_path, 1_000, quiet)
    assert document["jobs_by_state_after_restart"] == {"QUEUED": 999, "RUNNING": 1}
    assert document["start_s"] > 0
    assert document["resident_bytes"]["full"] > document["resident_bytes"]["empty"]


async def test_memory_is_no_disk() -> None:
    with pytest.raises(UsageOrConfigError, match="in memory"):
        async with league(Path("/dev/shm/hanse-bench"), 1, shape_of(1, {"kind": "simulated"})):
            raise AssertionError("not reached")
