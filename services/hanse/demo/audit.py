"""Balancing the books: what was acknowledged, against what the tasks say that ran.

A *run* is one process of one task, from the begin to the end that it wrote itself. An *attempt* is all runs of a job
with one (epoch, attempt). An attempt is *complete* when every task of the job is in it and ended with 0. A run without
an end counts as running for ever: the strictest reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hanse.demo.records import TaskRun

LOST = (
    "A job is lost if its submission was acknowledged and, when the demo ends, it is not in a final state, or it is "
    "SUCCEEDED without a complete attempt on record (every task began and ended with 0)."
)
RUN_TWICE = (
    "A job is run twice if one of its tasks began twice in one (epoch, attempt), if two attempts overlap in time, or "
    "if anything began after a complete attempt. A new attempt after one that failed, was stopped or was cut short is "
    "a retry, as long as nothing of the former was still running; a run that wrote no end counts as still running. "
    "(An adoptable job's complete attempt counts once its region has told of it: if the region is lost before, others "
    "cannot know. So of such a job nothing may begin after the attempt that it was settled with.)"
)
READOPTED = (
    "A task is readopted if it began in a region before that region's daemon was killed with SIGKILL, ended by itself "
    "after the restarted daemon served, in the same process (equal pid in both lines of its record), and the job was "
    "settled with that very epoch and attempt: the new daemon took over the process that the old one had started."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFact:
    """An acknowledged job and its outcome. `state`: such as "SUCCEEDED"; empty: nobody could tell."""

    job_id: str
    home: str
    tasks: int
    expected_exit_code: int
    state: str
    region: str
    epoch: int
    attempt: int
    adoptable: bool = False

    @property
    def settled_with(self) -> tuple[int, int] | None:
        """Of an adoptable job: the (epoch, attempt) that ended it."""
        return (self.epoch, self.attempt) if self.adoptable else None

    @property
    def is_final(self) -> bool:
        """Whether it has ended for good."""
        return self.state in ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A daemon that was killed, and when its successor served. Microseconds of the wall clock."""

    region: str
    killed_us: int
    serving_us: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One violated promise."""

    job_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found. `misjudged`: failed though it should not have, or the other way round."""

    lost: tuple[Finding, ...]
    run_twice: tuple[Finding, ...]
    misjudged: tuple[Finding, ...]
    unfinished: tuple[str, ...]
    unknown_runs: tuple[str, ...]
    handed_off: frozenset[str]
    readopted: tuple[TaskRun, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.run_twice or self.misjudged or self.unfinished or self.unknown_runs)


def audit(jobs: Sequence[JobFact], runs: Sequence[TaskRun], restarts: Sequence[Restart]) -> Audit:
    """Compare the outcomes with the records."""
    by_job: dict[str, list[TaskRun]] = defaultdict(list)
    for run in runs:
        by_job[run.job_id].append(run)
    lost = [Finding(job.job_id, why) for job in jobs if (why := why_lost(job, by_job[job.job_id]))]
    twice = [
        Finding(job.job_id, why)
        for job in jobs
        if (why := why_run_twice(job.tasks, by_job[job.job_id], job.settled_with))
    ]
    misjudged = [Finding(job.job_id, why) for job in jobs if (why := _why_misjudged(job))]
    return Audit(
        lost=tuple(lost),
        run_twice=tuple(twice),
        misjudged=tuple(misjudged),
        unfinished=tuple(job.job_id for job in jobs if not job.is_final),
        unknown_runs=tuple(sorted(by_job.keys() - {job.job_id for job in jobs})),
        handed_off=frozenset(
            job.job_id for job in jobs if any(run.region != job.home for run in by_job[job.job_id])
        ),
        readopted=tuple(readopted(jobs, runs, restarts)),
    )


def why_lost(job: JobFact, runs: Iterable[TaskRun]) -> str:
    """Empty if it is not."""
    if not job.is_final:
        return f"acknowledged, and at the end {job.state or 'unknown'}"
    if job.state == "SUCCEEDED" and not any(
        _is_complete(attempt, job.tasks) for attempt in _attempts(runs).values()
    ):
        return "SUCCEEDED without a complete attempt on record"
    return ""


def why_run_twice(tasks: int, runs: Iterable[TaskRun], settled_with: tuple[int, int] | None = None) -> str:
    """Empty if it was not. `tasks`: how many the job has. `settled_with`: of an adoptable job, the one complete attempt
    that nothing may follow; None: nothing may follow any."""
    attempts = _attempts(runs)
    for key, of_attempt in attempts.items():
        numbers = [run.task for run in of_attempt]
        if len(numbers) != len(set(numbers)):
            return f"a task began twice in epoch {key[0]}, attempt {key[1]}"
    ordered = sorted(attempts.items(), key=lambda item: min(run.begin_us for run in item[1]))
    for (key, former), (next_key, latter) in pairwise(ordered):
        between = f"{_name(key, former)} and {_name(next_key, latter)}"
        if _is_complete(former, tasks) and settled_with in (None, key):
            return f"{between}: the former was complete"
        ends = [run.end_us for run in former]
        if any(end is None or end > min(run.begin_us for run in latter) for end in ends):
            return f"{between} overlap"
    return ""


def readopted(
    jobs: Iterable[JobFact], runs: Iterable[TaskRun], restarts: Iterable[Restart]
) -> Iterable[TaskRun]:
    """Runs that outlived their daemon and were settled by the next one; READOPTED says when that is so."""
    settled = {(job.job_id, job.epoch, job.attempt) for job in jobs if job.is_final}
    restarted = list(restarts)
    return [
        run
        for run in runs
        if run.end_us is not None
        and (run.job_id, run.epoch, run.attempt) in settled
        and any(
            run.region == restart.region
            and run.begin_us < restart.killed_us < restart.serving_us < run.end_us
            for restart in restarted
        )
    ]


def _why_misjudged(job: JobFact) -> str:
    if job.state == "FAILED" and not job.expected_exit_code:
        return "FAILED, and nothing of it was made to fail"
    if job.state == "SUCCEEDED" and job.expected_exit_code:
        return f"SUCCEEDED, and its tasks end with {job.expected_exit_code}"
    return ""


def _attempts(runs: Iterable[TaskRun]) -> dict[tuple[int, int], list[TaskRun]]:
    attempts: dict[tuple[int, int], list[TaskRun]] = defaultdict(list)
    for run in runs:
        attempts[(run.epoch, run.attempt)].append(run)
    return attempts


def _is_complete(runs: Iterable[TaskRun], tasks: int) -> bool:
    return {run.task for run in runs if run.status == 0} == set(range(tasks))


def _name(key: tuple[int, int], runs: Sequence[TaskRun]) -> str:
    return f"{key[0]}.{key[1]} in {runs[0].region}"
