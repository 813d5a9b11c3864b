"""The driver: nothing leaves before it is on disk, everything leaves in order, and a failed disk lets nothing out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from hanse.core.effects import Effects
from hanse.core.events import Ask, Event, ExecutorRecovered, PeerMessages, Question, Submit
from hanse.core.messages import Append, Envelope, LogRecord, Probe, RenewAck
from hanse.core.model import limits
from hanse.core.model.regions import Position
from hanse.core.model.time import Now
from hanse.core.replies import Reply, StatusView, SubmitOutcome, Submitted
from hanse.core.rows import TimelineRow
from hanse.daemon.clock import system_now
from hanse.daemon.driver import Driver, Step
from hanse.daemon.errors import DriverInterrupted, DriverOverloaded
from hanse.daemon.inbox import Inbox, weigh
from hanse.daemon.requests import Requests

ROW = TimelineRow("north-1", 0, 0, "QUEUED", "SUBMITTED", "", 1, 0, "")
ENVELOPE = Envelope(
    cluster_id="c",
    roster_epoch=1,
    sender="north",
    receiver="east",
    sender_ledger_id="l",
    sender_position=Position(),
    sender_nonce=1,
    receiver_nonce=1,
    protocol_min=1,
    protocol_max=1,
)


def ask(number: int) -> Ask:
    return Ask(request_id=number, question=Question.STATUS)


def submit(number: int) -> Submit:
    return Submit(request_id=number, submissions=(), cause="")


class FakeRegion:
    """Writes for every Submit, answers every request; due at `deadline`. What it answers to an Ask may rest on earlier
    steps alone (`settles`)."""

    def __init__(self) -> None:
        self.sequence = 0
        self.deadline: int | None = None
        # The deadline after the next step.
        self.then: int | None = None
        # Whether it is due after every step, and writes in each.
        self.always_due = False
        self.settles = False
        # None: on all that is decided.
        self.rests_on: int | None = None
        self.steps: list[list[Event]] = []
        self.stepped = asyncio.Event()

    def step(self, now: Now, events: Sequence[Event]) -> Effects:
        self.steps.append(list(events))
        self.stepped.set()
        self.deadline, self.then = self.then, None
        effects = Effects()
        if self.always_due:
            self.deadline = 0
            effects.writes.timeline.append(ROW)
        for event in events:
            if isinstance(event, Submit):
                effects.writes.timeline.append(ROW)
                effects.replies.append(Reply(event.request_id, SubmitOutcome((Submitted("north-1", False),))))
            elif isinstance(event, Ask):
                reply = Reply(event.request_id, SubmitOutcome(()))
                rests_on = self.sequence if self.rests_on is None else self.rests_on
                effects.settle([reply], rests_on) if self.settles else effects.replies.append(reply)
        self.sequence += bool(effects.writes)
        effects.sequence = self.sequence
        return effects

    def next_deadline(self) -> int | None:
        return self.deadline

    def envelope(self, to: str) -> Envelope:
        return ENVELOPE


class FakeDisk:
    """A ledger whose commits end when they are let."""

    def __init__(self) -> None:
        self.commits: list[list[Effects]] = []
        self.let = asyncio.Semaphore(0)
        self.begun = asyncio.Event()
        self.failure: Exception | None = None
        self.durable = 0

    def allow(self, commits: int) -> None:
        for _ in range(commits):
            self.let.release()

    async def commit(self, batch: Sequence[Effects]) -> None:
        self.commits.append(list(batch))
        self.begun.set()
        await self.let.acquire()
        if self.failure is not None:
            raise self.failure
        self.durable = batch[-1].sequence


class Meter:
    def stepped(self, events: int, seconds: float) -> None: ...
    def committed(self, steps: int, seconds: float) -> None: ...


class World:
    def __init__(self) -> None:
        self.region = FakeRegion()
        self.disk = FakeDisk()
        self.inbox = Inbox()
        self.requests = Requests(self.inbox)
        self.requests.open()
        self.released: list[Step] = []
        # Callers who wait beside those of `requests`.
        self.unanswered = 0
        # How many replies, and before which step.
        self.answered: list[tuple[int, int]] = []
        self.driver = Driver(
            self.region,
            self.inbox,
            self.disk.commit,
            self.release,
            self.answer,
            lambda: len(self.requests) + self.unanswered,
            system_now,
            Meter(),
        )

    def release(self, step: Step) -> None:
        assert step.effects.sequence <= self.disk.durable or not step.effects.writes
        self.released.append(step)
        self.requests.resolve(step.effects.replies)

    def answer(self, replies: Sequence[Reply], step: int) -> None:
        self.answered.append((len(replies), step))
        self.requests.resolve(replies)

    async def steps(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.region.steps) < count:
                self.region.stepped.clear()
                await self.region.stepped.wait()


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little waits, it is enough for a step."""
    monkeypatch.setattr(limits, "STEP_ITEMS_ENOUGH", 0)


