"""Three real daemons over loopback that guard each other's jobs: any region answers for an adoptable job, whoever leads
its shard, and says so where it can only tell from an old copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, regions_pb2
from tests.daemon.league import DEADLINE_S, QUICK, League, Place, eventually, league, submission
from tests.daemon.test_regions_together import acquainted

QUEUED, RUNNING = common_pb2.JOB_STATE_QUEUED, common_pb2.JOB_STATE_RUNNING
CANCELLED = common_pb2.JOB_STATE_CANCELLED
FEDERATED, REGIONAL = common_pb2.DURABILITY_FEDERATED, common_pb2.DURABILITY_REGIONAL
ADOPT, WAIT = jobs_pb2.ON_REGION_LOSS_ADOPT, jobs_pb2.ON_REGION_LOSS_WAIT
ADOPT_OR_WAIT = jobs_pb2.ON_REGION_LOSS_ADOPT_OR_WAIT
# The shortest lease that a configuration may have, for probes that are quicker than in earnest.
FEDERATION = {"lease_s": 2, "kill_s": 0.1}
TIMINGS = {
    **QUICK,
    "probe_timeout_us": 100_000,
    "suspect_after_us": 500_000,
    "dead_after_us": 1_000_000,
    "election_spread_us": 200_000,
    "append_retry_us": 100_000,
}
REGIONS = ("north", "east", "west")


@asynccontextmanager
async def guarded(directory: Path) -> AsyncIterator[League]:
    """Tasks run for an hour."""
    async with league(directory, *REGIONS, start=False, federation=FEDERATION, timings=TIMINGS) as regions:
        for name in REGIONS:
            regions.configs[name]["executor"]["duration_us"] = 3_600_000_000
            await regions.start(name)
        await acquainted(regions)
        await eventually(lambda: led_by_their_homes(regions))
        yield regions


async def leads(place: Place) -> dict[str, str]:
    """Who leads which shard, by the largest term that this region has heard of."""
    inventory = await place.regions.GetInventory(regions_pb2.GetInventoryRequest(), timeout=DEADLINE_S)
    found: dict[str, tuple[int, str]] = {}
    for record in inventory.records:
        for lead in record.leads:
            found[lead.shard] = max(found.get(lead.shard, (0, "")), (lead.term, record.region))
    return {shard: region for shard, (_, region) in found.items()}


async def led_by_their_homes(regions: League) -> bool:
    told = [await leads(place) for place, _, _ in regions.running.values()]
    return all(each == {name: name for name in REGIONS} for each in told)


async def adopted(regions: League, home: str) -> str:
    """The region that leads the shard of a home that is gone, once all the others know it."""

    async def by_another() -> str:
        told = [(await leads(place)).get(home, "") for place, _, _ in regions.running.values()]
        return told[0] if len(set(told)) == 1 and told[0] != home else ""

    leader: str = await eventually(by_another)
    return leader


def adoptable(client_key: str, loss: int = ADOPT, **spec: Any) -> jobs_pb2.JobSubmission:
    return submission(client_key, on_region_loss=loss, **spec)


async def taken(place: Place, job: jobs_pb2.JobSubmission, home: str = "") -> jobs_pb2.SubmittedJob:
    (result,) = await place.submit(job, home=home)
    assert result.HasField("job"), result
    return result.job


async def test_an_adoptable_job_is_federated_and_a_wait_job_regional(tmp_path: Path) -> None:
    async with guarded(tmp_path) as regions:
        north, east = regions["north"], regions["east"]

        federated = await taken(east, adoptable("a"), home="north")
        again = await taken(north, adoptable("a"))
        either = await taken(north, adoptable("b", ADOPT_OR_WAIT))
        regional = await taken(north, adoptable("c", WAIT))

        assert [each.durability for each in (federated, again, either, regional)] == [
            FEDERATED,
            FEDERATED,
            FEDERATED,
            REGIONAL,
        ]
        assert (again.job_id, again.existed) == (federated.job_id, True)
        for place in (north, east):
            job = await place.get(federated.job_id)
            assert (job.durability, job.answered_by) == (FEDERATED, "north")
            assert not job.HasField("as_of")
            assert (await place.get(regional.job_id)).durability == REGIONAL

        # Nobody else is there: what must be adoptable is refused, what may wait does.
        await regions.stop("east")
        await regions.stop("west")

        async def refused() -> common_pb2.Refusal | None:
            request = jobs_pb2.SubmitJobsRequest(jobs=[adoptable("d")])
            try:
                (result,) = (await north.jobs.SubmitJobs(request, timeout=0.5)).results
            except grpc.aio.AioRpcError:
                # Until the region knows that it has no majority, it waits for one.
                return None
            return result.refusal

        refusal = await eventually(refused)
        assert refusal.code == common_pb2.REFUSAL_CODE_NOT_LEADER
        assert refusal.field == "jobs[0].spec.on_region_loss"
        assert refusal.retry_after_ms
        assert (await taken(north, adoptable("f", ADOPT_OR_WAIT))).durability == REGIONAL


async def test_jobs_of_a_region_that_is_gone_are_answered_for_by_whoever_leads_its_shard(
    tmp_path: Path,
) -> None:
    async with guarded(tmp_path) as regions:
        north = regions["north"]
        job_id = (await taken(north, adoptable("a"))).job_id
        other_id = (await taken(north, adoptable("b"))).job_id
        waits_id = (await taken(north, adoptable("c", WAIT))).job_id
        await north.state(job_id, RUNNING)
        await regions.stop("north")
        leader = await adopted(regions, "north")
        (third,) = (name for name in ("east", "west") if name != leader)

        for place in (regions[leader], regions[third]):
            job = await place.state(job_id, RUNNING)
            assert (job.home, job.answered_by, job.durability) == ("north", leader, FEDERATED)
            assert not job.HasField("as_of")
            assert not job.observed_by
            assert job.region in ("east", "west")
            told = await place.get(job_id, with_timeline=True)
            assert "ADOPTED" in [entry.reason.code for entry in told.timeline]
            listed = await place.list(filter=jobs_pb2.JobFilter(homes=["north"]))
            assert [each.id for each in listed.jobs] == sorted([job_id, other_id])
            assert list(listed.unreachable) == ["north"], "its wait jobs are missing"
            explained = await place.jobs.ExplainJob(
                jobs_pb2.ExplainJobRequest(job_id=job_id), timeout=DEADLINE_S
            )
            assert explained.state == RUNNING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await place.get(waits_id)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

        # Submissions, with the key of a job that the home had taken, and with new ones.
        asked = [adoptable("a"), adoptable("new"), adoptable("either", ADOPT_OR_WAIT), submission("w")]
        results = await regions[third].submit(*asked, home="north")
        assert (results[0].job.job_id, results[0].job.existed) == (job_id, True)
        assert results[1].job.job_id.startswith("north-")
        assert results[1].job.durability == FEDERATED
        assert [each.refusal.code for each in results[2:]] == [common_pb2.REFUSAL_CODE_UNREACHABLE] * 2
        assert results[3].refusal.field == "jobs[3]"
        assert (await regions[third].get(results[1].job.job_id)).home == "north"

        # A cancel, seen by a watch.
        request = jobs_pb2.WatchJobsRequest(filter=jobs_pb2.JobFilter(job_ids=[job_id]))
        seen: list[int] = []
        async for response in regions[third].jobs.WatchJobs(request, timeout=DEADLINE_S):
            if not seen:
                cancelled = await regions[third].jobs.CancelJobs(
                    jobs_pb2.CancelJobsRequest(job_ids=[job_id, waits_id]), timeout=DEADLINE_S
                )
                assert [each.refusal.code for each in cancelled.results] == [
                    0,
                    common_pb2.REFUSAL_CODE_UNREACHABLE,
                ]
            seen += [change.state for change in response.changes]
            if CANCELLED in seen:
                break
        assert seen[0] == RUNNING

        # The home is back: whoever leads, everybody answers alike, and its own wait jobs are there again.
        await regions.start("north")
        await acquainted(regions)
        for place, _, _ in list(regions.running.values()):
            assert (await place.state(job_id, CANCELLED)).durability == FEDERATED
            assert (await place.get(waits_id)).durability == REGIONAL
            listed = await place.list(filter=jobs_pb2.JobFilter(homes=["north"]))
            assert {job_id, other_id, waits_id} <= {each.id for each in listed.jobs}


async def test_where_nobody_who_leads_can_be_asked_an_old_copy_answers_and_says_how_old_it_is(
    tmp_path: Path,
) -> None:
    async with guarded(tmp_path) as regions:
        north = regions["north"]
        job_id = (await taken(north, adoptable("a"))).job_id
        running = await north.state(job_id, RUNNING)
        west = regions["west"]

        async def copied() -> bool:
            return west.daemon.runtime.copied_wall_us("north") > running.started_at.ToMicroseconds()

        await eventually(copied)
        # Together, so that nobody is left with whom the third could agree on another leader.
        async with asyncio.TaskGroup() as group:
            for name in ("north", "east"):
                group.create_task(regions.stop(name))

        job = await west.get(job_id, with_timeline=True)
        assert (job.home, job.answered_by, job.durability) == ("north", "west", FEDERATED)
        assert job.state in (QUEUED, RUNNING)
        assert job.as_of.ToMicroseconds() >= running.started_at.ToMicroseconds()
        explained = await west.jobs.ExplainJob(jobs_pb2.ExplainJobRequest(job_id=job_id), timeout=DEADLINE_S)
        assert "an old copy in west" in explained.summary
        cancelled = await west.jobs.CancelJobs(
            jobs_pb2.CancelJobsRequest(job_ids=[job_id]), timeout=DEADLINE_S
        )
        assert cancelled.results[0].refusal.code == common_pb2.REFUSAL_CODE_UNREACHABLE

        # After a restart it is as old as the job's last news.
        await regions.stop("west")
        west = await regions.start("west")
        job = await west.get(job_id)
        assert running.submitted_at.ToMicroseconds() <= job.as_of.ToMicroseconds()
        assert job.as_of.ToMicroseconds() <= running.started_at.ToMicroseconds()
