"""What callers do: submit every job at its time to its home, and cancel some of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from hanse.client import AsyncClient
from hanse.client.messages import JobSpec, OnRegionLoss, Program, RegionPreference, Requirements, TaskGroup
from hanse.demo.plan import PlannedJob
from hanse.demo.task import beating_command, task_command

TENANT = "philly/demo"
# Jobs that are due within one tick go out together.
_TICK_S = 0.1
_GRACE_S = 5
_RESOURCES = {"cpu": 1_000, "gpu": 1_000}


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A job that its home has taken. Microseconds of the wall clock: when the call was made, and answered."""

    planned: PlannedJob
    job_id: str
    sent_us: int
    acknowledged_us: int


@dataclass(slots=True)
class CallerBook:
    """What the caller knows by itself, without asking anybody: its acknowledgements, refusals and cancels."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    cancels_taken: set[str] = field(default_factory=set)
    cancels_late: set[str] = field(default_factory=set)


def job_spec(job: PlannedJob, records: Path) -> JobSpec:
    """The spec of a planned job: one GPU and one core for each task."""
    command_of = beating_command if job.adopts else task_command
    loss = OnRegionLoss.ON_REGION_LOSS_ADOPT if job.adopts else OnRegionLoss.ON_REGION_LOSS_WAIT
    return JobSpec(
        name=job.key,
        tenant=TENANT,
        labels={"trace-job": str(job.trace_job)},
        groups=[
            TaskGroup(
                count=job.tasks,
                requirements=Requirements(resources=_RESOURCES),
                program=Program(command=command_of(records, job.run_s, job.exit_code)),
            )
        ],
        grace=Duration(seconds=_GRACE_S),
        regions=RegionPreference(allow=[job.home] if job.stays else []),
        on_region_loss=loss,
    )


async def submit_all(
    client: AsyncClient,
    home: str,
    jobs: Iterable[PlannedJob],
    records: Path,
    begin_s: float,
    known: CallerBook,
    on_acknowledged: Callable[[Sequence[Acknowledged]], None],
) -> None:
    """Submit the jobs of one home, each when it is due after `begin_s` of the monotonic clock.

    While the home is down the client goes on trying with the same keys, and what is due meanwhile waits its turn.
    """
    for tick, due in groupby(jobs, key=lambda job: int(job.submit_s / _TICK_S)):
        batch = list(due)
        await asyncio.sleep(max(0.0, begin_s + (tick + 1) * _TICK_S - time.monotonic()))
        sent_us = _wall_us()
        outcomes = await client.submit_many(
            [job_spec(job, records) for job in batch], client_keys=[job.key for job in batch], home=home
        )
        now_us = _wall_us()
        taken = []
        for job, outcome in zip(batch, outcomes, strict=True):
            if outcome.error is None:
                taken.append(Acknowledged(job, outcome.job_id, sent_us, now_us))
            else:
                known.refused[job.key] = outcome.error.message
        known.acknowledged.update((each.planned.key, each) for each in taken)
        on_acknowledged(taken)


async def cancel_later(client: AsyncClient, job: Acknowledged, known: CallerBook) -> None:
    """Cancel a job some time after it was acknowledged; where it is by then is the federation's business."""
    assert job.planned.cancel_s is not None
    await asyncio.sleep(job.planned.cancel_s)
    (result,) = await client.cancel([job.job_id])
    if not result.HasField("refusal"):
        known.cancels_taken.add(job.job_id)
    else:
        known.cancels_late.add(job.job_id)


def _wall_us() -> int:
    return time.time_ns() // 1000
