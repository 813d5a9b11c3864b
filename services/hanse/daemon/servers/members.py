"""The way to the other regions, for calls that they must answer: their peer listeners serve every service.

A call is passed on once. The region that gets it answers by itself, so that no call ever goes in circles.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import grpc

from hanse.core.model import limits
from hanse.core.model.errors import HanseError
from hanse.daemon.errors import RegionUnreachable
from hanse.daemon.peers import PeerLinks
from hanse.daemon.tracing import TRACEPARENT, current_traceparent
from hanse.wire.services import Stubs

# Statuses that say that nobody answered. All others are the other region's answer.
_UNREACHED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


class ProxiedError(HanseError):
    """Another region's refusal, to be passed on as it is."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(error.details() or "")
        self.code = error.code()
        self.message = error.details() or ""
        self.details = tuple(
            (key, value)
            for key, value in error.trailing_metadata() or ()
            if key == "grpc-status-details-bin" and isinstance(value, bytes)
        )


class Members:
    """Calls to the other members, by name."""

    def __init__(self, links: PeerLinks) -> None:
        self.home = links.region
        self._links = links

    @property
    def names(self) -> tuple[str, ...]:
        """All members, this region included."""
        return self._links.members

    def knows(self, region: str) -> bool:
        """Whether a region of this name is in the roster."""
        return region == self.home or self._links.stubs(region) is not None

    async def call(
        self,
        region: str,
        method: Callable[[Stubs], Any],
        request: Any,
        context: grpc.aio.ServicerContext[Any, Any],
        timeout_s: float = limits.PROXY_TIMEOUT_S,
    ) -> Any:
        """The answer of `region`. Raises RegionUnreachable if there is none, ProxiedError if it refuses.

        A region whose link fails gets little time: a frozen one would hold up every list.
        """
        stubs = self._stubs_of(region)
        if self._links.links[region].failing:
            timeout_s = min(timeout_s, limits.PROXY_TIMEOUT_FAILING_S)
        try:
            return await method(stubs)(
                request, timeout=_shortened_s(context, timeout_s), metadata=_passed_on()
            )
        except grpc.aio.AioRpcError as error:
            raise _translated(region, error) from error

    async def stream(
        self, region: str, method: Callable[[Stubs], Any], request: Any
    ) -> AsyncGenerator[Any, None]:
        """The stream of `region`; closed with the iterator. Raises as `call`."""
        call = method(self._stubs_of(region))(request)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise _translated(region, error) from error
        finally:
            call.cancel()

    def _stubs_of(self, region: str) -> Stubs:
        stubs = self._links.stubs(region)
        if stubs is None:
            # It was a member when the call came in.
            raise RegionUnreachable(region, "it is not in the roster any more")
        return stubs


def _translated(region: str, error: grpc.aio.AioRpcError) -> RegionUnreachable | ProxiedError:
    if error.code() in _UNREACHED:
        return RegionUnreachable(region, error.details() or error.code().name)
    return ProxiedError(error)


def time_remaining_s(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Seconds until the caller gives up; None if it never does (which the stubs of grpc don't say)."""
    return cast("float | None", context.time_remaining())


def _shortened_s(context: grpc.aio.ServicerContext[Any, Any], timeout_s: float) -> float:
    remaining_s = time_remaining_s(context)
    if remaining_s is None:
        return timeout_s
    return max(limits.PROXY_MARGIN_S, min(timeout_s, remaining_s - limits.PROXY_MARGIN_S))


def _passed_on() -> tuple[tuple[str, str], ...]:
    traceparent = current_traceparent.get()
    return ((TRACEPARENT, traceparent),) if traceparent else ()
