"""The books of a campaign: what was acknowledged and promised, against what the tasks' own records say.

Lost and run twice are the demo's definitions (`hanse.demo.audit`). Some things are added here. A task that was killed
cannot write its end: the harness saw it dead and notes when, or the task had shown that it lived until then. No node
may ever have run more at once than it has slots (P5), by the records of all tasks. And what waits for its region is not
stopped when that is lost for a while (P4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hanse.client.messages import Job, state_name
from hanse.core.model.jobs import RunId
from hanse.demo.audit import Finding, JobFact, Restart, audit
from hanse.demo.records import TaskRun
from hanse.demo.task import TERMINATED_STATUS
from hanse.demo.workload import Acknowledged, CallerBook

_KILLED_STATUS = 137


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What was found; every list but the counts is empty if the promises were kept."""

    jobs: int
    runs: int
    handed_off: int
    readopted: int
    outcomes: Mapping[str, int]
    lost: Sequence[Finding]
    run_twice: Sequence[Finding]
    misjudged: Sequence[Finding]
    unknown_runs: Sequence[str]
    oversold: Sequence[str]
    disturbed: Sequence[str]

    @property
    def findings(self) -> dict[str, list[str]]:
        """By promise, in words."""
        durable = [*_words(self.lost), *_words(self.misjudged)]
        durable += [f"{job}: ran, and nobody was told that it was taken" for job in self.unknown_runs]
        return {
            "P1": durable,
            "P3": _words(self.run_twice),
            "P4": list(self.disturbed),
            "P5": list(self.oversold),
        }


def balance(
    book: CallerBook,
    jobs: Mapping[str, Job],
    runs: Iterable[TaskRun],
    restarts: Sequence[Restart],
    forced_ends: Mapping[tuple[RunId, int], int],
    slots: int,
) -> Books:
    """Compare. `slots`: how many tasks a node can run at once."""
    facts = [_fact(each, jobs.get(each.job_id)) for each in book.acknowledged.values()]
    beating = {fact.job_id for fact in facts if fact.adoptable}
    known = [_with_end(run, forced_ends, beats=run.job_id in beating) for run in runs]
    found = audit(facts, known, restarts)
    # What the harness killed may fail.
    harmed = {run.job_id for run, _ in forced_ends}
    outcomes: dict[str, int] = defaultdict(int)
    for fact in facts:
        outcomes[fact.state or "unknown"] += 1
    return Books(
        jobs=len(facts),
        runs=len(known),
        handed_off=len(found.handed_off),
        readopted=len(found.readopted),
        outcomes=dict(sorted(outcomes.items())),
        lost=found.lost,
        run_twice=found.run_twice,
        misjudged=[finding for finding in found.misjudged if finding.job_id not in harmed],
        unknown_runs=found.unknown_runs,
        oversold=oversold(known, slots),
        disturbed=[*disturbed(book, known)],
    )


def disturbed(book: CallerBook, runs: Iterable[TaskRun]) -> Iterable[str]:
    """Jobs that wait for their region, and were stopped although nobody had asked for it."""
    waiting = {each.job_id for each in book.acknowledged.values() if not each.planned.adopts}
    for run in runs:
        if run.status == TERMINATED_STATUS and run.job_id in waiting - book.cancels_taken:
            yield f"{run.job_id}: a job that waits for its region was stopped in {run.region}"


def oversold(runs: Iterable[TaskRun], slots: int) -> list[str]:
    """Nodes on which more ran at one instant than fits. A run without an end counts to the last instant on record.

    A record begins after its task and ends before it, so what overlaps on record did overlap.
    """
    by_node: dict[str, list[TaskRun]] = defaultdict(list)
    for run in runs:
        by_node[run.node].append(run)
    found = []
    for node, on_node in sorted(by_node.items()):
        at_once, when_us = _most_at_once(on_node)
        if at_once > slots:
            found.append(f"{node}: {at_once} tasks at {when_us} us, and {slots} slots")
    return found


def _most_at_once(runs: Iterable[TaskRun]) -> tuple[int, int]:
    changes = []
    for run in runs:
        changes.append((run.begin_us, 1))
        if run.end_us is not None:
            changes.append((run.end_us, -1))
    # An end and a begin at one instant do not overlap: -1 sorts first.
    most, when_us, running = 0, 0, 0
    for at_us, change in sorted(changes):
        running += change
        if running > most:
            most, when_us = running, at_us
    return most, when_us


def _with_end(run: TaskRun, forced_ends: Mapping[tuple[RunId, int], int], *, beats: bool) -> TaskRun:
    """A run without an end was killed: when the harness saw it dead, or after it had last said that it lived."""
    dead_us = forced_ends.get((RunId(run.job_id, run.epoch, run.attempt), run.task))
    if beats and dead_us is None:
        dead_us = run.beat_us or run.begin_us
    if run.end_us is not None or dead_us is None:
        return run
    return replace(run, end_us=dead_us, status=_KILLED_STATUS)


def _fact(acknowledged: Acknowledged, job: Job | None) -> JobFact:
    planned = acknowledged.planned
    return JobFact(
        job_id=acknowledged.job_id,
        home=planned.home,
        tasks=planned.tasks,
        expected_exit_code=planned.exit_code,
        state=state_name(job.state) if job else "",
        region=job.region if job else "",
        epoch=job.epoch if job else 0,
        attempt=job.attempt if job else 0,
        adoptable=planned.adopts,
    )


def _words(findings: Iterable[Finding]) -> list[str]:
    return [f"{finding.job_id}: {finding.why}" for finding in findings]
