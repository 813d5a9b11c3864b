"""The doors of the generated gRPC code: channels, stubs, and what the daemon must name of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from hanse.core.model import limits
from hanse.wire.gen.hanse.v1 import (
    jobs_pb2,
    jobs_pb2_grpc,
    peers_pb2,
    peers_pb2_grpc,
    policies_pb2,
    policies_pb2_grpc,
    regions_pb2,
    regions_pb2_grpc,
    reservations_pb2,
    reservations_pb2_grpc,
)
from hanse.wire.gen.hanse.v1.peers_pb2 import ExchangeRequest, ExchangeResponse

__all__ = ["CHANNEL_OPTIONS", "SERVER_OPTIONS", "ExchangeRequest", "ExchangeResponse", "Stubs", "register"]

JOB_SERVICE = jobs_pb2.DESCRIPTOR.services_by_name["JobService"].full_name
REGION_SERVICE = regions_pb2.DESCRIPTOR.services_by_name["RegionService"].full_name
POLICY_SERVICE = policies_pb2.DESCRIPTOR.services_by_name["PolicyService"].full_name
RESERVATION_SERVICE = reservations_pb2.DESCRIPTOR.services_by_name["ReservationService"].full_name
PEER_SERVICE = peers_pb2.DESCRIPTOR.services_by_name["PeerService"].full_name
_REGISTER: dict[str, Any] = {
    JOB_SERVICE: jobs_pb2_grpc.add_JobServiceServicer_to_server,
    REGION_SERVICE: regions_pb2_grpc.add_RegionServiceServicer_to_server,
    POLICY_SERVICE: policies_pb2_grpc.add_PolicyServiceServicer_to_server,
    RESERVATION_SERVICE: reservations_pb2_grpc.add_ReservationServiceServicer_to_server,
    PEER_SERVICE: peers_pb2_grpc.add_PeerServiceServicer_to_server,
}

_SIZES = [
    ("grpc.max_receive_message_length", limits.RPC_BYTES_MAX),
    ("grpc.max_send_message_length", limits.RPC_BYTES_MAX),
]
CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    *_SIZES,
    # A frozen or cut-off peer is noticed although nothing is being said.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own backoff grows to two minutes; a restarted region is back in seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Two regions in one process (tests) must not share what is meant to be two connections.
    ("grpc.use_local_subchannel_pool", 1),
]
SERVER_OPTIONS: list[tuple[str, Any]] = [
    *_SIZES,
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # Connections are renewed now and then, so that new certificates and addresses take hold; calls may end in peace.
    ("grpc.max_connection_age_ms", 3_600_000),
    ("grpc.max_connection_age_grace_ms", 300_000),
    # Two daemons on one port would each get half of the calls.
    ("grpc.so_reuseport", 0),
]


Hear = Callable[[ExchangeRequest], None]


class UrgentWay:
    """A second connection to another region, for envelopes that are of no use when late. Made when first needed.

    After a cut, a connection may be silent for as long again as the cut was, because TCP doubles the time between its
    tries. So whoever is not answered in time goes on over a new one, whose first try is made at once. A connection that
    never answered is given some timeouts: opening it takes several round trips.
    """

    def __init__(self, address: str, hear: Hear) -> None:
        self._address = address
        self._hear = hear
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._answered = False
        self._timeouts = 0

    async def exchange(self, request: ExchangeRequest) -> bool:
        """Whether the peer took the envelope in. Raises grpc.aio.AioRpcError. One at a time."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS)
            self._stub = peers_pb2_grpc.PeerServiceStub(self._channel)
            self._answered, self._timeouts = False, 0
        try:
            response: ExchangeResponse = await self._stub.Exchange(
                request, timeout=limits.URGENT_TIMEOUT_US / 1e6
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                await self._not_answered()
            raise
        self._answered, self._timeouts = True, 0
        _hear_answer(response, self._hear)
        return response.taken

    async def close(self) -> None:
        """Let go of the connection; the next exchange opens another."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _not_answered(self) -> None:
        self._timeouts += 1
        if self._answered or self._timeouts >= limits.URGENT_TIMEOUTS_MAX:
            await self.close()


class Conversation:
    """One long call to another region, in which each envelope gets its receipt, in the order of the envelopes.

    To a call of its own for each envelope it is what a kept connection is to a new one: a third of the work of both
    sides is gone. All else is as with calls: a receipt has its time, and after any failure there is another call. What
    was under way in the one that failed has failed with it.
    """

    def __init__(self, stub: Any, hear: Hear) -> None:
        self._stub = stub
        self._hear = hear
        self._call: _Call | None = None

    async def exchange(self, request: ExchangeRequest) -> bool:
        """Whether the peer took the envelope in. Raises grpc.aio.AioRpcError. Several may be under way."""
        call = self._call
        if call is None or call.done():
            call = self._call = _Call(self._stub.Converse())
        try:
            async with asyncio.timeout(limits.EXCHANGE_TIMEOUT_US / 1e6):
                response = await call.exchange(request)
        except TimeoutError:
            call.end("no receipt in time")
            raise _failed(grpc.StatusCode.DEADLINE_EXCEEDED, "no receipt in time") from None
        except BaseException:
            call.end("another exchange failed")
            raise
        _hear_answer(response, self._hear)
        return response.taken

    def end(self) -> None:
        """Hang up; the next exchange calls again."""
        call, self._call = self._call, None
        if call is not None:
            call.end("hung up")


class _Call:
    """One call. Both locks let in whoever came first, so that the n-th receipt is that of the n-th envelope."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._ended = ""

    def done(self) -> bool:
        """Whether nothing can be said in it any more."""
        return bool(self._ended) or self._call.done()

    def end(self, why: str) -> None:
        """Hang up: everything that is under way fails."""
        if not self._ended:
            self._ended = why
            self._call.cancel()

    async def exchange(self, request: ExchangeRequest) -> ExchangeResponse:
        """Say this and hear what is answered. Raises grpc.aio.AioRpcError."""
        try:
            async with self._writing:
                await self._call.write(request)
            async with self._reading:
                response = await self._call.read()
        except asyncio.InvalidStateError:
            # The peer has hung up meanwhile.
            raise _failed(await self._call.code(), await self._call.details()) from None
        except asyncio.CancelledError:
            # gRPC says so as well to whoever waits for a call that was ended here.
            task = asyncio.current_task()
            if not self._ended or task is None or task.cancelling():
                raise
            raise _failed(grpc.StatusCode.CANCELLED, self._ended) from None
        if response is grpc.aio.EOF:
            raise _failed(grpc.StatusCode.UNAVAILABLE, "the peer has hung up")
        heard: ExchangeResponse = response
        return heard


def _failed(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


class Stubs:
    """The channels to another region's peer listener, and the services that it serves there. `hear` is given what comes
    back with the receipts of envelopes."""

    def __init__(self, address: str, hear: Hear) -> None:
        self.address = address
        self.channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.urgent = UrgentWay(address, hear)
        self._conversation = Conversation(peers_pb2_grpc.PeerServiceStub(self.channel), hear)
        self.jobs: Any = jobs_pb2_grpc.JobServiceStub(self.channel)
        self.regions: Any = regions_pb2_grpc.RegionServiceStub(self.channel)
        self.policies: Any = policies_pb2_grpc.PolicyServiceStub(self.channel)
        self.reservations: Any = reservations_pb2_grpc.ReservationServiceStub(self.channel)

    async def exchange(self, request: ExchangeRequest) -> bool:
        """Whether the peer took the envelope in. Raises grpc.aio.AioRpcError. Several may be under way."""
        return await self._conversation.exchange(request)

    async def close(self) -> None:
        """Cancel what is in flight, and let go of the connections."""
        self._conversation.end()
        await self.urgent.close()
        await self.channel.close()


def _hear_answer(response: ExchangeResponse, hear: Hear) -> None:
    if response.HasField("answer"):
        hear(response.answer)


def register(server: grpc.aio.Server, servicers: dict[str, Any]) -> None:
    """Have `server` serve these, by the full names of their services."""
    for name, servicer in servicers.items():
        _REGISTER[name](servicer, server)
