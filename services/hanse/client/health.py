"""Whether a region serves: the standard gRPC health service."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hanse.client.retry import RetryPolicy, backoff_s

_PACE = RetryPolicy(backoff_s=0.02, backoff_max_s=0.2)
# A region that starts refuses connections at first: gRPC must try again soon.
_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]


async def wait_until_serving(address: str, service: str = "") -> None:
    """Return when the region at `address` says that it serves. Bound it with asyncio.timeout."""
    failures = 0
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                call = stub.Watch(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)
                async for response in call:
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        call.cancel()
                        return
            except grpc.aio.AioRpcError:
                # It is not there yet, or not any more: what matters is whether it comes before the caller's deadline.
                failures += 1
            await asyncio.sleep(backoff_s(_PACE, max(1, failures), None, 0.0))
