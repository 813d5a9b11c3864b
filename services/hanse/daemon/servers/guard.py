"""Around every call: a bound on time and number, a span, counts, and errors as statuses with typed details."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
import structlog
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no stubs

from hanse.core.model import limits
from hanse.core.model.errors import CallerFault, EnvironmentFault
from hanse.daemon.errors import RequestRefused, as_refusal
from hanse.daemon.metrics import Metrics
from hanse.daemon.servers.members import ProxiedError, time_remaining_s
from hanse.daemon.tracing import Tracing

log = structlog.get_logger()

DETAILS_KEY = "grpc-status-details-bin"
_OURS = "/hanse.v1."

Context = grpc.aio.ServicerContext[Any, Any]
Parse = Callable[[bytes], Any]


class _Streams:
    """The long calls of one kind that are under way."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tasks: dict[asyncio.Task[Any], None] = {}


async def _each(parse: Parse, requests: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
    async for request in requests:
        yield parse(request)


class Guard(grpc.aio.ServerInterceptor):
    """For one listener. Health, reflection and channelz pass unguarded: they must answer when all else is refused."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        calls_max: int = limits.RPCS_IN_FLIGHT_MAX,
        streams_max: int = limits.STREAMS_MAX,
        conversations_max: int = limits.CONVERSATIONS_MAX,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._calls_max = calls_max
        self._streams = _Streams(streams_max)
        # Apart, so that however many watch, regions can speak to each other.
        self._conversations = _Streams(conversations_max)
        self._ending = False
        self.calls = 0

    def end_streams(self) -> None:
        """The region shuts down: watches, followed logs and conversations would hold it up until the end of its
        patience."""
        self._ending = True
        for task in (*self._streams.tasks, *self._conversations.tasks):
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler that would be called."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        # Requests are parsed here rather than by gRPC, which answers UNKNOWN to bytes that are no request.
        parse = handler.request_deserializer
        if handler.request_streaming:
            conversing = self._streaming(
                method, partial(_each, parse), handler.stream_stream, self._conversations
            )
            return grpc.stream_stream_rpc_method_handler(
                conversing, response_serializer=handler.response_serializer
            )
        if handler.response_streaming:
            streaming = self._streaming(method, parse, handler.unary_stream, self._streams)
            return grpc.unary_stream_rpc_method_handler(
                streaming, response_serializer=handler.response_serializer
            )
        unary = self._unary(method, parse, handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(unary, response_serializer=handler.response_serializer)

    def _unary(self, method: str, parse: Parse, behaviour: Callable[..., Awaitable[Any]]) -> Any:
        async def call(request: bytes, context: Context) -> Any:
            begin_s = time.perf_counter()
            code = grpc.StatusCode.OK
            self.calls += 1
            try:
                if self.calls > self._calls_max:
                    raise _too_many_calls(self._calls_max)
                async with asyncio.timeout(_allowed_s(context)):
                    with self._tracing.call(method[1:], _metadata(context)):
                        return await behaviour(parse(request), context)
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001 - every error of a call ends as its status
                code, message, details = described(error, method)
                await context.abort(code, message, details)
            finally:
                self.calls -= 1
                self._metrics.called(method, code.name, time.perf_counter() - begin_s)

        return call

    def _streaming(
        self,
        method: str,
        parse: Callable[[Any], Any],
        behaviour: Callable[..., AsyncGenerator[Any, None]],
        streams: _Streams,
    ) -> Any:
        async def call(request: Any, context: Context) -> AsyncGenerator[Any, None]:
            code = grpc.StatusCode.OK
            task = asyncio.current_task()
            assert task is not None
            streams.tasks[task] = None
            try:
                if len(streams.tasks) > streams.limit:
                    raise _too_many_calls(streams.limit)
                async with aclosing(behaviour(parse(request), context)) as responses:
                    async for response in responses:
                        yield response
            except GeneratorExit:
                code = grpc.StatusCode.CANCELLED
                raise
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                if not self._ending:
                    raise
                # Not the caller's doing: it is told so, and goes on elsewhere.
                task.uncancel()
                code = grpc.StatusCode.UNAVAILABLE
                await context.abort(code, "the region is shutting down")
            except Exception as error:  # noqa: BLE001 - as above
                code, message, details = described(error, method)
                await context.abort(code, message, details)
            finally:
                streams.tasks.pop(task, None)
                self._metrics.called(method, code.name, None)

        return call


def described(error: Exception, method: str) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Status, message and trailing metadata for what a call raised."""
    match error:
        case ProxiedError():
            return error.code, error.message, error.details
        case CallerFault() | EnvironmentFault():
            refusal = as_refusal(error)
            return refusal.status, refusal.message, ((DETAILS_KEY, _details(refusal)),)
        case DecodeError():
            return grpc.StatusCode.INVALID_ARGUMENT, f"not a request of {method}: {error}", ()
        case TimeoutError():
            return grpc.StatusCode.DEADLINE_EXCEEDED, "the region did not answer in time", ()
        case _:
            log.error("rpc.failed", method=method, error=repr(error), exc_info=error)
            return grpc.StatusCode.INTERNAL, "the region failed; its log says why", ()


def _details(refusal: RequestRefused) -> bytes:
    """google.rpc.Status with BadRequest where a field is to blame, and RetryInfo where a retry may help."""
    number, _ = refusal.status.value
    status = status_pb2.Status(code=number, message=refusal.message)
    if refusal.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=refusal.field, description=refusal.message
        )
        status.details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if refusal.retry_after_ms:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(refusal.retry_after_ms)
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    packed: bytes = status.SerializeToString()
    return packed


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _too_many_calls(calls_max: int) -> RequestRefused:
    return RequestRefused(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"{calls_max} calls are in flight",
        retry_after_ms=limits.RETRY_AFTER_MS,
    )


def _allowed_s(context: Context) -> float:
    remaining_s = time_remaining_s(context)
    return limits.RPC_TIMEOUT_S_DEFAULT if remaining_s is None else min(remaining_s, limits.RPC_TIMEOUT_S_MAX)


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
