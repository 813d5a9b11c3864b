"""Calls to a federation through any of several equal addresses, tried again when that is safe.

Every call of the contract is idempotent (submissions carry client keys), so all of them may be repeated. An address
that does not answer is left for the next one; which one is in use is shared by all calls of a client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, Protocol, TypeVar

import grpc

from hanse.client.errors import ExhaustedError, HanseError, InvalidArgumentError
from hanse.client.limits import PROBE_TIMEOUT_S, RECEIVE_BYTES_MAX, STREAM_QUIET_S
from hanse.client.retry import Attempts, RetryPolicy
from hanse.client.status import RETRIABLE, rpc_error
from hanse.wire.gen.hanse.v1 import (
    jobs_pb2_grpc,
    policies_pb2_grpc,
    regions_pb2,
    regions_pb2_grpc,
    reservations_pb2_grpc,
)

_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    # gRPC's own backoff grows to two minutes; a restarted region is back in seconds, and calls have their own backoff.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

Reply_co = TypeVar("Reply_co", covariant=True)


class Link:
    """One address: its channel and the stubs on it."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None) -> None:
        self.address = address
        self.channel = (
            grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=_CHANNEL_OPTIONS)
        )
        self.jobs: Any = jobs_pb2_grpc.JobServiceStub(self.channel)
        self.regions: Any = regions_pb2_grpc.RegionServiceStub(self.channel)
        self.policies: Any = policies_pb2_grpc.PolicyServiceStub(self.channel)
        self.reservations: Any = reservations_pb2_grpc.ReservationServiceStub(self.channel)

    async def probe(self) -> None:
        """Return if the region answers; raise grpc.aio.AioRpcError if it does not in time."""
        await self.regions.GetStatus(regions_pb2.GetStatusRequest(), timeout=PROBE_TIMEOUT_S)


class _Stream(Protocol[Reply_co]):
    def __aiter__(self) -> AsyncIterator[Reply_co]: ...
    def cancel(self) -> bool: ...


class Calls:
    """Unary calls with retries, and streams whose silence is probed."""

    def __init__(
        self,
        addresses: Sequence[str],
        policy: RetryPolicy,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        if not addresses:
            raise InvalidArgumentError("no address of any region was given", field="addresses")
        self.policy = policy
        self._links = [Link(address, credentials) for address in addresses]
        self._current = 0

    @property
    def link(self) -> Link:
        """The address in use."""
        return self._links[self._current]

    async def close(self) -> None:
        """Close every channel; calls under way are cancelled."""
        for link in self._links:
            await link.channel.close()

    def leave(self, link: Link, error: HanseError) -> None:
        """Go on with the next address if `link` is still in use and did not answer."""
        if self.link is link and not isinstance(error, ExhaustedError):
            self._current = (self._current + 1) % len(self._links)

    async def unary(
        self, method: Callable[[Link], Any], request: object, *, policy: RetryPolicy | None = None
    ) -> Any:
        """The answer to `request`; errors are HanseErrors. `method` picks the stub's method from a link."""
        policy = policy or self.policy
        attempts = Attempts(policy)
        while True:
            link = self.link
            try:
                return await method(link)(request, timeout=policy.call_timeout_s)
            except grpc.aio.AioRpcError as failure:
                error = rpc_error(failure, link.address)
            if not isinstance(error, RETRIABLE):
                raise error
            self.leave(link, error)
            wait_s = attempts.next_wait_s(error.retry_after_s)
            if wait_s is None:
                raise error
            await asyncio.sleep(wait_s)

    async def stream(self, method: Callable[[Link], Any], request: object) -> AsyncGenerator[Any, None]:
        """The messages of one stream, once: resuming is the caller's matter, who knows where it stopped.

        A silent stream is probed, so that a frozen region ends it with an UnreachableError.
        """
        link = self.link
        call: _Stream[Any] = method(link)(request)
        messages = call.__aiter__()
        try:
            while True:
                message = await _next_or_probe(link, messages)
                if message is None:
                    return
                yield message
        except grpc.aio.AioRpcError as failure:
            error = rpc_error(failure, link.address)
            if isinstance(error, RETRIABLE):
                self.leave(link, error)
            raise error from failure
        finally:
            call.cancel()


async def _next_or_probe(link: Link, messages: AsyncIterator[Any]) -> Any | None:
    """The next message, None at the end. While none comes, the region is asked whether it is there at all."""
    pending = asyncio.ensure_future(_next_or_none(messages))  # noqa: TID251 - awaited or cancelled below
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=STREAM_QUIET_S)
            if done:
                return pending.result()
            await link.probe()
    finally:
        if not pending.done():
            pending.cancel()
            await asyncio.wait({pending})


async def _next_or_none(messages: AsyncIterator[Any]) -> Any | None:
    return await anext(messages, None)
