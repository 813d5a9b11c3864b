"""A region without a ledger and an executor: one Region.step after another, in this process.

Seven tenants share it, each with a queue of its own in one cohort, under the default policy with quotas.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from hanse.core.events import (
    Ask,
    CancelJobs,
    Event,
    ExecutorRecovered,
    Question,
    SetDrain,
    Submit,
    TaskEnded,
)
from hanse.core.model.jobs import RunId, Shape, Submission
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Member, Node, RegionConfig, Topology
from hanse.core.model.time import Now
from hanse.core.policy.model import Policy, Queue, Quota, default_policy
from hanse.core.region import Region
from hanse.core.rows import Snapshot

SEED = 1
BATCH_JOBS = 256
TENANTS = 7
_CREATED_S = 1_000_000


class Machine:
    """A region with these nodes, its clock and its callers. It begins with what `former` had queued, if there is one:
    as a region that starts again."""

    def __init__(self, nodes: tuple[Node, ...], former: Machine | None = None) -> None:
        self.config = config = RegionConfig(
            name="bench",
            cluster_id="bench",
            members=(Member(name="bench"),),
            nodes=nodes,
            topology=Topology(levels=("pod", "rack")),
        )
        self._us = _CREATED_S * 1_000_000
        policy = policy_of(config)
        self.region = Region(config, _snapshot(former), self._now(), random.Random(SEED), policy=policy)
        self._submitted = 0
        # Runs, with the number of their tasks, in the order in which they started.
        self.started: list[tuple[RunId, int]] = []
        # Those of one task that were told to stop.
        self.stopped: list[RunId] = []
        self.step(ExecutorRecovered(cause="bench", found=()))

    def _now(self) -> Now:
        self._us += 1_000
        return Now(mono_us=self._us, wall_us=self._us)

    def step(self, *events: Event) -> int:
        """One step; how many jobs it started."""
        effects = self.region.step(self._now(), events)
        self.started += [(launch.run, len(launch.tasks)) for launch in effects.launches]
        self.stopped += [stop.run for stop in effects.stops]
        return len(effects.launches)

    def pass_time(self, seconds: int) -> None:
        """Nothing happens for so long."""
        self._us += seconds * 1_000_000

    def submit(self, shapes: Sequence[Shape]) -> int:
        """Jobs of these shapes come in at once; how many jobs the step started."""
        submissions = tuple(self._submission(shape) for shape in shapes)
        return self.step(Submit(cause="bench", request_id=self._submitted, submissions=submissions))

    def _submission(self, shape: Shape) -> Submission:
        number = self._submitted
        self._submitted += 1
        return Submission(
            job_id=f"bench-{number:026d}",
            client_key=f"key-{number}",
            tenant=f"org/team-{number % TENANTS}",
            name=f"job-{number}",
            spec=b"spec",
            spec_sha256=bytes(32),
            shape=shape,
            grace_us=10_000_000,
            retries_max=0,
        )

    def drain(self, draining: bool) -> None:
        """Nothing starts while it is drained."""
        self.step(SetDrain(cause="bench", request_id=0, draining=draining))

    def queue(self, shapes: Iterable[Shape]) -> float:
        """Queue jobs without starting any; CPU seconds."""
        self.drain(True)
        begun_s = time.process_time()
        for batch in batches(shapes, BATCH_JOBS):
            self.submit(batch)
        return time.process_time() - begun_s

    def place_all(self) -> tuple[int, float]:
        """Start what is queued; jobs, and CPU seconds."""
        begun_s = time.process_time()
        started = self.step(SetDrain(cause="bench", request_id=0, draining=False))
        while self.region.local.more:
            started += self.step()
        return started, time.process_time() - begun_s

    def cancel_queued(self) -> None:
        """Whatever waits waits no longer."""
        waiting = [job.id for shape in self.region.local.queue.shapes() for job in shape.jobs]
        for batch in batches(waiting, BATCH_JOBS):
            self.cancel(batch)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Their callers do not want them any more."""
        self.step(CancelJobs(cause="bench", request_id=0, job_ids=tuple(job_ids)))

    def ask(self, question: Question, job_id: str = "") -> None:
        """A caller asks, and is answered."""
        self.step(Ask(cause="bench", request_id=0, question=question, job_id=job_id))

    def end_stopped(self) -> None:
        """Whoever was told to stop has."""
        runs, self.stopped = self.stopped, []
        gone = dict.fromkeys(runs)
        self.started = [each for each in self.started if each[0] not in gone]
        self.step(*[TaskEnded(cause="bench", run=run, task=0, exit_code=143, launched=True) for run in runs])

    def end(self, runs: int) -> None:
        """The oldest runs end."""
        ended, self.started = self.started[:runs], self.started[runs:]
        for run, tasks in ended:
            self.step(
                *[
                    TaskEnded(cause="bench", run=run, task=task, exit_code=0, launched=True)
                    for task in range(tasks)
                ]
            )


def _snapshot(former: Machine | None) -> Snapshot:
    """What a ledger would hold of jobs that were queued."""
    snapshot = Snapshot(ledger_id="bench", incarnation=1, write_sequence=0)
    if former is not None:
        jobs = former.region.books.jobs.values()
        snapshot.jobs = [job for job in jobs if job.state is JobState.QUEUED]
        snapshot.client_keys = [
            (job.tenant, job.client_key, job.id, job.spec_sha256) for job in snapshot.jobs
        ]
    return snapshot


def policy_of(config: RegionConfig) -> Policy:
    """The default policy, with quotas: each tenant is entitled to an equal part, and may borrow all of the rest."""
    total: dict[str, int] = {}
    for node in config.nodes:
        for kind, quantity in node.capacity:
            total[kind] = total.get(kind, 0) + quantity
    quotas = tuple(Quota(kind=kind, nominal=quantity // TENANTS) for kind, quantity in sorted(total.items()))
    queues = tuple(
        Queue(name=f"team-{number}", tenants=(f"org/team-{number}",), cohort="org", quotas=quotas)
        for number in range(TENANTS)
    )
    return msgspec.structs.replace(default_policy(config.tiers), queues=queues)


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """So many at a time, and the rest."""
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
