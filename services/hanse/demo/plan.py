"""What the demo will do: every job with its time, home and fate, drawn from the trace and one seed.

Times are compressed by one factor, submissions and durations alike, so that bursts stay bursts; only the longest runs
are cut. Those of the busiest region may run only there, as if their data could not move: so it always has some work
that outlives its daemon. Which jobs fail and which are cancelled the trace does not say: the seed decides.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hanse.demo.trace import TraceJob

# Six hours become 54 seconds.
COMPRESSION = 400
# The longest runs of the trace took days; one that outlives all others would only make everybody wait.
RUN_S_MAX = 12.0
RUN_S_MIN = 0.1
# The trace's largest virtual cluster has 80 % of its jobs; its region has a third of the capacity.
_BUSY_CLUSTER = "vc-6c71a0"
_SECOND_CLUSTER = "vc-11cb48"

JOBS_MIN = 40
FAILURES_MIN = 10
_FAILURE_SHARE = 0.04
_CANCEL_SHARE = 0.04
FAILURE_EXIT_CODE = 3
# A job that is cancelled sooner than it could have ended by itself.
_CANCELLED_RUN_S_MIN = 1.5


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job of the demo. Times in seconds: `submit_s` since the beginning, `cancel_s` (if it is) after the submit.

    `stays`: it may run at home only. `adopts`: it outlives its region.
    """

    key: str
    trace_job: int
    home: str
    submit_s: float
    run_s: float
    tasks: int
    exit_code: int = 0
    cancel_s: float | None = None
    stays: bool = False
    adopts: bool = False


def make_plan(trace: Sequence[TraceJob], regions: Sequence[str], jobs: int, seed: int) -> list[PlannedJob]:
    """`jobs` jobs of the trace, in the order of submission. The first region gets the busiest cluster."""
    if not JOBS_MIN <= jobs <= len(trace):
        raise ValueError(f"{jobs} jobs: from {JOBS_MIN} to {len(trace)} are possible")
    randomness = random.Random(seed)
    chosen = sorted(randomness.sample(range(len(trace)), jobs))
    taken = [trace[index] for index in chosen]
    staying = {index for index, job in enumerate(taken) if _stays(job)}
    others = [index for index in range(jobs) if index not in staying]
    failing = set(randomness.sample(others, max(FAILURES_MIN, round(jobs * _FAILURE_SHARE))))
    long_enough = [
        index for index in others if index not in failing and _run_s(taken[index]) > _CANCELLED_RUN_S_MIN
    ]
    cancelled = set(randomness.sample(long_enough, min(len(long_enough), round(jobs * _CANCEL_SHARE))))
    return [
        PlannedJob(
            key=f"philly-{job.number}",
            trace_job=job.number,
            home=_home(job, regions),
            submit_s=(job.submit_s - taken[0].submit_s) / COMPRESSION,
            run_s=_run_s(job),
            tasks=task_count(job),
            exit_code=FAILURE_EXIT_CODE if index in failing else 0,
            cancel_s=randomness.uniform(0.2, _CANCELLED_RUN_S_MIN) if index in cancelled else None,
            stays=index in staying,
        )
        for index, job in enumerate(taken)
    ]


def task_count(job: TraceJob) -> int:
    """Tasks (one GPU each) for a job's GPUs: its width on a logarithmic scale, as a laptop has no 16 GPUs to spare."""
    gpus = job.gang * job.gpus_per_task
    return 1 + (gpus > 1) + (gpus > 4) + (gpus > 8)


def _run_s(job: TraceJob) -> float:
    return min(RUN_S_MAX, max(RUN_S_MIN, round(job.duration_s / COMPRESSION, 2)))


def _stays(job: TraceJob) -> bool:
    return job.virtual_cluster == _BUSY_CLUSTER and _run_s(job) >= RUN_S_MAX


def _home(job: TraceJob, regions: Sequence[str]) -> str:
    if job.virtual_cluster == _BUSY_CLUSTER:
        return regions[0]
    return regions[1 % len(regions) if job.virtual_cluster == _SECOND_CLUSTER else -1]
