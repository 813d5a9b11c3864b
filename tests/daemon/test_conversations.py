"""Envelopes in one long call: as many as there are, each with its receipt, and another call after any failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from hanse.core.events import PeerMessages
from hanse.core.model import limits
from hanse.wire.gen.hanse.v1 import peers_pb2, peers_pb2_grpc
from hanse.wire.services import PEER_SERVICE, Conversation, ExchangeRequest, ExchangeResponse
from tests.daemon.league import DEADLINE_S, league

REFUSED, SILENT, HUNG_UP = "refused", "silent", "hung up"
Line = tuple[Conversation, list[int], list[ExchangeRequest]]


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """A conversation with a peer that does what the sender's name says, how many envelopes each call had, and what was
    heard back."""
    calls: list[int] = []
    heard: list[ExchangeRequest] = []

    async def converse(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        calls.append(0)
        async for text in requests:
            request = ExchangeRequest.FromString(text)
            calls[-1] += 1
            if request.sender == REFUSED:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nobody")
            if request.sender == SILENT:
                await asyncio.Event().wait()
            if request.sender == HUNG_UP:
                return
            yield ExchangeResponse(taken=True, answer=request).SerializeToString()

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(converse)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(PEER_SERVICE, {"Converse": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(DEADLINE_S):
            conversation = Conversation(peers_pb2_grpc.PeerServiceStub(channel), heard.append)
            yield conversation, calls, heard
            conversation.end()
    finally:
        await server.stop(0)


def of(sender: str) -> ExchangeRequest:
    return ExchangeRequest(sender=sender)


async def test_envelopes_go_in_one_call_and_answers_are_heard() -> None:
    async with line() as (conversation, calls, heard):
        for number in range(5):
            assert await conversation.exchange(of(f"n{number}"))
        assert calls == [5]
        assert [each.sender for each in heard] == [f"n{number}" for number in range(5)]


async def test_several_may_be_under_way_and_receipts_come_in_order() -> None:
    async with line() as (conversation, calls, heard):
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(conversation.exchange(of(f"n{number}")))
        assert calls == [20]
        assert [each.sender for each in heard] == [f"n{number}" for number in range(20)]


async def test_what_is_under_way_fails_with_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async with line() as (conversation, calls, _):
        assert await conversation.exchange(of("before"))
        monkeypatch.setattr(limits, "EXCHANGE_TIMEOUT_US", 200_000)
        outcomes = await asyncio.gather(
            *(conversation.exchange(of(sender)) for sender in (SILENT, "behind", "it")),
            return_exceptions=True,
        )
        assert all(isinstance(each, grpc.aio.AioRpcError) for each in outcomes)
        assert await conversation.exchange(of("after"))
        assert calls == [2, 1]


async def test_whoever_is_cancelled_stays_cancelled() -> None:
    async with line() as (conversation, _, _), asyncio.TaskGroup() as group:
        waiting = group.create_task(conversation.exchange(of(SILENT)))
        await asyncio.sleep(0.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await conversation.exchange(of("after"))


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (REFUSED, grpc.StatusCode.INVALID_ARGUMENT),
        (SILENT, grpc.StatusCode.DEADLINE_EXCEEDED),
        (HUNG_UP, grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_after_a_failure_there_is_another_call(
    monkeypatch: pytest.MonkeyPatch, what: str, code: grpc.StatusCode
) -> None:
    async with line() as (conversation, calls, _):
        assert await conversation.exchange(of("before"))
        with monkeypatch.context() as patched:
            if what == SILENT:
                patched.setattr(limits, "EXCHANGE_TIMEOUT_US", 50_000)
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await conversation.exchange(of(what))
        assert failed.value.code() is code
        assert await conversation.exchange(of("after"))
        assert calls == [2, 1]


async def test_a_peer_that_is_not_there_is_unavailable() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        conversation = Conversation(peers_pb2_grpc.PeerServiceStub(channel), lambda answer: None)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await conversation.exchange(of("x"))
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: peers_pb2.ExchangeRequest(cluster_id="other"), grpc.StatusCode.INVALID_ARGUMENT),
        (
            lambda: peers_pb2.ExchangeRequest(cluster_id="test", receiver="north", sender="mars"),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
    ],
    ids=["another cluster", "no member"],
)
async def test_what_is_not_for_this_region_ends_the_call(
    tmp_path: Path, make: Callable[[], peers_pb2.ExchangeRequest], code: grpc.StatusCode
) -> None:
    async with league(tmp_path, "north", "east", start=False) as regions:
        await regions.start("north")
        port = regions["north"].daemon.peers.port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = peers_pb2_grpc.PeerServiceStub(channel).Converse(timeout=DEADLINE_S)
            good = peers_pb2.ExchangeRequest(cluster_id="test", receiver="north", sender="east")
            await call.write(good)
            assert isinstance(await call.read(), peers_pb2.ExchangeResponse)
            await call.write(make())
            with pytest.raises(grpc.aio.AioRpcError):
                await call.read()
            assert await call.code() is code


async def test_an_envelope_is_taken_in_before_those_ahead_have_their_receipts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as may be under way, each of which waits for something to be said, and nothing is."""
    monkeypatch.setattr(limits, "ANSWER_WAIT_US", 1_000_000)
    async with league(tmp_path, "north", "east", start=False) as regions:
        await regions.start("north")
        runtime, port = regions["north"].daemon.runtime, regions["north"].daemon.peers.port
        posted = asyncio.Semaphore(0)
        count = 0

        def post(event: PeerMessages) -> bool:
            nonlocal count
            count += 1
            posted.release()
            return True

        monkeypatch.setattr(runtime, "post", post)
        envelope = peers_pb2.ExchangeRequest(
            cluster_id="test", receiver="north", sender="east", answer_within_ms=1_000
        )
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = peers_pb2_grpc.PeerServiceStub(channel).Converse(timeout=DEADLINE_S)
            for _ in range(limits.LINK_EXCHANGES_MAX + 1):
                await call.write(envelope)
            for _ in range(limits.LINK_EXCHANGES_MAX):
                await posted.acquire()
            assert count == limits.LINK_EXCHANGES_MAX, "the next one has to wait for a receipt"
            assert isinstance(await call.read(), peers_pb2.ExchangeResponse)
            await posted.acquire()
            call.cancel()


async def test_conversations_are_bounded_apart_from_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with league(tmp_path, "north", "east", start=False) as regions:
        await regions.start("north")
        guard = regions["north"].daemon.peers._guard
        monkeypatch.setattr(guard._streams, "limit", 0)
        monkeypatch.setattr(guard._conversations, "limit", 1)
        port = regions["north"].daemon.peers.port
        envelope = peers_pb2.ExchangeRequest(cluster_id="test", receiver="north", sender="east")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = peers_pb2_grpc.PeerServiceStub(channel)
            first = stub.Converse(timeout=DEADLINE_S)
            await first.write(envelope)
            assert isinstance(await first.read(), peers_pb2.ExchangeResponse)
            assert await stub.Converse(timeout=DEADLINE_S).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            first.cancel()