async def test_nothing_leaves_before_its_commit(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        answer = group.create_task(world.requests.ask(SubmitOutcome, submit))
        await world.disk.begun.wait()
        assert world.released == []
        assert not answer.done()
        world.disk.allow(1)
        assert (await answer).results == (Submitted("north-1", False),)
        running.cancel()


@pytest.mark.usefixtures("hurried")
async def test_steps_go_on_while_the_disk_is_busy_and_share_the_next_commit(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        answers = []
        for number in range(4):
            answers.append(group.create_task(world.requests.ask(SubmitOutcome, submit)))
            await world.steps(number + 1)
        assert [len(batch) for batch in world.disk.commits] == [1]
        world.disk.allow(2)
        await asyncio.gather(*answers)
        running.cancel()

    assert [len(batch) for batch in world.disk.commits] == [1, 3]
    assert [step.effects.sequence for step in world.released] == [1, 2, 3, 4]


@pytest.mark.usefixtures("hurried")
async def test_effects_without_writes_wait_for_the_writes_before_them(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        group.create_task(world.requests.ask(SubmitOutcome, submit))
        await world.disk.begun.wait()
        question = group.create_task(world.requests.ask(SubmitOutcome, ask))
        await world.steps(2)
        assert world.released == []
        world.disk.allow(1)
        await question
        running.cancel()

    assert [bool(step.effects.writes) for step in world.released] == [True, False]
    assert len(world.disk.commits) == 1


async def test_a_settled_reply_does_not_wait_for_the_writes_of_its_step(world: World) -> None:
    world.region.settles = True
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        submitted = group.create_task(world.requests.ask(SubmitOutcome, submit))
        asked = group.create_task(world.requests.ask(SubmitOutcome, ask))
        await asyncio.sleep(0)  # both are in the inbox before the driver begins
        running = group.create_task(world.driver.run())
        await asked
        assert world.answered == [(1, 1)]
        assert (world.released, submitted.done()) == ([], False)
        world.disk.allow(1)
        await submitted
        running.cancel()
    assert [len(step.effects.replies) for step in world.released] == [1]


@pytest.mark.usefixtures("hurried")
async def test_a_settled_reply_waits_for_the_writes_of_the_steps_before(world: World) -> None:
    world.region.settles = True
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        group.create_task(world.requests.ask(SubmitOutcome, submit))
        await world.disk.begun.wait()
        asked = group.create_task(world.requests.ask(SubmitOutcome, ask))
        await world.steps(2)
        assert (world.answered, asked.done()) == ([], False)
        world.disk.allow(1)
        await asked
        assert world.answered == [(1, 2)]
        running.cancel()


@pytest.mark.usefixtures("hurried")
async def test_a_settled_reply_does_not_wait_for_the_writes_that_it_does_not_rest_on(world: World) -> None:
    world.region.settles, world.region.rests_on = True, 1
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        first = group.create_task(world.requests.ask(SubmitOutcome, submit))
        await world.steps(1)
        world.disk.allow(1)
        await first
        second = group.create_task(world.requests.ask(SubmitOutcome, submit))
        await world.steps(2)
        await world.requests.ask(SubmitOutcome, ask)
        assert (world.answered, second.done()) == ([(1, 3)], False)
        world.disk.allow(1)
        await second
        running.cancel()


async def test_what_another_region_waits_for_does_not_wait_for_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long gap would end by its timer only; the test's own time is up before."""
    monkeypatch.setattr(limits, "STEP_GAP_US", 3_600_000_000)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        await world.requests.ask(SubmitOutcome, ask)
        second = group.create_task(world.requests.ask(SubmitOutcome, ask))
        await asyncio.sleep(2 * limits.STEP_GAP_HURRIED_US / 1e6)
        assert len(world.region.steps) == 1
        world.inbox.hurry()
        await second
        running.cancel()


async def test_submissions_gather_while_others_are_unanswered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So long a gap ends by the answer only."""
    monkeypatch.setattr(limits, "STEP_GAP_US", 0)
    monkeypatch.setattr(limits, "SUBMIT_GAP_US", 3_600_000_000)
    world.disk.allow(3)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        # Some caller waits for long, for a majority perhaps.
        world.unanswered = 1
        await world.requests.ask(SubmitOutcome, submit)
        await world.requests.ask(SubmitOutcome, ask)
        gathering = [group.create_task(world.requests.ask(SubmitOutcome, submit)) for _ in range(2)]
        await asyncio.sleep(2 * limits.STEP_GAP_HURRIED_US / 1e6)
        assert len(world.region.steps) == 2
        world.unanswered = 0
        world.inbox.let_go()
        await asyncio.gather(*gathering)
        assert [len(events) for events in world.region.steps] == [1, 1, 2]
        running.cancel()


async def test_one_caller_alone_does_not_wait_for_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUBMIT_GAP_US", 3_600_000_000)
    world.disk.allow(3)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        for _ in range(3):
            await world.requests.ask(SubmitOutcome, submit)
        running.cancel()


@pytest.mark.usefixtures("hurried")
async def test_the_core_is_never_more_than_so_many_steps_ahead_of_the_disk(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        for number in range(limits.STEPS_IN_FLIGHT_MAX):
            group.create_task(world.requests.ask(SubmitOutcome, submit))
            await world.steps(number + 1)
        group.create_task(world.requests.ask(SubmitOutcome, submit))
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(world.region.steps) == limits.STEPS_IN_FLIGHT_MAX
        world.disk.allow(3)
        await world.steps(limits.STEPS_IN_FLIGHT_MAX + 1)
        running.cancel()


@pytest.mark.usefixtures("hurried")
async def test_a_failed_commit_releases_nothing_of_its_batch_or_of_a_later_one(world: World) -> None:
    world.disk.failure = OSError("disk")

    async def fail() -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(world.driver.run())
            group.create_task(world.requests.ask(SubmitOutcome, submit))
            await world.disk.begun.wait()
            group.create_task(world.requests.ask(SubmitOutcome, submit))
            await world.steps(2)
            world.disk.allow(2)

    with pytest.raises(ExceptionGroup) as caught:
        await fail()

    assert caught.group_contains(OSError, match="disk")
    assert world.released == []
    assert len(world.requests) == 0


async def test_callers_of_a_failed_life_are_told_that_the_outcome_is_unknown(world: World) -> None:
    asking = asyncio.gather(world.requests.ask(SubmitOutcome, submit), return_exceptions=True)
    await asyncio.sleep(0)

    world.requests.close("rebuilding")

    (answer,) = await asking
    assert isinstance(answer, DriverInterrupted)
    with pytest.raises(DriverInterrupted):
        await world.requests.ask(SubmitOutcome, submit)


RENEWAL = PeerMessages(envelope=ENVELOPE, messages=(RenewAck("north", 1, 7, 1),), cause="")


async def test_what_would_wait_for_a_commit_gathers_and_goes_into_one_step(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        answers = [group.create_task(world.requests.ask(SubmitOutcome, submit))]
        await world.disk.begun.wait()
        for _ in range(3):
            answers.append(group.create_task(world.requests.ask(SubmitOutcome, submit)))
            await asyncio.sleep(0)
        assert len(world.region.steps) == 1
        world.disk.allow(2)
        await asyncio.gather(*answers)
        running.cancel()
    assert [len(events) for events in world.region.steps] == [1, 3]


async def test_what_is_urgent_does_not_wait_for_a_commit(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        first, second = (group.create_task(world.requests.ask(SubmitOutcome, submit)) for _ in range(2))
        await world.disk.begun.wait()
        third = group.create_task(world.requests.ask(SubmitOutcome, submit))
        world.inbox.offer_urgent(RENEWAL)
        await world.steps(2)
        assert world.region.steps[1] == [RENEWAL]
        world.disk.allow(2)
        await asyncio.gather(first, second, third)
        running.cancel()


async def test_timers_that_bring_commits_one_after_the_other_do_not_hold_up_the_rest(world: World) -> None:
    """A region with much to start is due after every step, and each of them writes."""
    world.region.always_due, world.region.deadline = True, 0
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        await world.disk.begun.wait()
        answer = group.create_task(world.requests.ask(SubmitOutcome, submit))
        while not answer.done():
            # The next transaction's step waits by the time that one ends.
            await world.steps(len(world.region.steps) + 2)
            world.disk.allow(1)
        running.cancel()


async def test_timers_do_not_wait_for_a_commit(world: World) -> None:
    world.region.then = 0
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        answer = group.create_task(world.requests.ask(SubmitOutcome, submit))
        await world.steps(2)
        assert world.region.steps[1] == []
        world.disk.allow(1)
        await answer
        running.cancel()


async def test_a_step_says_what_it_heard_of_whom(world: World) -> None:
    heard = [msgspec.structs.replace(RENEWAL, cause=f"peer:east:{number}") for number in (1, 2)]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        world.inbox.put([*heard, ask(1)])
        running = group.create_task(world.driver.run())
        await world.requests.ask(SubmitOutcome, ask)
        running.cancel()
    assert world.released[0].heard == {"north": ["peer:east:1", "peer:east:2"]}


async def test_a_deadline_causes_a_step_without_events(world: World) -> None:
    world.region.deadline = 0
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        await world.steps(1)
        running.cancel()

    assert world.region.steps == [[]]


async def test_draining_finishes_what_was_taken_in(world: World) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(world.driver.run())
        answers = [group.create_task(world.requests.ask(SubmitOutcome, submit)) for _ in range(3)]
        await asyncio.sleep(0)
        world.driver.drain()
        world.disk.allow(3)
        await running

    assert all(answer.result().results for answer in answers)


async def test_a_full_inbox_refuses_callers_and_peers_but_never_reports() -> None:
    inbox = Inbox(items_max=2)
    requests = Requests(inbox)
    requests.open()
    peer = PeerMessages(envelope=ENVELOPE, messages=(Probe(1), Probe(2)), cause="")

    assert inbox.offer(peer)
    assert not inbox.offer(peer)
    with pytest.raises(DriverOverloaded):
        await requests.ask(StatusView, ask)
    inbox.put([ask(1), ask(2)])

    assert len(inbox.take()) == 3
    assert inbox.items == 0


async def test_an_event_larger_than_the_inbox_is_taken_by_an_empty_one() -> None:
    inbox = Inbox(items_max=2)
    large = PeerMessages(envelope=ENVELOPE, messages=tuple(Probe(i) for i in range(5)), cause="")

    assert inbox.offer(large)
    assert inbox.take(items_max=1) == [large]


async def test_a_step_takes_a_bounded_number_of_items() -> None:
    inbox = Inbox()
    events = [PeerMessages(envelope=ENVELOPE, messages=(Probe(1),) * 4, cause=str(i)) for i in range(3)]
    inbox.put(events)

    assert inbox.take(items_max=8) == events[:2]
    assert inbox.take(items_max=8) == events[2:]
    assert not inbox


async def test_what_leases_rest_on_is_taken_first_and_has_room_of_its_own() -> None:
    inbox = Inbox(items_max=2)
    renewal = PeerMessages(envelope=ENVELOPE, messages=(RenewAck("north", 1, 7, 1),), cause="")
    ordinary = PeerMessages(envelope=ENVELOPE, messages=(Probe(1), Probe(2)), cause="")
    assert inbox.offer(ordinary)
    assert not inbox.offer(ordinary)

    assert inbox.offer_urgent(renewal)

    assert inbox.items == 3
    assert inbox.take() == [renewal, ordinary]
    assert not inbox
    assert inbox.items == 0


async def test_nothing_overtakes_what_a_life_begins_with() -> None:
    inbox = Inbox()
    past = ExecutorRecovered(found=(), cause="boot")
    renewal = PeerMessages(envelope=ENVELOPE, messages=(RenewAck("north", 1, 7, 1),), cause="")
    inbox.put_first(past)
    inbox.put([ask(1)])
    inbox.offer_urgent(renewal)

    assert inbox.take(items_max=2) == [past, renewal]


async def test_urgent_events_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INBOX_URGENT_ITEMS_MAX", 2)
    inbox = Inbox()
    renewal = PeerMessages(envelope=ENVELOPE, messages=(RenewAck("north", 1, 7, 1),), cause="")

    assert [inbox.offer_urgent(renewal) for _ in range(3)] == [True, True, False]
    inbox.clear()
    assert not inbox
    assert inbox.offer_urgent(renewal)


def test_records_of_a_log_weigh_as_much_as_messages() -> None:
    append = Append(
        shard="north",
        term=1,
        version=1,
        previous_term=1,
        previous_sequence=0,
        sequence=3,
        records=tuple(LogRecord(f"j/{number}", 1, number, b"") for number in (1, 2, 3)),
        committed=0,
        everywhere=0,
    )
    assert weigh(PeerMessages(envelope=ENVELOPE, messages=(append, Probe(1)), cause="")) == 4
