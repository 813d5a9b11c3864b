"""Links to peers: batches, bounds, and what becomes of messages that can't be sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import grpc
import pytest

from hanse.core import messages as m
from hanse.core.events import PeerUnreachable
from hanse.core.model import limits
from hanse.core.model.regions import Position
from hanse.daemon import lanes
from hanse.daemon.inbox import Inbox
from hanse.daemon.peers import PeerLink
from hanse.wire.services import PEER_SERVICE, ExchangeRequest, ExchangeResponse, UrgentWay


def envelope(session: int = 1) -> m.Envelope:
    return m.Envelope(
        cluster_id="c",
        roster_epoch=1,
        sender="north",
        receiver="east",
        sender_ledger_id="l",
        sender_position=Position(),
        sender_nonce=session,
        receiver_nonce=session,
        protocol_min=1,
        protocol_max=1,
    )


class Wire:
    """The other end: takes envelopes when it is let, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[ExchangeRequest] = []
        self.came = asyncio.Semaphore(0)
        self.let = asyncio.Semaphore(0)
        self.answer: Callable[[], bool] = lambda: True

    async def send(self, request: ExchangeRequest) -> bool:
        self.taken.append(request)
        self.came.release()
        await self.let.acquire()
        return self.answer()


def link_over(wire: Wire, urgent: Wire | None = None, inbox: Inbox | None = None) -> PeerLink:
    inbox = Inbox() if inbox is None else inbox
    return PeerLink("east", wire.send, (urgent or Wire()).send, inbox, random.Random(1))


async def linked(scenario: Callable[[PeerLink, Wire, Inbox], Awaitable[None]]) -> None:
    async def with_one(link: PeerLink, wire: Wire, _: Wire, inbox: Inbox) -> None:
        await scenario(link, wire, inbox)

    await linked_twice(with_one)


async def linked_twice(scenario: Callable[[PeerLink, Wire, Wire, Inbox], Awaitable[None]]) -> None:
    wire, urgent, inbox = Wire(), Wire(), Inbox()
    link = link_over(wire, urgent, inbox)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        await scenario(link, wire, urgent, inbox)
        running.cancel()


async def under_way(link: PeerLink, wire: Wire) -> int:
    """As many envelopes as may be, none of them answered; how many that are."""
    for _ in range(limits.LINK_EXCHANGES_MAX):
        link.post(envelope(), [m.Probe(0)])
        await wire.came.acquire()
    return limits.LINK_EXCHANGES_MAX


async def test_what_comes_while_envelopes_are_under_way_goes_together() -> None:
    async def scenario(link: PeerLink, wire: Wire, _: Inbox) -> None:
        before = await under_way(link, wire)
        for number in range(1, 5):
            link.post(envelope(), [m.Probe(number), m.Stable(number)])
        wire.let.release()
        await wire.came.acquire()
        assert [probe.id for probe in wire.taken[before].probes] == [1, 2, 3, 4]
        assert len(wire.taken[before].stables) == 4

    await linked(scenario)


async def test_messages_of_two_sessions_never_share_an_envelope() -> None:
    async def scenario(link: PeerLink, wire: Wire, _: Inbox) -> None:
        link.post(envelope(1), [m.Probe(1)])
        link.post(envelope(2), [m.Probe(2)])
        for nonce in (1, 2):
            await wire.came.acquire()
            assert wire.taken[nonce - 1].sender_nonce == nonce
            assert [probe.id for probe in wire.taken[nonce - 1].probes] == [nonce]
            wire.let.release()

    await linked(scenario)


async def test_a_full_queue_drops_the_oldest_hints_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINK_MESSAGES_MAX", 4)
    link = link_over(Wire())

    link.post(envelope(), [m.Probe(1), m.Stable(1), m.Probe(2), m.Stable(2), m.Stable(3), m.Stable(4)])
    assert len(link) == 4
    assert link.counts["dropped"] == 2
    link.post(envelope(), [m.Stable(5)])

    ((_, messages),) = link._ordinary.take()
    assert messages == [m.Stable(2), m.Stable(3), m.Stable(4), m.Stable(5)]


async def test_envelopes_are_bounded_in_messages_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ENVELOPE_MESSAGES_MAX", 3)
    link = link_over(Wire())
    link.post(envelope(), [m.Probe(i) for i in range(7)])
    assert [len(link._ordinary.take()[0][1]) for _ in range(3)] == [3, 3, 1]

    monkeypatch.setattr(limits, "ENVELOPE_BYTES_MAX", 300)
    link.post(envelope(), [m.Probe(1), m.Probe(2)])
    assert [len(link._ordinary.take()[0][1]) for _ in range(2)] == [1, 1]


