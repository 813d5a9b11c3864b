"""A performance as it might have been, without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.client.messages import Job, JobState
from hanse.demo.audit import Restart
from hanse.demo.plan import PlannedJob, make_plan
from hanse.demo.records import TaskRun
from hanse.demo.run import DemoOptions, Performance
from hanse.demo.scene import Happening
from hanse.demo.trace import load_trace
from hanse.demo.workload import Acknowledged, CallerBook

REGIONS = ("north", "east", "west")
BEGUN_US = 1_800_000_000_000_000


@pytest.fixture
def performance(tmp_path: Path) -> Performance:
    """Every second job of north runs elsewhere, and one task outlives a restart."""
    plan = make_plan(load_trace(), REGIONS, 60, seed=11)
    made = Performance(
        options=DemoOptions(directory=tmp_path, jobs=60, seed=11),
        plan=plan,
        regions=REGIONS,
        nodes={name: [f"{name}-1"] for name in REGIONS},
        slots=4,
        begun_us=BEGUN_US,
        ended_us=BEGUN_US + 120_000_000,
        happenings=[Happening(0.0, "", "", "<begin>"), Happening(3.0, "north", "killed", "kill -9")],
        wall_s=61.5,
    )
    made.book = CallerBook({job.key: _acknowledged(number, job) for number, job in enumerate(plan)})
    made.runs = [run for number, job in enumerate(plan) for run in _runs(number, job)]
    made.jobs = {f"{job.home}-{number}": _job(number, job) for number, job in enumerate(plan)}
    first = made.runs[0]
    made.restarts = [
        Restart(region=first.region, killed_us=first.begin_us + 1, serving_us=first.begin_us + 2)
    ]
    made.freezes = [("east", BEGUN_US + 9_000_000, BEGUN_US + 14_000_000)]
    return made


def _where(number: int, job: PlannedJob) -> str:
    return "east" if number % 2 and job.home == "north" else job.home


def _acknowledged(number: int, job: PlannedJob) -> Acknowledged:
    sent_us = BEGUN_US + int(job.submit_s * 1e6)
    return Acknowledged(job, f"{job.home}-{number}", sent_us, sent_us + 5_000)


def _runs(number: int, job: PlannedJob) -> list[TaskRun]:
    begin_us = BEGUN_US + int(job.submit_s * 1e6) + 40_000
    status = 143 if job.cancel_s is not None else job.exit_code
    return [
        TaskRun(
            job_id=f"{job.home}-{number}",
            task=task,
            epoch=1,
            attempt=1,
            region=_where(number, job),
            node=f"{_where(number, job)}-1",
            pid=100 + number,
            begin_us=begin_us,
            end_us=begin_us + int(job.run_s * 1e6),
            status=status,
        )
        for task in range(job.tasks)
    ]


def _job(number: int, job: PlannedJob) -> Job:
    state = JobState.JOB_STATE_FAILED if job.exit_code else JobState.JOB_STATE_SUCCEEDED
    if job.cancel_s is not None:
        state = JobState.JOB_STATE_CANCELLED
    return Job(
        id=f"{job.home}-{number}", home=job.home, region=_where(number, job), state=state, epoch=1, attempt=1
    )
