"""Submissions: never twice, always to the same home, whatever fails on the way."""

from __future__ import annotations

import grpc
import pytest

from hanse.client import (
    AsyncClient,
    DuplicationWarning,
    ExhaustedError,
    InvalidArgumentError,
    InvalidSpecError,
    KeyConflictError,
    RetryPolicy,
    SubmitIncompleteError,
    UnauthorisedError,
)
from hanse.client.limits import SPEC_BYTES_MAX
from hanse.client.messages import Durability, JobSpec, Program, Refusal, RefusalCode, TaskGroup
from hanse.client.submit import batched, heaviest_field
from tests.client.conftest import QUICK
from tests.client.league import League

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def spec(name: str = "a", env_bytes: int = 0) -> JobSpec:
    env = {"BIG": "x" * env_bytes} if env_bytes else {}
    return JobSpec(name=name, tenant="t", groups=[TaskGroup(program=Program(command=["true"], env=env))])


def homes(league: League) -> set[str]:
    return {request.home for request in league.submits}


async def test_the_first_region_asked_becomes_the_home(client: AsyncClient, league: League) -> None:
    outcome = await client.submit(spec())
    assert outcome.home == "north"
    assert outcome.durability == "REGIONAL"
    assert homes(league) == {"north"}


async def test_a_job_that_guardians_keep_is_federated(client: AsyncClient, league: League) -> None:
    league.durability = Durability.DURABILITY_FEDERATED

    assert (await client.submit(spec())).durability == "FEDERATED"


async def test_a_shard_without_a_leader_is_asked_again(client: AsyncClient, league: League) -> None:
    refusal = Refusal(code=RefusalCode.REFUSAL_CODE_NOT_LEADER, message="no majority")
    league.refusals["a"] = [refusal, refusal]

    outcome = await client.submit(spec())

    assert outcome.job_id
    assert len(league.submits) == 3
    assert len({request.jobs[0].client_key for request in league.submits}) == 1


async def test_batches_hold_to_both_bounds_and_results_are_in_order(
    client: AsyncClient, league: League
) -> None:
    outcomes = await client.submit_many([spec(f"j{i}") for i in range(25)], batch_jobs=10)
    assert sorted(len(request.jobs) for request in league.submits) == [5, 10, 10]
    assert [league.jobs[outcome.job_id].spec.name for outcome in outcomes] == [f"j{i}" for i in range(25)]
    assert len({outcome.client_key for outcome in outcomes}) == 25


@pytest.mark.parametrize(
    ("sizes", "jobs_max", "bytes_max", "expected"),
    [
        ([10, 10, 10], 2, 1000, [2, 1]),
        ([100, 100, 100], 10, 250, [1, 1, 1]),
        ([400, 10, 10], 10, 250, [1, 2]),
        ([], 10, 250, []),
    ],
)
def test_batches_are_cut_by_count_and_bytes(
    sizes: list[int], jobs_max: int, bytes_max: int, expected: list[int]
) -> None:
    from hanse.client.submit import _Entry
    from hanse.wire.gen.hanse.v1.jobs_pb2 import JobSubmission

    entries = [_Entry(i, JobSubmission(spec=spec(env_bytes=size))) for i, size in enumerate(sizes)]
    assert [len(batch) for batch in batched(entries, jobs_max, bytes_max)] == expected


