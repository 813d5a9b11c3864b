"""PeerService: envelopes of other regions into the inbox."""

from __future__ import annotations

from typing import Any

import structlog

from hanse.core.events import PeerMessages
from hanse.daemon.errors import invalid
from hanse.daemon.runtime import Runtime
from hanse.wire.gen.hanse.v1 import peers_pb2, peers_pb2_grpc
from hanse.wire.peers import PeerCodec

log = structlog.get_logger()


class PeerService(peers_pb2_grpc.PeerServiceServicer):
    """Takes in what members of this cluster send. The receipt says only that it was taken in."""

    def __init__(self, runtime: Runtime, codec: PeerCodec) -> None:
        self._runtime = runtime
        self._codec = codec
        self._envelopes = 0

    async def Exchange(self, request: peers_pb2.ExchangeRequest, context: Any) -> peers_pb2.ExchangeResponse:
        """Raises RequestRefused if the envelope is not for this region, or not from a member of its cluster."""
        self._check_address(request)
        if not self._runtime.alive.is_set():
            return peers_pb2.ExchangeResponse(taken=False)
        exchange = self._codec.decode(request)
        if exchange.dropped:
            self._runtime.metrics.malformed.labels(request.sender).inc(len(exchange.dropped))
            log.warning(
                "peer.malformed",
                peer=request.sender,
                messages=len(exchange.dropped),
                first=exchange.dropped[0],
            )
        self._envelopes += 1
        taken = self._runtime.post(
            PeerMessages(
                envelope=exchange.envelope,
                messages=exchange.messages,
                cause=f"peer:{request.sender}:{self._envelopes}",
            )
        )
        return peers_pb2.ExchangeResponse(taken=taken)

    def _check_address(self, request: peers_pb2.ExchangeRequest) -> None:
        config = self._runtime.config.region
        if request.cluster_id != config.cluster_id:
            raise invalid("cluster_id", f"this is cluster {config.cluster_id!r}")
        if request.receiver != config.name:
            raise invalid("receiver", f"this is region {config.name!r}")
        # One that was a member is let in, and told by the core that it is none any more.
        if not self._runtime.knows(request.sender):
            raise invalid("sender", f"no other region {request.sender!r} in the roster")