async def test_what_waited_too_long_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    link = link_over(Wire())
    link.post(envelope(), [m.Probe(1)])
    now_us = lanes.mono_us()
    monkeypatch.setattr(lanes, "mono_us", lambda: now_us + limits.LINK_MESSAGE_AGE_US_MAX + 1)
    link.post(envelope(), [m.Probe(2)])

    ((_, messages),) = link._ordinary.take()

    assert messages == [m.Probe(2)]
    assert link.counts["expired"] == 1


async def test_what_is_said_in_time_goes_back_with_the_receipt() -> None:
    async def scenario(link: PeerLink, wire: Wire, _: Inbox) -> None:
        first, second = (link.answer("", 10.0) for _ in range(2))
        for number in (1, 2):
            link.post(envelope(number), [m.Stable(number)])
        for number, said in enumerate((await first, await second), 1):
            assert said == (envelope(number), [m.Stable(number)])
        link.post(envelope(), [m.Stable(3)])
        await wire.came.acquire()
        assert [stable.sequence for stable in wire.taken[0].stables] == [3], "nobody waits any more"

    await linked(scenario)


async def test_what_is_late_or_large_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ENVELOPE_MESSAGES_MAX", 2)
    link = link_over(Wire())
    assert await link.answer("", 0.001) is None
    link.post(envelope(), [m.Stable(1)])
    assert len(link) == 1
    said = link.answer("", 10.0)
    link.post(envelope(), [m.Stable(number) for number in range(3)])
    assert len(link) == 4
    link.post(envelope(), [m.Stable(4)])
    assert await said == (envelope(), [m.Stable(4)])


async def test_a_caller_who_gives_up_waits_for_no_answer() -> None:
    link = link_over(Wire())
    link.answer("", 10.0).cancel()
    link.post(envelope(), [m.Stable(1)])
    assert len(link) == 1


async def test_receipts_of_one_step_wait_for_nothing_after_it() -> None:
    link = link_over(Wire())
    first, second, later, long = (link.answer(cause, 10.0) for cause in ("e1", "e2", "e3", ""))
    link.post(envelope(), [m.Stable(1)])
    link.settle(["e1", "e2"])

    assert await first == (envelope(), [m.Stable(1)])
    assert await second is None
    assert not later.done()
    link.settle(["e3"])
    assert await later is None
    assert not long.done(), "what it leads to takes more than a step"
    link.post(envelope(), [m.Stable(2)])
    assert await long == (envelope(), [m.Stable(2)])


async def test_envelopes_under_way_that_fail_together_are_one_failure() -> None:
    def unreachable() -> bool:
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())

    async def scenario(link: PeerLink, wire: Wire, inbox: Inbox) -> None:
        wire.answer = unreachable
        lost = await under_way(link, wire)
        for _ in range(lost):
            wire.let.release()
        while link.counts["lost"] < lost:  # noqa: ASYNC110 - nobody says when
            await asyncio.sleep(0)
        assert link._ordinary.failures == 1
        assert inbox.take() == [PeerUnreachable(peer="east", cause="link:east")]

    await linked(scenario)


async def test_a_failed_exchange_is_counted_told_to_the_core_and_followed_by_a_pause() -> None:
    def unreachable() -> bool:
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())

    async def scenario(link: PeerLink, wire: Wire, inbox: Inbox) -> None:
        wire.answer = unreachable
        link.post(envelope(), [m.Probe(1), m.Probe(2)])
        wire.let.release()
        await inbox.wait(5)
        assert inbox.take() == [PeerUnreachable(peer="east", cause="link:east")]
        assert link.counts["lost"] == 2

        wire.answer = lambda: True
        link.post(envelope(), [m.Probe(3)])
        await wire.came.acquire()
        await wire.came.acquire()
        assert [probe.id for probe in wire.taken[1].probes] == [3]

    await linked(scenario)


async def test_a_receiver_that_is_full_is_left_alone_for_a_while() -> None:
    async def scenario(link: PeerLink, wire: Wire, inbox: Inbox) -> None:
        wire.answer = lambda: False
        link.post(envelope(), [m.Probe(1)])
        wire.let.release()
        await wire.came.acquire()
        link.post(envelope(), [m.Probe(2)])
        await wire.came.acquire()
        assert link.counts["refused"] == 1
        assert not inbox, "it is there; it only has no room"

    await linked(scenario)


