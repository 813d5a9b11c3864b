"""`hanse replay`: what it prints, what it refuses, and its page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

KEYS = {
    "jobs",
    "finished",
    "mean_wait_s",
    "median_wait_s",
    "p95_wait_s",
    "mean_jct_s",
    "utilisation",
    "handoffs",
    "offers",
    "declined",
    "preemptions",
    "lost",
    "run_twice",
    "messages",
    "bytes",
    "wall_s",
    "digest",
}
_HEADER = "job_id,region,tenant,submit_s,duration_s,gang,gpus,deadline_s\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """Two regions of one node each; north has more than it can do."""
    rows = [f"n{number},north,<b>ann</b>,{number * 60},1800,1,4,3600" for number in range(12)]
    rows += [f"s{number},south,bob,{number * 600},300,1,2,3600" for number in range(4)]
    rows.sort(key=lambda row: float(row.split(",")[3]))
    jobs, nodes = tmp_path / "jobs.csv", tmp_path / "nodes.csv"
    jobs.write_text(_HEADER + "\n".join(rows) + "\n")
    nodes.write_text("region,node_class,count,gpus\nnorth,big,1,8\nsouth,big,1,8\n")
    return ("--jobs", str(jobs), "--nodes", str(nodes))


def test_a_replay_has_the_keys_that_programs_rely_on(
    hanse: Callable[..., Ran], files: tuple[str, ...]
) -> None:
    ran = hanse("replay", *files, "-o", "json")
    assert ran.code == 0
    assert ran.document.keys() >= KEYS
    found = ran.document
    assert (found["jobs"], found["finished"], found["lost"], found["run_twice"]) == (16, 16, 0, 0)
    assert found["handoffs"] > 0


def test_modes_stand_side_by_side(hanse: Callable[..., Ran], files: tuple[str, ...], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = hanse("replay", "compare", *files, "--policy", "backfill", "--html", str(page), "-o", "json")
    waits = {run["name"]: run["mean_wait_s"] for run in ran.document["runs"]}
    assert list(waits) == ["isolated", "federated", "pooled"]
    assert waits["federated"] < 0.7 * waits["isolated"]
    text = page.read_text()
    assert text.count("<svg") == 2 + 2 * 3 - 2  # Two of the three hand nothing over.
    assert "http://" not in text
    assert "https://" not in text


def test_policies_stand_side_by_side(hanse: Callable[..., Ran], files: tuple[str, ...]) -> None:
    ran = hanse("replay", "compare", *files, "--modes", "pooled", "--policy", "fifo", "--policy", "easy")
    assert ran.code == 0
    assert re.search(r"pooled fifo .*\n.*pooled easy ", ran.out)


def test_what_if_tells_each_tenant(hanse: Callable[..., Ran], files: tuple[str, ...]) -> None:
    ran = hanse("replay", "whatif", *files, "--add", "north=2", "-o", "json")
    assert ran.document["after"]["mean_wait_s"] < ran.document["before"]["mean_wait_s"]
    first, second = ran.document["tenants"]
    assert (first["tenant"], second["tenant"]) == ("b-ann-b", "bob")
    assert first["in_time_after"] >= first["in_time_before"]


def test_what_if_a_region_is_lost_for_good(hanse: Callable[..., Ran], files: tuple[str, ...]) -> None:
    ran = hanse("replay", "whatif", *files, "--lose", "south@0.003", "-o", "json")
    assert ran.code == 0
    after = ran.document["after"]
    assert (after["lost"], after["finished"]) == (0, 16)
    assert after["mean_wait_s"] > ran.document["before"]["mean_wait_s"]


def test_a_region_that_comes_back(hanse: Callable[..., Ran], files: tuple[str, ...]) -> None:
    ran = hanse("replay", *files, "--faults", "north@0.002-0.01", "-o", "json")
    assert (ran.code, ran.document["lost"], ran.document["run_twice"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mode", "alone"), "no mode 'alone'"),
        (("--faults", "west@1-2"), "no region 'west'"),
        (("--faults", "north@2-1"), "back after it was lost"),
        (("--faults", "north"), "is no fault"),
        (("--faults", "north@1-2", "--mode", "pooled"), "no regions that could be lost"),
        (("--policy", "nothing.toml"), "no policy document"),
        (("--from-day", "3", "--to-day", "2"), "is not after"),
        (("--format", "xml"), "there are auto, csv"),
        (("--scale-nodes", "1000"), "at most 100"),
    ],
)
def test_what_cannot_be_is_refused(
    hanse: Callable[..., Ran], files: tuple[str, ...], arguments: tuple[str, ...], told: str
) -> None:
    ran = hanse("replay", *files, *arguments)
    assert ran.code == 2
    assert told in ran.err


def test_a_wrong_line_is_told_with_its_place(hanse: Callable[..., Ran], files: tuple[str, ...]) -> None:
    path = Path(files[1])
    path.write_text(path.read_text().replace("1800", "-1800", 1))
    ran = hanse("replay", *files)
    assert ran.code == 2
    assert "jobs.csv:2:duration_s" in ran.err


def test_files_are_needed(hanse: Callable[..., Ran]) -> None:
    assert hanse("replay").code == 2
    assert hanse("replay", "whatif").code == 2
