"""PeerService: envelopes of other regions into the inbox, and what follows from them back with the receipt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import structlog

from hanse.core.events import PeerMessages
from hanse.core.model import limits
from hanse.daemon.errors import RequestRefused, invalid
from hanse.daemon.runtime import Runtime
from hanse.wire.gen.hanse.v1 import peers_pb2, peers_pb2_grpc
from hanse.wire.peers import PeerCodec, encode_exchange
from hanse.wire.shapes import MalformedMessage

log = structlog.get_logger()


class Envelopes:
    """What members of this cluster say, whichever way it came."""

    def __init__(self, runtime: Runtime, codec: PeerCodec) -> None:
        self._runtime = runtime
        self._codec = codec
        self._envelopes = 0

    def take(self, request: peers_pb2.ExchangeRequest) -> bool:
        """Whether it was taken in. Raises RequestRefused if the envelope is not for this region, or not from a member
        of its cluster, and MalformedMessage if it is out of bounds."""
        self._check_address(request)
        if not self._runtime.alive.is_set():
            return False
        exchange = self._codec.decode(request)
        if exchange.dropped:
            self._count_malformed(request.sender, len(exchange.dropped), exchange.dropped[0])
        self._envelopes += 1
        return self._runtime.post(
            PeerMessages(
                envelope=exchange.envelope,
                messages=exchange.messages,
                cause=f"peer:{request.sender}:{self._envelopes}",
            )
        )

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

    def __init__(self, runtime: Runtime, envelopes: Envelopes) -> None:
        self._runtime = runtime
        self._envelopes = envelopes

    async def Exchange(self, request: peers_pb2.ExchangeRequest, context: Any) -> peers_pb2.ExchangeResponse:
        """Raises RequestRefused and MalformedMessage as Envelopes.take does."""
        return await self._answered(request)

    async def Converse(
        self, requests: AsyncIterator[peers_pb2.ExchangeRequest], context: Any
    ) -> AsyncGenerator[peers_pb2.ExchangeResponse, None]:
        """As many exchanges, one after the other. Raises what one of them does."""
        async for request in requests:
            yield await self._answered(request)

    async def _answered(self, request: peers_pb2.ExchangeRequest) -> peers_pb2.ExchangeResponse:
        response = peers_pb2.ExchangeResponse(taken=self._envelopes.take(request))
        wait_us = min(request.answer_within_ms * 1_000, limits.ANSWER_WAIT_US)
        if response.taken and wait_us:
            said = await self._runtime.answer(request.sender, wait_us / 1e6)
            if said is not None:
                response.answer.CopyFrom(encode_exchange(*said))
        return response
