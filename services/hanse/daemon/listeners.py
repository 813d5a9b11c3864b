"""The two gRPC listeners of a daemon: `public` for callers, `peers` for the other regions."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hanse.core.model.errors import EnvironmentFault
from hanse.daemon.ids import JobIds
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers.guard import Guard
from hanse.daemon.servers.jobs import JobService
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.local import LocalJobs
from hanse.daemon.servers.members import Members
from hanse.daemon.servers.peers import Envelopes, PeerService
from hanse.daemon.servers.policies import PolicyService
from hanse.daemon.servers.regions import RegionService
from hanse.daemon.servers.reservations import ReservationService
from hanse.wire.services import (
    JOB_SERVICE,
    PEER_SERVICE,
    POLICY_SERVICE,
    REGION_SERVICE,
    RESERVATION_SERVICE,
    SERVER_OPTIONS,
    register,
)


class ListenError(EnvironmentFault):
    """An address cannot be listened on."""


class Listener:
    """One gRPC server with its health service."""

    def __init__(self, runtime: Runtime, services: dict[str, Any]) -> None:
        self._guard = Guard(runtime.metrics, runtime.tracing)
        self._server = grpc.aio.server(interceptors=[self._guard], options=SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._names = ["", *services]
        register(self._server, services)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        channelz.add_channelz_servicer(self._server)
        reflection.enable_server_reflection(
            [*services, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        self.port = 0

    async def start(self, address: str) -> None:
        """Bind and serve. Raises ListenError. Health says NOT_SERVING until `set_serving`."""
        await self.set_serving(serving=False)
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {address}: {error}") from error
        await self._server.start()

    async def set_serving(self, *, serving: bool) -> None:
        """What the health service says of each service, and of the whole."""
        status = health_pb2.HealthCheckResponse
        state = status.SERVING if serving else status.NOT_SERVING
        for name in self._names:
            await self._health.set(name, state)

    async def close(self, grace_s: float) -> None:
        """Take no new calls and end all streams; calls in flight have `grace_s` left."""
        self._guard.end_streams()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


def public_listener(
    runtime: Runtime, local: LocalJobs, ids: JobIds, members: Members, leaders: Leaders
) -> Listener:
    """For callers: any region answers for any job and about any region."""
    return Listener(
        runtime,
        {
            JOB_SERVICE: JobService(local, members, leaders),
            REGION_SERVICE: RegionService(runtime, ids, members),
            POLICY_SERVICE: PolicyService(runtime, ids, members),
            RESERVATION_SERVICE: ReservationService(runtime, ids, members),
        },
    )


def peer_listener(runtime: Runtime, local: LocalJobs, envelopes: Envelopes, ids: JobIds) -> Listener:
    """For the other regions: what this region answers by itself, and their envelopes."""
    return Listener(
        runtime,
        {
            PEER_SERVICE: PeerService(envelopes),
            JOB_SERVICE: local,
            REGION_SERVICE: RegionService(runtime, ids, None),
            POLICY_SERVICE: PolicyService(runtime, ids, None),
            RESERVATION_SERVICE: ReservationService(runtime, ids, None),
        },
    )
