"""One region under virtual time: the core alone, with jobs whose run times are known, and nothing that waits."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from hanse.core.effects import Effects
from hanse.core.events import Event, ExecutorRecovered, Submit, TaskEnded
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import RunId, Shape, Submission
from hanse.core.model.regions import Member, Node, RegionConfig, Topology
from hanse.core.model.time import Now
from hanse.core.policy.model import Policy
from hanse.core.region import Region
from hanse.core.replies import Refused, SubmitOutcome
from hanse.core.rows import Snapshot

REGION = "virtual"
# 14 November 2023, 22:13:20 UTC.
_EPOCH_US = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualJob:
    """What arrives when, and how long it really runs (which the core is not told)."""

    id: str
    shape: Shape
    at_us: int
    run_us: int
    tenant: str = "bench"
    name: str = ""
    grace_us: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """One attempt."""

    job_id: str
    at_us: int
    attempt: int


@dataclass(slots=True)
class VirtualRegion:
    """Steps a Region from event to event. `starts` and `ends` (job id, instant, whether it succeeded) are in order of
    time; times count from 0."""

    nodes: tuple[Node, ...]
    policy: Policy
    seed: int = 0
    topology: Topology = field(default_factory=Topology)
    # None: one that has only these nodes.
    config: RegionConfig | None = None
    starts: list[Started] = field(default_factory=list)
    ends: list[tuple[str, int, bool]] = field(default_factory=list)
    refused: list[tuple[str, Refused]] = field(default_factory=list)
    region: Region = field(init=False)
    now_us: int = field(init=False, default=0)
    _agenda: list[tuple[int, int, Event | VirtualJob]] = field(init=False, default_factory=list)
    _numbers: int = field(init=False, default=0)
    _jobs: dict[str, VirtualJob] = field(init=False, default_factory=dict)
    _living: dict[RunId, dict[int, None]] = field(init=False, default_factory=dict)
    _requests: dict[int, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        config = self.config or RegionConfig(
            name=REGION,
            cluster_id="virtual",
            members=(Member(name=REGION),),
            nodes=self.nodes,
            topology=self.topology,
            tiers=self.policy.tier_names,
        )
        snapshot = Snapshot(ledger_id="virtual", incarnation=1, write_sequence=0)
        self.region = Region(config, snapshot, self._now(), random.Random(self.seed), policy=self.policy)
        self.step(ExecutorRecovered(found=()))

    def queue_name(self, tenant: str, shape: Shape) -> str:
        """In which queue of the policy such a job waits; empty: in none that is limited."""
        queue = self.region.local.standing.quotas.queue_of(tenant, shape)
        return "" if queue is None else queue.name

    @property
    def busy(self) -> bool:
        """Whether anything is due yet, or foreseen for a job that waits."""
        return self._next_us() < NEVER_US

    def add(self, jobs: Sequence[VirtualJob]) -> None:
        """These arrive at their times."""
        for job in jobs:
            self._plan(job.at_us, job)

    def run(self, until_us: int | None = None) -> None:
        """Go on until nothing is due any more, or until an instant."""
        while self.busy and (until_us is None or self._next_us() <= until_us):
            self.advance()
        if until_us is not None:
            self.now_us = max(self.now_us, until_us)

    def advance(self) -> Effects:
        """Go to the next instant at which something is due, and take it all in, in one step."""
        self.now_us = self._next_us()
        events: list[Event] = []
        while self._agenda and self._agenda[0][0] <= self.now_us:
            due = heapq.heappop(self._agenda)[2]
            events.append(self._submit(due) if isinstance(due, VirtualJob) else due)
        return self.step(*[event for event in events if not self._is_stale(event)])

    def step(self, *events: Event) -> Effects:
        """One step of the core, now, and whatever it asks to be followed by at once."""
        out = self._step(events)
        while self.region.local.more:
            self._step(())
        return out

    def _step(self, events: Sequence[Event]) -> Effects:
        out = self.region.step(self._now(), events)
        for launch in out.launches:
            self.starts.append(Started(launch.run.job_id, self.now_us, launch.run.attempt))
            self._living[launch.run] = {task: None for task, _ in launch.tasks}
            run_us = self._jobs[launch.run.job_id].run_us
            for task, _ in launch.tasks:
                self._plan(self.now_us + run_us, TaskEnded(run=launch.run, task=task, exit_code=0))
        for stop in out.stops:
            for task in self._living.get(stop.run, {}):
                ended = TaskEnded(run=stop.run, task=task, exit_code=143, signal=15)
                self._plan(self.now_us + stop.grace_us, ended)
        for change in out.changes:
            if change.state.name in ("SUCCEEDED", "FAILED", "CANCELLED"):
                self.ends.append((change.job_id, self.now_us, change.state.name == "SUCCEEDED"))
        for reply in out.replies:
            if isinstance(reply.answer, SubmitOutcome):
                job_id = self._requests.pop(reply.request_id)
                self.refused += [(job_id, each) for each in reply.answer.results if isinstance(each, Refused)]
        return out

    def _next_us(self) -> int:
        """When something is due: what is planned here, or (while jobs wait) what the core has foreseen."""
        planned_us = self._agenda[0][0] if self._agenda else NEVER_US
        alarm_us = self.region.local.alarm.next_us
        foreseen = self.region.local.queue.depth or self.region.local.windows.are_near
        return max(self.now_us, min(planned_us, alarm_us) if foreseen else planned_us)

    def _is_stale(self, event: Event) -> bool:
        """Whether this end was overtaken by another; else it is noted."""
        if not isinstance(event, TaskEnded):
            return False
        living = self._living.get(event.run)
        if living is None or event.task not in living:
            return True
        del living[event.task]
        if not living:
            del self._living[event.run]
        return False

    def _submit(self, job: VirtualJob) -> Event:
        self._jobs[job.id] = job
        self._numbers += 1
        self._requests[self._numbers] = job.id
        submission = Submission(
            job_id=job.id,
            client_key=job.id,
            tenant=job.tenant,
            name=job.name or job.id,
            spec=b"virtual",
            spec_sha256=b"",
            shape=job.shape,
            grace_us=job.grace_us,
            retries_max=0,
        )
        return Submit(request_id=self._numbers, submissions=(submission,), cause="bench")

    def _plan(self, at_us: int, what: Event | VirtualJob) -> None:
        self._numbers += 1
        heapq.heappush(self._agenda, (at_us, self._numbers, what))

    def _now(self) -> Now:
        return Now(mono_us=self.now_us, wall_us=_EPOCH_US + self.now_us)
