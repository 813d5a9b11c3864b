"""A schedule that another simulator has made, job by job: does backfill here start the same jobs at the same times?

The schedule is a CSV such as evalys and Batsim write: one row a job, with `submission_time`,
`requested_number_of_resources`, `requested_time`, `execution_time` and `starting_time` in seconds. Its machine is as
many nodes of one core as the largest number in `allocated_resources` tells.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanse.core.model.jobs import GroupShape, ShapeBody, make_shape
from hanse.core.model.regions import Node
from hanse.core.model.resources import resources
from hanse.core.policy.model import Backfill, BackfillMode, FairShare, Policy, Preemption, Tier
from hanse.policies.virtual import VirtualJob, VirtualRegion

_CORE = 1_000
# Times in such files are rounded to a microsecond each, and sums of them are compared.
_SAME_US = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """One job of a schedule; microseconds."""

    job: VirtualJob
    starts_us: int


def read_schedule(path: Path) -> tuple[list[Row], int]:
    """The jobs, and how many nodes the machine has."""
    rows: list[Row] = []
    nodes = 0
    with path.open(encoding="utf-8", newline="") as lines:
        for entry in csv.DictReader(lines):
            count = int(entry["requested_number_of_resources"])
            nodes = max(
                nodes, *(int(part.split("-")[-1]) + 1 for part in entry["allocated_resources"].split())
            )
            group = GroupShape(count, count, resources({"cpu": _CORE}))
            body = ShapeBody(groups=(group,), runtime_estimate_us=_us(entry["requested_time"]))
            job = VirtualJob(
                id=f"j{len(rows):06}",
                shape=make_shape(body),
                at_us=_us(entry["submission_time"]),
                run_us=_us(entry["execution_time"]),
            )
            rows.append(Row(job, _us(entry["starting_time"])))
    return rows, nodes


def _us(seconds: str) -> int:
    return round(float(seconds) * 1e6)


def replayed(rows: Sequence[Row], nodes: int, mode: BackfillMode) -> dict[str, int]:
    """When each job starts here, in microseconds from the begin."""
    machine = tuple(
        Node(name=f"n{number:05}", node_class="core", capacity=resources({"cpu": _CORE}))
        for number in range(nodes)
    )
    policy = Policy(
        tiers=(Tier(name="standard"),),
        fair_share=FairShare(order="off"),
        backfill=Backfill(mode=mode, depth=10_000),
        preemption=Preemption(enabled=False),
    )
    region = VirtualRegion(machine, policy)
    region.add([row.job for row in rows])
    region.run()
    return {start.job_id: start.at_us for start in region.starts}


def differences(rows: Sequence[Row], starts_us: dict[str, int]) -> list[tuple[str, int, int | None]]:
    """(job, start there, start here) of those that differ."""
    return [
        (row.job.id, row.starts_us, starts_us.get(row.job.id))
        for row in rows
        if abs(starts_us.get(row.job.id, -_SAME_US - 1) - row.starts_us) > _SAME_US
    ]


def bench_schedule(path: Path, mode: BackfillMode) -> dict[str, Any]:
    """Replay one schedule and compare."""
    rows, nodes = read_schedule(path)
    begun_s = time.process_time()
    starts_us = replayed(rows, nodes, mode)
    cpu_s = time.process_time() - begun_s
    found = differences(rows, starts_us)
    waited = [starts_us[row.job.id] - row.job.at_us for row in rows if row.job.id in starts_us]
    return {
        "benchmark": f"backfill {mode}",
        "schedule": path.name,
        "jobs": len(rows),
        "nodes": nodes,
        "started": len(starts_us),
        "differences": len(found),
        "first_differences": [
            {"job": job, "there_s": there / 1e6, "here_s": None if here is None else here / 1e6}
            for job, there, here in found[:10]
        ],
        "mean_wait_s": round(sum(waited) / max(1, len(waited)) / 1e6, 3),
        "cpu_s": round(cpu_s, 3),
    }
