"""What callers get wrong: a typed error that names the field, and nothing is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, regions_pb2
from tests.daemon.league import Place, league, submission

Refusal = tuple[int, str]


def with_group(key: str, **changes: object) -> jobs_pb2.JobSubmission:
    made = submission(key)
    for name, value in changes.items():
        field = getattr(made.spec.groups[0], name)
        field.Clear()
        field.MergeFrom(value)
    return made


def bad_submissions() -> dict[str, tuple[jobs_pb2.JobSubmission, int, str]]:
    needs = jobs_pb2.Requirements
    invalid = common_pb2.REFUSAL_CODE_INVALID
    return {
        "no groups": (submission("a", groups=[]), invalid, "spec.groups"),
        "no spec": (jobs_pb2.JobSubmission(client_key="a"), invalid, "spec"),
        "10 MB": (submission("a", checkpoint="x" * 10_000_000), invalid, "spec"),
        "unknown resource": (
            with_group("a", requirements=needs(resources={"gpuu": 1})),
            invalid,
            "spec.groups[0].requirements.resources[gpuu]",
        ),
        "unreadable constraint": (
            with_group("a", requirements=needs(resources={"cpu": 1}, constraints=["zone in (a"])),
            invalid,
            "spec.groups[0].requirements.constraints[0]",
        ),
        "a gang that fits nowhere": (
            submission("a", cpu=5000),
            common_pb2.REFUSAL_CODE_NEVER_FITS,
            "",
        ),
        "a service": (
            submission("a", kind=jobs_pb2.JOB_KIND_SERVICE),
            common_pb2.REFUSAL_CODE_UNIMPLEMENTED,
            "spec.kind",
        ),
        "adoption without guardians": (
            submission("a", on_region_loss=jobs_pb2.ON_REGION_LOSS_ADOPT),
            invalid,
            "spec.on_region_loss",
        ),
    }


async def assert_nothing_written(place: Place) -> None:
    status = await place.status()
    # The boot itself writes once: which life this is.
    assert status.revision.sequence == 1
    assert (await place.list()).jobs == []


async def test_every_bad_spec_is_refused_by_field_and_nothing_is_written(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        for what, (bad, code, field) in bad_submissions().items():
            (result,) = await regions["north"].submit(bad)
            assert result.refusal.code == code, what
            assert result.refusal.message, what
            if field:
                assert result.refusal.field == f"jobs[0].{field}", what
            else:
                assert result.refusal.field.startswith("jobs[0].spec"), what
        await assert_nothing_written(regions["north"])


async def test_good_jobs_of_a_call_are_taken_beside_bad_ones(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        bad = bad_submissions()["unknown resource"][0]
        bad.client_key = "bad"

        first, second, third = await regions["north"].submit(submission("a"), bad, submission("b"))

        assert first.job.job_id < third.job.job_id
        assert second.refusal.field == "jobs[1].spec.groups[0].requirements.resources[gpuu]"
        assert len((await regions["north"].list()).jobs) == 2


async def test_a_client_key_names_one_spec(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        (first,) = await north.submit(submission("key"))
        sequence_of = north.daemon.runtime.hub
        await north.state(first.job.job_id, common_pb2.JOB_STATE_SUCCEEDED)
        before = sequence_of.sequence

        (again,) = await north.submit(submission("key"))
        (other,) = await north.submit(submission("key", cpu=2000))

        assert (again.job.job_id, again.job.existed) == (first.job.job_id, True)
        assert other.refusal.code == common_pb2.REFUSAL_CODE_KEY_CONFLICT
        assert other.refusal.field == "jobs[0].client_key"
        assert len((await north.list()).jobs) == 1
        assert sequence_of.sequence >= before


CALLS = [
    ("jobs", "SubmitJobs", jobs_pb2.SubmitJobsRequest(), grpc.StatusCode.INVALID_ARGUMENT, "jobs"),
    (
        "jobs",
        "SubmitJobs",
        jobs_pb2.SubmitJobsRequest(home="mars", jobs=[submission("a")]),
        grpc.StatusCode.INVALID_ARGUMENT,
        "home",
    ),
    ("jobs", "GetJob", jobs_pb2.GetJobRequest(job_id="x"), grpc.StatusCode.INVALID_ARGUMENT, "job_id"),
    (
        "jobs",
        "GetJob",
        jobs_pb2.GetJobRequest(job_id="mars-01k9z3v6q2w8x4m5n7p0r1s2t3"),
        grpc.StatusCode.NOT_FOUND,
        "job_id",
    ),
    (
        "jobs",
        "GetJob",
        jobs_pb2.GetJobRequest(job_id="north-01k9z3v6q2w8x4m5n7p0r1s2t3"),
        grpc.StatusCode.NOT_FOUND,
        "job_id",
    ),
    (
        "jobs",
        "ExplainJob",
        jobs_pb2.ExplainJobRequest(job_id="north-01k9z3v6q2w8x4m5n7p0r1s2t3"),
        grpc.StatusCode.NOT_FOUND,
        "job_id",
    ),
    ("jobs", "CancelJobs", jobs_pb2.CancelJobsRequest(), grpc.StatusCode.INVALID_ARGUMENT, "job_ids"),
    (
        "jobs",
        "ListJobs",
        jobs_pb2.ListJobsRequest(page_size=1001),
        grpc.StatusCode.INVALID_ARGUMENT,
        "page_size",
    ),
    (
        "jobs",
        "ListJobs",
        jobs_pb2.ListJobsRequest(page_token="?"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "page_token",
    ),
    (
        "jobs",
        "ListJobs",
        jobs_pb2.ListJobsRequest(filter=jobs_pb2.JobFilter(homes=["mars"])),
        grpc.StatusCode.INVALID_ARGUMENT,
        "filter.homes[0]",
    ),
    (
        "jobs",
        "ListJobs",
        jobs_pb2.ListJobsRequest(filter=jobs_pb2.JobFilter(states=[77])),  # type: ignore[list-item]
        grpc.StatusCode.INVALID_ARGUMENT,
        "filter.states",
    ),
    (
        "jobs",
        "ListJobs",
        jobs_pb2.ListJobsRequest(filter=jobs_pb2.JobFilter(job_ids=["x"])),
        grpc.StatusCode.INVALID_ARGUMENT,
        "filter.job_ids[0]",
    ),
    (
        "regions",
        "GetStatus",
        regions_pb2.GetStatusRequest(region="mars"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "region",
    ),
]


async def test_bad_calls_get_a_status_that_names_the_field(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        for service, method, request, code, field in CALLS:
            stub = getattr(getattr(regions["north"], service), method)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub(request, timeout=10)
            assert caught.value.code() is code, (method, caught.value)
            assert violated_field(caught.value) == field, method
        await assert_nothing_written(regions["north"])


async def test_bytes_that_are_no_request_are_refused(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        port = regions["north"].daemon.public.port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/hanse.v1.JobService/SubmitJobs")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"\xff\xff\xff", timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        await assert_nothing_written(regions["north"])


async def test_a_full_inbox_is_told_with_the_time_to_come_back(tmp_path: Path) -> None:
    tables = {"limits": {"inbox_items_max": 1}}
    async with league(tmp_path, "north", **tables) as regions:
        jobs = [submission(f"k{i}") for i in range(100)]
        answers = await asyncio.gather(
            *(regions["north"].submit(*jobs) for _ in range(50)), return_exceptions=True
        )

        refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
        assert refused
        assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        retry = next(
            detail for detail in details(refused[0]) if isinstance(detail, error_details_pb2.RetryInfo)
        )
        assert retry.retry_delay.ToMilliseconds() > 0
        assert len((await regions["north"].list()).jobs) == 100


def violated_field(error: grpc.aio.AioRpcError) -> str:
    for detail in details(error):
        if isinstance(detail, error_details_pb2.BadRequest):
            return str(detail.field_violations[0].field)
    return ""


def details(error: grpc.aio.AioRpcError) -> list[object]:
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    found: list[object] = []
    for detail in status_pb2.Status.FromString(packed).details:  # type: ignore[arg-type]
        for kind in (error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            message = kind()
            if detail.Unpack(message):
                found.append(message)
    return found