@pytest.mark.parametrize("after", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize(
    "code", [UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
async def test_a_batch_is_repeated_with_the_same_keys_and_home(
    client: AsyncClient, league: League, code: grpc.StatusCode, after: bool
) -> None:
    league.fail("SubmitJobs", code, times=3, after=after)
    outcomes = await client.submit_many([spec("a"), spec("b")])
    assert len(league.jobs) == 2
    assert len(league.submits) == 4
    assert homes(league) == {"north"}
    assert {tuple(job.client_key for job in request.jobs) for request in league.submits} == {
        tuple(outcome.client_key for outcome in outcomes)
    }
    assert all(outcome.existed == after for outcome in outcomes)


async def test_another_address_is_a_proxy_to_the_same_home(client: AsyncClient, league: League) -> None:
    league.fail("SubmitJobs", UNAVAILABLE)
    await client.submit(spec())
    assert [region for method, region in league.calls if method == "SubmitJobs"] == ["north", "east"]
    assert homes(league) == {"north"}


async def test_a_region_that_is_full_is_not_left_for_another(client: AsyncClient, league: League) -> None:
    league.fail("SubmitJobs", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_ms=20)
    await client.submit(spec())
    assert [region for method, region in league.calls if method == "SubmitJobs"] == ["north", "north"]


async def test_a_home_named_by_the_caller_is_used_though_another_region_is_asked(
    client: AsyncClient, league: League
) -> None:
    await client.submit(spec(), home="east")
    assert homes(league) == {"east"}
    assert ("GetStatus", "north") not in league.calls


async def test_the_home_stays_pinned(client: AsyncClient, league: League) -> None:
    await client.submit(spec())
    with pytest.raises(InvalidArgumentError, match="go to 'north'") as raised:
        await client.submit(spec(), home="east")
    assert raised.value.field == "home"
    assert homes(league) == {"north"}


async def test_forcing_another_home_warns_of_duplication(client: AsyncClient, league: League) -> None:
    await client.submit(spec(), client_key="k")
    with pytest.warns(DuplicationWarning, match="exist twice"):
        forced = await client.submit(spec(), client_key="k", home="east", force_home=True)
    assert not forced.existed
    assert len(league.jobs) == 2


async def test_the_same_key_gives_the_same_job(client: AsyncClient) -> None:
    first = await client.submit(spec(), client_key="k")
    again = await client.submit(spec(), client_key="k")
    assert again.existed
    assert again.job_id == first.job_id


async def test_refusals_are_one_by_one_and_typed(client: AsyncClient, league: League) -> None:
    refusal = Refusal(code=RefusalCode.REFUSAL_CODE_KEY_CONFLICT, field="jobs[1].client_key", message="used")
    league.refusals["b"] = [refusal]
    a, b, c = await client.submit_many([spec("a"), spec("b"), spec("c")])
    assert (a.job_id != "", b.job_id, c.job_id != "") == (True, "", True)
    assert isinstance(b.error, KeyConflictError)
    assert (b.error.code, b.error.field) == ("KEY_CONFLICT", "jobs[1].client_key")
    with pytest.raises(KeyConflictError):
        b.raise_for_refusal()


async def test_a_refused_job_is_counted_within_all_not_within_its_batch(
    client: AsyncClient, league: League
) -> None:
    league.refusals["bad"] = [
        Refusal(code=RefusalCode.REFUSAL_CODE_INVALID, field="jobs[0].spec.tier", message="no tier")
    ]
    outcomes = await client.submit_many([spec("a"), spec("b"), spec("bad")], batch_jobs=1)
    error = outcomes[2].error
    assert isinstance(error, InvalidSpecError)
    assert error.field == "jobs[2].spec.tier"


async def test_only_what_was_refused_for_now_is_sent_again(client: AsyncClient, league: League) -> None:
    full = Refusal(code=RefusalCode.REFUSAL_CODE_EXHAUSTED, message="full", retry_after_ms=5)
    league.refusals["b"] = [full, full]
    outcomes = await client.submit_many([spec("a"), spec("b"), spec("c")])
    assert all(outcome.error is None for outcome in outcomes)
    assert [[job.spec.name for job in request.jobs] for request in league.submits] == [
        ["a", "b", "c"],
        ["b"],
        ["b"],
    ]


async def test_what_stays_undecided_can_be_repeated_safely(league: League, addresses: list[str]) -> None:
    impatient = RetryPolicy(call_timeout_s=1, retry_for_s=0.01, backoff_s=0.005, backoff_max_s=0.005)
    async with AsyncClient(addresses, retry=impatient) as client:
        league.fail("SubmitJobs", UNAVAILABLE, times=50, after=True)
        with pytest.raises(SubmitIncompleteError) as raised:
            await client.submit_many([spec("a"), spec("b")])
        league.faults.clear()
        again = await client.submit_many([spec("a"), spec("b")], client_keys=raised.value.client_keys)
    assert all(outcome.undecided for outcome in raised.value.outcomes)
    assert all(outcome.existed for outcome in again)
    assert len(league.jobs) == 2


async def test_a_region_that_stays_full_is_named_as_such(league: League, addresses: list[str]) -> None:
    full = Refusal(code=RefusalCode.REFUSAL_CODE_EXHAUSTED, message="the queue is full")
    league.refusals["a"] = [full] * 1000
    impatient = RetryPolicy(retry_for_s=0.05, backoff_s=0.01, backoff_max_s=0.01)
    async with AsyncClient(addresses, retry=impatient) as client:
        with pytest.raises(SubmitIncompleteError, match="the queue is full") as raised:
            await client.submit_many([spec("a"), spec("b")])
    assert isinstance(raised.value.outcomes[0].error, ExhaustedError)
    assert raised.value.outcomes[1].job_id


async def test_what_is_not_allowed_is_not_tried_again(client: AsyncClient, league: League) -> None:
    league.fail("SubmitJobs", grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(UnauthorisedError):
        await client.submit(spec())
    assert len(league.submits) == 1


async def test_a_spec_that_is_too_large_is_not_sent_and_its_field_is_named(
    client: AsyncClient, league: League
) -> None:
    small, big = await client.submit_many([spec(), spec(env_bytes=SPEC_BYTES_MAX)])
    assert small.job_id
    assert isinstance(big.error, InvalidSpecError)
    assert big.error.field == "jobs[1].spec.groups[0].program.env[BIG]"
    assert [len(request.jobs) for request in league.submits] == [1]


def test_no_single_field_is_blamed_for_many_equal_ones() -> None:
    groups = [TaskGroup(program=Program(command=["x" * 100])) for _ in range(10)]
    assert heaviest_field(JobSpec(groups=groups)) == ""


async def test_keys_and_specs_must_be_as_many(client: AsyncClient) -> None:
    with pytest.raises(InvalidArgumentError, match="1 client keys for 2 specs"):
        await client.submit_many([spec(), spec()], client_keys=["k"])


@pytest.mark.parametrize("address", ["", "nowhere", "host:", ":80x", "host:99999"])
def test_addresses_are_checked_at_once(address: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        AsyncClient(address, retry=QUICK)
    assert raised.value.field == "addresses"
