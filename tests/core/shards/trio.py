"""Three whole regions that keep each other's adoptable jobs, under virtual time: nothing is lost on the way, commits
are durable at once, and tasks do what the test says."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable

from hanse.core.effects import Effects, Send
from hanse.core.events import Event, ExecutorRecovered, PeerMessages, Submit, TaskEnded
from hanse.core.invariants import check
from hanse.core.messages import Envelope, Message
from hanse.core.model.jobs import Job, OnLoss, RunId, Shape, Submission
from hanse.core.model.regions import Group, Member, RegionConfig
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now
from hanse.core.policy.model import Policy
from hanse.core.region import Region
from hanse.core.replies import Answer, Refused, SubmitOutcome, Submitted
from hanse.core.rows import Snapshot
from tests.core.scheduling.worlds import node

NAMES = ("north", "south", "west")
EPOCH_WALL_US = 1_700_000_000 * SECOND_US
DELIVERIES_MAX = 5_000
SIGTERM = 15


class Trio:
    """North, south and west, each with one node of so many cpu. Two of them guard the third one's shard."""

    def __init__(self, policy: Policy, *, cpu: int = 4) -> None:
        self.now_us = 1_000 * SECOND_US
        self.living: dict[str, dict[RunId, None]] = {name: {} for name in NAMES}
        self.launched: list[tuple[str, RunId]] = []
        self._wire: deque[tuple[str, Envelope, Send]] = deque()
        self._reports: deque[tuple[str, TaskEnded]] = deque()
        self._answers: dict[int, Answer] = {}
        self._lost: dict[str, None] = {}
        # Told of all that is said: by whom, and what.
        self.overheard: Callable[[str, Message], object] = lambda sender, message: None
        members = tuple(Member(name=name) for name in NAMES)
        groups = tuple(Group(shard=name, members=(*NAMES[at:], *NAMES[:at])) for at, name in enumerate(NAMES))
        self.regions: dict[str, Region] = {}
        for name in NAMES:
            config = RegionConfig(
                name=name,
                cluster_id="test",
                members=members,
                nodes=(node(f"{name}-1", cpu=cpu),),
                groups=groups,
            )
            snapshot = Snapshot(ledger_id=f"ledger-{name}", incarnation=1, write_sequence=0)
            self.regions[name] = Region(config, snapshot, self._now(), random.Random(name), policy=policy)
            self.step(name, ExecutorRecovered(found=(), cause="boot"))
        self.run_until(lambda: all(self.regions[name].shards.own is not None for name in NAMES))
        # A lease is there with the first renewal that was answered.
        self.advance(SECOND_US)

    def __getitem__(self, name: str) -> Region:
        return self.regions[name]

    def submit(
        self, home: str, job_id: str, shape: Shape, on_loss: OnLoss = OnLoss.WAIT, tenant: str = "team"
    ) -> None:
        """A caller's job, taken and settled as far as it goes by itself."""
        number = len(self._answers) + 1
        submission = Submission(
            job_id=job_id,
            client_key=job_id,
            tenant=tenant,
            name=job_id,
            spec=b"spec",
            spec_sha256=hashlib.sha256(b"spec").digest(),
            shape=shape,
            grace_us=100 * MILLISECOND_US,
            retries_max=0,
            on_loss=on_loss,
        )
        self.step(home, Submit(request_id=number, submissions=(submission,), cause="caller"))
        self.settle()
        answer = self._answers[number]
        assert isinstance(answer, SubmitOutcome)
        assert isinstance(answer.results[0], Submitted), _why(answer.results[0])

    def job(self, region: str, job_id: str) -> Job:
        """The job as this region has it."""
        job = self.regions[region].library.find(job_id)
        assert job is not None, f"{region} does not know {job_id}"
        return job

    def ended(self, region: str, job_id: str, exit_code: int = 0, *, lost: bool = False) -> None:
        """The only task of the job ends by itself, or is lost."""
        run = next(run for run in self.living[region] if run.job_id == job_id)
        self._end(region, TaskEnded(run=run, task=0, exit_code=exit_code, lost=lost, cause="end"))
        self.settle()

    def lose(self, name: str) -> None:
        """The region is gone with all that ran there."""
        self._lost[name] = None
        self.living[name].clear()
        self._reports = deque(each for each in self._reports if each[0] != name)

    def silence(self, name: str) -> None:
        """The region hears and tells nothing, and works on."""
        self._lost[name] = None

    def heal(self) -> None:
        """Everything gets through again."""
        self._lost.clear()

    def step(self, name: str, *events: Event) -> None:
        """One step, and what it lets go of."""
        region = self.regions[name]
        out = region.step(self._now(), events)
        check(region, full=True)
        self._release(name, out)

    def _release(self, name: str, out: Effects) -> None:
        for launch in out.launches:
            self.living[name][launch.run] = None
            self.launched.append((name, launch.run))
        for stop in out.stops:
            if stop.run in self.living[name]:
                self._end(
                    name,
                    TaskEnded(run=stop.run, task=0, exit_code=128 + SIGTERM, signal=SIGTERM, cause="stop"),
                )
        for reply in out.replies:
            self._answers[reply.request_id] = reply.answer
        for send in out.sends:
            self.overheard(name, send.message)
            self._wire.append((name, self.regions[name].envelope(send.to), send))

    def _end(self, name: str, event: TaskEnded) -> None:
        del self.living[name][event.run]
        self._reports.append((name, event))

    def settle(self) -> None:
        """Everything that happens at this instant."""
        for _ in range(DELIVERIES_MAX):
            if not self._act():
                return
        raise AssertionError("it does not fall silent")

    def _act(self) -> bool:
        if self._wire:
            sender, envelope, send = self._wire.popleft()
            if sender not in self._lost and send.to not in self._lost:
                self.step(send.to, PeerMessages(envelope=envelope, messages=(send.message,), cause="peer"))
            return True
        if self._reports:
            name, event = self._reports.popleft()
            self.step(name, event)
            return True
        for name, region in self.regions.items():
            if region.next_deadline() <= self.now_us:
                self.step(name)
                return True
        return False

    def advance(self, duration_us: int) -> None:
        """Let time pass."""
        until_us = self.now_us + duration_us
        self.run_until(lambda: self.now_us >= until_us, duration_us)

    def run_until(self, condition: Callable[[], bool], within_us: int = 60 * SECOND_US) -> None:
        """Let time pass until it is so."""
        until_us = self.now_us + within_us
        self.settle()
        while not condition():
            assert self.now_us < until_us, "not within the time given"
            due_us = min(region.next_deadline() for region in self.regions.values())
            self.now_us = min(until_us, max(due_us, self.now_us + 1))
            self.settle()

    def _now(self) -> Now:
        return Now(mono_us=self.now_us, wall_us=EPOCH_WALL_US + self.now_us)


def _why(result: Submitted | Refused) -> str:
    return result.message if isinstance(result, Refused) else ""
