"""PeerService: envelopes of other regions into the inbox, and what follows from them back with the receipt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

import structlog

from hanse.core.events import PeerMessages
from hanse.core.messages import ToShard
from hanse.core.model import limits
from hanse.daemon.errors import RequestRefused, invalid
from hanse.daemon.peers import Said
from hanse.daemon.runtime import Runtime
from hanse.wire.gen.hanse.v1 import peers_pb2, peers_pb2_grpc
from hanse.wire.peers import PeerCodec, encode_exchange
from hanse.wire.shapes import MalformedMessage

log = structlog.get_logger()


class Received(NamedTuple):
    """An envelope that has come: whether it was taken in, and what will be said to it with its receipt, if the sender
    waits for that."""

    taken: bool
    said: Said | None


_NOT_TAKEN = Received(taken=False, said=None)


class Envelopes:
    """What members of this cluster say, whichever way it came."""

    def __init__(self, runtime: Runtime, codec: PeerCodec) -> None:
        self._runtime = runtime
        self._codec = codec
        self._envelopes = 0

    def take(self, request: peers_pb2.ExchangeRequest) -> Received:
        """Take it in, if there is room. Raises RequestRefused if the envelope is not for this region, or not from a
        member of its cluster, and MalformedMessage if it is out of bounds."""
        self._check_address(request)
        if not self._runtime.alive.is_set():
            return _NOT_TAKEN
        exchange = self._codec.decode(request)
        if exchange.dropped:
            self._count_malformed(request.sender, len(exchange.dropped), exchange.dropped[0])
        self._envelopes += 1
        cause = f"peer:{request.sender}:{self._envelopes}"
        event = PeerMessages(envelope=exchange.envelope, messages=exchange.messages, cause=cause)
        if not self._runtime.post(event):
            return _NOT_TAKEN
        wait_us = min(request.answer_within_ms * 1_000, limits.ANSWER_WAIT_US)
        if not wait_us:
            return Received(taken=True, said=None)
        # What a shard's leader answers may have to wait for a majority.
        at_once = not any(isinstance(message, ToShard) for message in exchange.messages)
        said = self._runtime.answer(request.sender, cause if at_once else "", wait_us / 1e6)
        return Received(taken=True, said=said)

    def hear(self, peer: str, answer: peers_pb2.ExchangeRequest) -> None:
        """What came back from a peer with its receipt; if that is nothing that it may say, it is as good as lost."""
        try:
            if answer.sender != peer:
                raise invalid("sender", f"{peer} answers for {answer.sender!r}")
            self.take(answer)
        except (RequestRefused, MalformedMessage) as fault:
            self._count_malformed(peer, 1, str(fault))

    def _count_malformed(self, peer: str, messages: int, first: str) -> None:
        self._runtime.metrics.malformed.labels(peer).inc(messages)
        log.warning("peer.malformed", peer=peer, messages=messages, first=first)

    def _check_address(self, request: peers_pb2.ExchangeRequest) -> None:
        config = self._runtime.config.region
        if request.cluster_id != config.cluster_id:
            raise invalid("cluster_id", f"this is cluster {config.cluster_id!r}")
        if request.receiver != config.name:
            raise invalid("receiver", f"this is region {config.name!r}")
        # One that was a member is let in, and told by the core that it is none any more.
        if not self._runtime.knows(request.sender):
            raise invalid("sender", f"no other region {request.sender!r} in the roster")


class PeerService(peers_pb2_grpc.PeerServiceServicer):
    """The receipt says only that the envelope was taken in. If the sender waits for it, what this region says to it
    next goes back with it: two calls fewer for a question and its answer."""

    def __init__(self, envelopes: Envelopes) -> None:
        self._envelopes = envelopes

    async def Exchange(self, request: peers_pb2.ExchangeRequest, context: Any) -> peers_pb2.ExchangeResponse:
        """Raises RequestRefused and MalformedMessage as Envelopes.take does."""
        received = self._envelopes.take(request)
        try:
            return await _receipt(received)
        finally:
            _give_up(received)

    async def Converse(
        self, requests: AsyncIterator[peers_pb2.ExchangeRequest], context: Any
    ) -> AsyncGenerator[peers_pb2.ExchangeResponse, None]:
        """As many exchanges: envelopes are taken in as they come, so that one step may serve several, and their
        receipts go back in the same order. Raises what one of them does."""
        incoming = _Incoming(self._envelopes)
        # A generator must not yield within a TaskGroup; what this raises is awaited.
        taking = asyncio.create_task(incoming.take_all(requests))  # noqa: TID251
        try:
            while (received := await incoming.next()) is not None:
                yield await _receipt(received)
                incoming.answered()
            await taking
        finally:
            taking.cancel()
            incoming.give_up()
            await asyncio.gather(taking, return_exceptions=True)


class _Incoming:
    """The envelopes of one conversation, at most LINK_EXCHANGES_MAX of them without a receipt."""

    def __init__(self, envelopes: Envelopes) -> None:
        self._envelopes = envelopes
        self._room = asyncio.Semaphore(limits.LINK_EXCHANGES_MAX)
        self._unanswered: deque[Received] = deque()
        # Both are bounded by the room. None: nothing follows.
        self._received: asyncio.Queue[Received | None] = asyncio.Queue()

    async def take_all(self, requests: AsyncIterator[peers_pb2.ExchangeRequest]) -> None:
        """Until the sender hangs up. Raises as Envelopes.take."""
        try:
            async for request in requests:
                await self._room.acquire()
                received = self._envelopes.take(request)
                self._unanswered.append(received)
                self._received.put_nowait(received)
        finally:
            self._received.put_nowait(None)

    async def next(self) -> Received | None:
        """The oldest that has not been returned yet; None: there is no more."""
        return await self._received.get()

    def answered(self) -> None:
        """The receipt of the oldest has been sent."""
        self._unanswered.popleft()
        self._room.release()

    def give_up(self) -> None:
        """Nobody is there any more to be told."""
        for received in self._unanswered:
            _give_up(received)


async def _receipt(received: Received) -> peers_pb2.ExchangeResponse:
    response = peers_pb2.ExchangeResponse(taken=received.taken)
    said = None if received.said is None else await received.said
    if said is not None:
        response.answer.CopyFrom(encode_exchange(*said))
    return response


def _give_up(received: Received) -> None:
    """What is said now must go another way, unless it has gone."""
    if received.said is not None:
        received.said.cancel()