def test_pauses_double_up_to_a_bound_and_are_never_the_same() -> None:
    link = link_over(Wire())
    for failures in (1, 2, 10, 100):
        link._ordinary.failures = failures
        pauses = {link._ordinary.pause_s() for _ in range(20)}
        most_s = min(limits.LINK_BACKOFF_US_MIN * 2 ** (failures - 1), limits.LINK_BACKOFF_US_MAX) / 1e6
        assert len(pauses) > 10
        assert all(most_s / 2 <= pause <= most_s for pause in pauses)


# --- what must not wait ----------------------------------------------------------------------------------------------

RENEW = m.Renew("north", 1, 1, 7, 1, 5, 5)
APPEND = m.Append(
    shard="north",
    term=1,
    version=1,
    previous_term=1,
    previous_sequence=4,
    sequence=5,
    records=(m.LogRecord("j/north-1", 1, 5, bytes(limits.APPEND_BYTES_MAX)),),
    committed=4,
    everywhere=4,
)


async def test_a_renewal_does_not_wait_for_what_is_under_way() -> None:
    async def scenario(link: PeerLink, wire: Wire, urgent: Wire, _: Inbox) -> None:
        before = await under_way(link, wire)
        # Not answered: whatever takes the same way waits.
        link.post(envelope(), [APPEND, RENEW, m.AppendAck(shard="north", term=1, sequence=5), m.Stable(1)])
        await urgent.came.acquire()
        assert len(urgent.taken[0].renews) == len(urgent.taken[0].append_acks) == 1
        assert not urgent.taken[0].stables
        assert len(wire.taken) == before
        wire.let.release()
        await wire.came.acquire()
        assert len(wire.taken[before].appends) == len(wire.taken[before].stables) == 1
        assert not wire.taken[before].renews

    await linked_twice(scenario)


async def test_a_peer_that_is_slow_for_the_rest_is_not_called_failing_for_a_late_renewal() -> None:
    def unreachable() -> bool:
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.DEADLINE_EXCEEDED, grpc.aio.Metadata(), grpc.aio.Metadata()
        )

    async def scenario(link: PeerLink, _: Wire, urgent: Wire, inbox: Inbox) -> None:
        urgent.answer = unreachable
        link.post(envelope(), [RENEW])
        urgent.let.release()
        await inbox.wait(5)
        assert link.counts["lost"] == 1
        assert not link.failing
        urgent.answer = lambda: True
        link.post(envelope(), [RENEW])
        await urgent.came.acquire()
        await urgent.came.acquire()
        assert len(urgent.taken) == 2

    await linked_twice(scenario)


def test_an_acknowledgement_that_names_a_whole_copy_takes_the_ordinary_way() -> None:
    link = link_over(Wire())
    link.post(
        envelope(), [m.AppendAck(shard="north", term=1, sequence=5, diverged=True, keys=("k",) * 1_000)]
    )

    assert len(link._ordinary) == 1
    assert not len(link._urgent)


def test_hints_between_shards_are_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINK_MESSAGES_MAX", 2)
    link = link_over(Wire())
    vital = [m.ToShard("north", "east", m.Stable(number)) for number in (1, 2)]

    link.post(envelope(), [vital[0], m.ToShard("north", "east", m.Locate("north-1", 1)), vital[1]])

    ((_, messages),) = link._ordinary.take()
    assert messages == vital


async def test_who_is_not_answered_in_time_goes_on_over_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a cut: the old connection is there, and silent."""
    server = grpc.aio.server()
    silent = asyncio.Event()
    peers: set[str] = set()

    async def exchange(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        peers.add(context.peer())
        if silent.is_set() and len(peers) == 1:
            await asyncio.Event().wait()
        return ExchangeResponse(taken=True).SerializeToString()

    handler = grpc.unary_unary_rpc_method_handler(exchange)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(PEER_SERVICE, {"Exchange": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    way = UrgentWay(f"127.0.0.1:{port}", lambda answer: None)
    try:
        async with asyncio.timeout(10):
            for _ in range(2):
                monkeypatch.setattr(limits, "URGENT_TIMEOUT_US", 5_000_000)
                assert await way.exchange(ExchangeRequest())
            assert len(peers) == 1
            silent.set()
            monkeypatch.setattr(limits, "URGENT_TIMEOUT_US", 50_000)
            with pytest.raises(grpc.aio.AioRpcError):
                await way.exchange(ExchangeRequest())
            monkeypatch.setattr(limits, "URGENT_TIMEOUT_US", 5_000_000)
            assert await way.exchange(ExchangeRequest())
        assert len(peers) == 2
    finally:
        await way.close()
        await server.stop(0)
