"""The driver: the one task that owns the Region, and the one that commits what it decides.

Theory of operation. Everything that enters the core waits in the inbox. The step loop takes a batch, runs
`Region.step`, and puts the Effects into the pipeline; it may be STEPS_IN_FLIGHT_MAX steps ahead of the disk. The commit
loop takes all steps that wait, commits their writes in one transaction, and only then releases their effects, in step
order. (But for the replies that rest on earlier steps alone: they leave as soon as these are on disk.) That is where
group commit comes from: while the disk is busy, steps gather. A failed commit ends both loops with
nothing of that batch or a later one released; the caller discards the Region and builds another from the disk. It does
the same after a step that asks for it (Effects.restart), the last one of its life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from hanse.core.effects import Effects
from hanse.core.events import Event, PeerMessages
from hanse.core.messages import Envelope
from hanse.core.model import limits
from hanse.core.model.time import Now
from hanse.core.replies import Reply
from hanse.daemon.clock import Clock
from hanse.daemon.inbox import Inbox


class RegionPort(Protocol):
    """What the driver needs of a Region."""

    def step(self, now: Now, events: Sequence[Event]) -> Effects:
        """Take in what happened and say what is to be done."""

    def next_deadline(self) -> int | None:
        """Mono microseconds at which to step even if nothing happens."""

    def envelope(self, to: str) -> Envelope:
        """The envelope for what the newest step sends to a peer."""


class Step(msgspec.Struct, frozen=True):
    """One step on its way out. Numbers count from 1, in the order in which steps are released. The envelopes are of the
    moment in which its messages were made: a session that begins later must not vouch for them, and whoever reads them
    learns of a write sequence that is on disk by then. `heard`: the causes of what it took in of each peer."""

    number: int
    effects: Effects
    envelopes: dict[str, Envelope]
    heard: dict[str, list[str]] = msgspec.field(default_factory=dict)


Commit = Callable[[Sequence[Effects]], Awaitable[None]]
Release = Callable[[Step], None]
# Answer these, before the step with this number is released.
Answer = Callable[[Sequence[Reply], int], None]


class DriverMeter(Protocol):
    """What the driver tells its observers. Durations in seconds."""

    def stepped(self, events: int, seconds: float) -> None:
        """A step took this long over so many events."""

    def committed(self, steps: int, seconds: float) -> None:
        """A transaction took this long for so many steps."""


class Driver:
    """One life of a Region: from its rebuilding to shutdown, or to the first failed transaction."""

    def __init__(
        self,
        region: RegionPort,
        inbox: Inbox,
        commit: Commit,
        release: Release,
        answer: Answer,
        awaited: Callable[[], int],
        clock: Clock,
        meter: DriverMeter,
    ) -> None:
        """`awaited`: how many callers wait for an answer."""
        self._region = region
        self._inbox = inbox
        self._commit = commit
        self._release = release
        self._answer = answer
        self._awaited = awaited
        self._clock = clock
        self._meter = meter
        # Bounded by the slots; None: no step follows.
        self._pipeline: asyncio.Queue[Step | None] = asyncio.Queue()
        self._slots = asyncio.Semaphore(limits.STEPS_IN_FLIGHT_MAX)
        self._steps = 0
        # The write sequence to which the disk has come in this life.
        self._written = 0
        # Whether a transaction is under way, and how many have begun.
        self._committing = False
        self._transactions = 0
        # When the last step was made that was not for urgent events alone, and how many had begun by then.
        self._took_all_us = -limits.SUBMIT_GAP_US
        self._took_all_at = 0
        self._draining = False
        # A step was the last one that this Region makes.
        self._ended = False
        self.stepped_mono_us = clock().mono_us

    async def run(self) -> None:
        """Drive until cancelled, or until all is out after `drain` or after a step that ends this life. Raises (in a
        group) what a commit raises."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_steps(), name="steps")
            group.create_task(self._run_commits(), name="commits")

    def drain(self) -> None:
        """Step until the inbox is empty, commit and release everything, then return from `run`."""
        self._draining = True
        self._inbox.wake()

    def end(self) -> None:
        """Make no step any more: commit and release what was decided, and return from `run`. What waits in the inbox is
        left there."""
        self._ended = True
        self._inbox.wake()
        self._inbox.let_go()

    # --- steps ----------------------------------------------------------------------------------------------------

    async def _run_steps(self) -> None:
        while not self._ended and (self._inbox or not self._draining):
            await self._inbox.wait(self._until_deadline_s())
            await self._gather()
            if not self._ended and (self._inbox or self._is_due()):
                await self._slots.acquire()
                self._step()
            # Whoever fills the inbox and answers callers runs between two steps.
            await asyncio.sleep(self._pause_s())
        self._pipeline.put_nowait(None)

    async def _gather(self) -> None:
        """A step costs nearly as much for one event as for twenty, and so does what follows from it: what trickles in
        goes into one. What is urgent or due does not wait."""
        while not (self._ended or self._inbox.has_urgent or self._is_due()):
            held_us = self._held_us()
            if held_us <= 0:
                return
            await self._inbox.hold(min(held_us / 1e6, self._until_deadline_s()))

    def _held_us(self) -> int:
        """For how long what is not urgent may gather still. What would wait for the transaction under way gathers until
        that ends, unless it is much; not for a second one, for timers might bring them one after the other. The first
        event after a quiet time does not wait, and submissions wait for each other only while others are unanswered."""
        if self._inbox.items >= limits.STEP_ITEMS_ENOUGH:
            return 0
        if self._committing and self._transactions <= self._took_all_at + 1:
            return limits.TIMER_WAIT_US_MAX
        if self._draining or self._inbox.hurried:
            return 0
        others_wait = self._awaited() > self._inbox.submits
        gap_us = limits.SUBMIT_GAP_US if self._inbox.only_submits and others_wait else limits.STEP_GAP_US
        return self._took_all_us + gap_us - self._clock().mono_us

    def _step(self) -> None:
        now = self._clock()
        only_urgent = self._held_us() > 0
        events = self._inbox.take(only_urgent=only_urgent)
        if not only_urgent:
            self._took_all_us, self._took_all_at = now.mono_us, self._transactions
        effects = self._region.step(now, events)
        self._ended = effects.restart
        self._steps += 1
        peers = {send.to for send in effects.sends}
        envelopes = {peer: self._region.envelope(peer) for peer in peers}
        step = Step(self._steps, effects, envelopes, _heard(events))
        self._answer_settled(step, self._written)
        self._pipeline.put_nowait(step)
        after = self._clock()
        self.stepped_mono_us = after.mono_us
        self._meter.stepped(len(events), (after.mono_us - now.mono_us) / 1e6)

    def _pause_s(self) -> float:
        """Also urgent events of a moment go into one step."""
        return 0 if self._inbox.items >= limits.STEP_ITEMS_ENOUGH else limits.STEP_GAP_HURRIED_US / 1e6

    def _until_deadline_s(self) -> float:
        deadline_us = self._region.next_deadline()
        if deadline_us is None:
            return limits.TIMER_WAIT_US_MAX / 1e6
        wait_us = deadline_us - self._clock().mono_us
        return min(max(wait_us, 0), limits.TIMER_WAIT_US_MAX) / 1e6

    def _is_due(self) -> bool:
        deadline_us = self._region.next_deadline()
        return deadline_us is not None and deadline_us <= self._clock().mono_us

    # --- commits --------------------------------------------------------------------------------------------------

    async def _run_commits(self) -> None:
        more = True
        while more:
            batch, more = await self._take_steps()
            if batch:
                # All before it is on disk.
                first = batch[0].effects
                self._answer_settled(batch[0], first.sequence - bool(first.writes))
            await self._commit_steps(batch)
            for step in batch:
                self._release(step)
                self._slots.release()

    def _answer_settled(self, step: Step, written: int) -> None:
        """If all that they rest on is on disk, some replies leave now."""
        if step.effects.settled and step.effects.rests_on <= written:
            self._answer(step.effects.take_settled(), step.number)

    async def _take_steps(self) -> tuple[list[Step], bool]:
        """Every step that waits, at least one; and whether more may follow."""
        batch: list[Step] = []
        step = await self._pipeline.get()
        while step is not None:
            batch.append(step)
            if self._pipeline.empty():
                return batch, True
            step = self._pipeline.get_nowait()
        return batch, False

    async def _commit_steps(self, batch: list[Step]) -> None:
        writes = [step.effects for step in batch if step.effects.writes]
        if not writes:
            return
        begin = self._clock().mono_us
        self._committing = True
        self._transactions += 1
        try:
            await self._commit(writes)
        finally:
            self._committing = False
            self._inbox.let_go()
        self._written = batch[-1].effects.sequence
        self._meter.committed(len(writes), (self._clock().mono_us - begin) / 1e6)


def _heard(events: Sequence[Event]) -> dict[str, list[str]]:
    heard: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, PeerMessages):
            heard.setdefault(event.envelope.sender, []).append(event.cause)
    return heard
