"""A small campaign from end to end, on loopback: as whoever has no root runs them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chaos.live.__main__ import EXIT_OK, main
from chaos.live.books import balance
from chaos.live.campaign import Campaign, load_campaign
from chaos.live.run import Outcome, run_campaign
from hanse.demo.plan import PlannedJob
from hanse.demo.workload import Acknowledged, CallerBook

SMALL = """
[campaign]
title = "Two regions, cut apart and one of them killed"
promises = ["P1", "P3", "P5", "P6", "P7"]
budget_s = 50
settle_s = 20
[topology]
regions = 2
[[workload]]
jobs = 12
over_s = 2
run_s = [0.1, 0.5]
fail_share = 0.1
gang_share = 0.2
[[faults]]
kind = "partition"
groups = [["north"], ["east"]]
at_s = 0.2
for_s = 3
[[faults]]
kind = "kill_daemon"
region = "east"
at_s = 1
for_s = 0
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def report(directory: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_a_campaign_on_loopback_keeps_its_promises_and_leaves_nothing(campaign: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main([str(campaign), "--loopback", "--directory", str(out)]) == EXIT_OK
    found = report(out)
    assert found["faults"] == {"kill_daemon": 1, "partition": 1}
    # Two probes beside the workload.
    assert (found["jobs"], found["lost"], found["run_twice"]) == (14, 0, 0)
    assert found["longest_restart_s"]
    assert list((out / "runs").iterdir()) == []


async def test_a_violation_ends_with_a_code_and_keeps_the_evidence(
    campaign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without daemons: what they would have left is planted."""

    @asynccontextmanager
    async def staged(_: Campaign, directory: Path, say: object, *, root: bool) -> AsyncGenerator[Path, None]:
        assert not root
        yield directory

    async def perform(stage: Path, outcome: Outcome) -> None:
        (stage / "records").write_text("what the tasks said", encoding="utf-8")
        outcome.books = balance(BOOK, {}, [], [], {}, slots=1)

    monkeypatch.setattr("chaos.live.run.staged", staged)
    monkeypatch.setattr("chaos.live.run._perform", perform)
    found = await run_campaign(load_campaign(campaign), tmp_path / "out", lambda text: None, root=False)
    assert not found.ok
    assert found.violations == {"P1": ["north-1: acknowledged, and at the end unknown"]}
    assert found.evidence == tmp_path / "out"
    assert (found.evidence / "records").exists()


BOOK = CallerBook(
    {"a": Acknowledged(PlannedJob("a", 0, "north", submit_s=0, run_s=1, tasks=1), "north-1", 0, 1)}
)
