"""The two listeners: health per service, reflection, and what each of them serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from hanse.core.events import PeerMessages
from hanse.core.model.limits import ENVELOPE_MESSAGES_MAX
from hanse.wire.gen.hanse.v1 import jobs_pb2, jobs_pb2_grpc, peers_pb2, peers_pb2_grpc
from tests.daemon.league import DEADLINE_S, league, submission
from tests.daemon.test_regions_together import acquainted

SERVING = health_pb2.HealthCheckResponse.SERVING
JOBS, REGIONS, PEERS = "hanse.v1.JobService", "hanse.v1.RegionService", "hanse.v1.PeerService"


async def test_health_and_reflection_tell_what_a_listener_serves(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        daemon = regions["north"].daemon
        for port, services in (
            (daemon.public.port, {JOBS, REGIONS}),
            (daemon.peers.port, {JOBS, REGIONS, PEERS}),
        ):
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                health = health_pb2_grpc.HealthStub(channel)
                for service in ("", *services):
                    request = health_pb2.HealthCheckRequest(service=service)
                    assert (await health.Check(request, timeout=DEADLINE_S)).status == SERVING
                assert services <= await reflected(channel)


async def test_callers_cannot_speak_as_peers(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        port = regions["north"].daemon.public.port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await peers_pb2_grpc.PeerServiceStub(channel).Exchange(
                    peers_pb2.ExchangeRequest(), timeout=DEADLINE_S
                )
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_peer_listener_answers_by_itself_and_never_passes_a_call_on(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east") as regions:
        await acquainted(regions)
        (result,) = await regions["north"].submit(submission("a"))
        port = regions["east"].daemon.peers.port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            jobs = jobs_pb2_grpc.JobServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await jobs.GetJob(jobs_pb2.GetJobRequest(job_id=result.job.job_id), timeout=DEADLINE_S)
            request = jobs_pb2.SubmitJobsRequest(home="north", jobs=[submission("b")])
            answer = await jobs.SubmitJobs(request, timeout=DEADLINE_S)
            request.home = "mars"
            with pytest.raises(grpc.aio.AioRpcError) as nowhere:
                await jobs.SubmitJobs(request, timeout=DEADLINE_S)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert answer.results[0].refusal.field == "jobs[0].home"
    assert nowhere.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cluster_id": "other"}, "cluster"),
        ({"receiver": "west"}, "region"),
        ({"sender": "mars"}, "mars"),
        ({"sender": "north"}, "north"),
    ],
)
async def test_envelopes_that_are_not_for_this_region_are_refused(
    tmp_path: Path, changes: dict[str, str], field: str
) -> None:
    async with league(tmp_path, "north", "east", start=False) as regions:
        await regions.start("north")
        envelope = {"cluster_id": "test", "receiver": "north", "sender": "east", **changes}
        port = regions["north"].daemon.peers.port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            peers = peers_pb2_grpc.PeerServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await peers.Exchange(peers_pb2.ExchangeRequest(**envelope), timeout=DEADLINE_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(caught.value.details())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"sender": "west"}, id="of a third one"),
        pytest.param({"receiver": "west"}, id="for a third one"),
        pytest.param({"cluster_id": "other"}, id="of another cluster"),
        pytest.param({"stables": [peers_pb2.Stable()] * (ENVELOPE_MESSAGES_MAX + 1)}, id="too long"),
    ],
)
async def test_what_comes_back_with_a_receipt_is_checked_as_an_envelope_is(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    async with league(tmp_path, "north", "east", "west", start=False) as regions:
        await regions.start("north")
        links, inbox = regions["north"].daemon._links, regions["north"].daemon.runtime.inbox
        answer = {"cluster_id": "test", "receiver": "north", "sender": "east"}
        links.hear("east", peers_pb2.ExchangeRequest(**answer | changes))
        assert not any(isinstance(event, PeerMessages) for event in inbox.take())
        links.hear("east", peers_pb2.ExchangeRequest(**answer))
        assert any(isinstance(event, PeerMessages) for event in inbox.take())


async def reflected(channel: grpc.aio.Channel) -> set[str]:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
    async for response in call:
        return {service.name for service in response.list_services_response.service}
    return set()
