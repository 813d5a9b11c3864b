"""Two real daemons over loopback: any region answers for any job and about any region."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, regions_pb2
from tests.daemon.league import (
    DEADLINE_S,
    League,
    Place,
    eventually,
    league,
    led_by_their_homes,
    shell,
    submission,
    until_exists,
)

QUEUED, RUNNING = common_pb2.JOB_STATE_QUEUED, common_pb2.JOB_STATE_RUNNING
SUCCEEDED, CANCELLED = common_pb2.JOB_STATE_SUCCEEDED, common_pb2.JOB_STATE_CANCELLED


async def acquainted(regions: League) -> None:
    """Every region has a session with every other, and knows what it has."""

    async def met() -> bool:
        for place, _, _ in regions.running.values():
            if not all(channel.session for channel in (await place.status()).channels):
                return False
            request = regions_pb2.GetInventoryRequest()
            inventory = await place.regions.GetInventory(request, timeout=DEADLINE_S)
            if len(inventory.records) < len(regions.running):
                return False
        return True

    await eventually(met)


async def submitted(place: Place, job: jobs_pb2.JobSubmission, home: str = "") -> str:
    (result,) = await place.submit(job, home=home)
    assert result.HasField("job"), result
    return str(result.job.job_id)


async def test_a_job_is_submitted_read_explained_and_cancelled_from_any_region(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", executor="simulated") as regions:
        east = regions["east"]
        await acquainted(regions)

        # Larger than what is free anywhere while the first ones run.
        for place in (regions["north"], east):
            for index in range(2):
                await submitted(place, shell(f"long-{index}", "", cpu=4000, **only(place.name)))
        job_id = await submitted(east, submission("waits", cpu=4000, **only("north")), home="north")
        assert job_id.startswith("north-")
        job = await east.get(job_id, with_timeline=True)
        assert (job.home, job.client_key, job.spec.name) == ("north", "waits", "waits")
        assert job.timeline[0].region == "north"

        await east.state(job_id, SUCCEEDED)
        explained = await east.jobs.ExplainJob(jobs_pb2.ExplainJobRequest(job_id=job_id), timeout=DEADLINE_S)
        assert "north" in explained.summary
        cancelled = await east.jobs.CancelJobs(
            jobs_pb2.CancelJobsRequest(job_ids=[job_id]), timeout=DEADLINE_S
        )
        assert cancelled.results[0].refusal.code == common_pb2.REFUSAL_CODE_TERMINAL


async def test_what_does_not_fit_at_home_runs_elsewhere_and_its_output_is_read_from_anywhere(
    tmp_path: Path,
) -> None:
    async with league(tmp_path, "north", "east", executor="local") as regions:
        north = regions["north"]
        await acquainted(regions)

        job_id = await submitted(north, shell("abroad", "echo from $HANSE_REGION", **needs_zone("east")))
        job = await north.state(job_id, SUCCEEDED)

        assert (job.region, job.epoch, job.observed_by) == ("east", 2, "east")
        for place in (north, regions["east"]):
            assert await output(place, job_id) == b"from east\n"
            told = await place.get(job_id, with_timeline=True)
            assert {entry.region for entry in told.timeline} == {"north", "east"}
            assert told.nodes[0].startswith("east")


async def test_a_job_that_is_tried_again_finds_its_checkpoint_and_knows_which_try_it_is(
    tmp_path: Path,
) -> None:
    async with league(tmp_path, "north", executor="local") as regions:
        checkpoint = tmp_path / "checkpoints" / "train"
        checkpoint.mkdir(parents=True)
        script = (
            'file="$HANSE_CHECKPOINT/step"; [ -e "$file" ] && cat "$file" && exit 0; '
            'echo "kept by $HANSE_JOB_ID $HANSE_EPOCH.$HANSE_ATTEMPT" > "$file"; exit 1'
        )
        retry = jobs_pb2.RetryPolicy(retries_max=1)
        job_id = await submitted(
            regions["north"], shell("train", script, checkpoint=str(checkpoint), retry=retry)
        )

        job = await regions["north"].state(job_id, SUCCEEDED)

        assert (job.epoch, job.attempt) == (1, 2)
        assert await output(regions["north"], job_id) == f"kept by {job_id} 1.1\n".encode()

        # Whoever keeps none is told so, rather than left with what its caller's environment has.
        job_id = await submitted(regions["north"], shell("plain", 'echo "[$HANSE_CHECKPOINT]"'))
        await regions["north"].state(job_id, SUCCEEDED)
        assert await output(regions["north"], job_id) == b"[]\n"


async def test_logs_are_followed_from_before_the_start_to_the_end(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", executor="local") as regions:
        await acquainted(regions)
        go = tmp_path / "go"
        script = f"echo begin; {until_exists(go)}; echo end"
        job_id = await submitted(regions["north"], shell("slow", script, **needs_zone("east")))
        request = jobs_pb2.StreamLogsRequest(job_id=job_id, follow=True)

        data = b""
        async for piece in regions["north"].jobs.StreamLogs(request, timeout=DEADLINE_S):
            data += piece.data
            if data == b"begin\n":
                go.touch()

        assert data == b"begin\nend\n"


async def test_a_list_pages_over_all_homes_and_names_those_it_could_not_ask(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", "west") as regions:
        await acquainted(regions)
        # Until then adoptable jobs might be missing.
        await eventually(lambda: led_by_their_homes(regions))
        north = regions["north"]
        ids = sorted(
            [
                await submitted(north, submission(f"k{i}"), home=home)
                for home in ("east", "north", "west")
                for i in range(3)
            ]
        )

        listed: list[str] = []
        token = ""
        for _ in range(len(ids) + 1):
            page = await north.list(page_size=2, page_token=token)
            listed += [job.id for job in page.jobs]
            token = page.next_page_token
            if not token:
                break
        assert listed == ids

        await regions.stop("west")
        page = await north.list()
        assert list(page.unreachable) == ["west"]
        assert [job.id for job in page.jobs] == ids[:6]
        assert {revision.region for revision in page.revisions} == {"north", "east"}
        one = await north.list(filter=jobs_pb2.JobFilter(job_ids=[ids[0]]))
        assert [job.id for job in one.jobs] == [ids[0]]
        assert not one.unreachable


async def test_while_a_home_is_out_of_reach_the_owner_answers_from_its_own_books(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", "west", executor="local") as regions:
        await acquainted(regions)
        go = tmp_path / "go"
        script = f"echo begun; {until_exists(go)}"
        job_id = await submitted(regions["north"], shell("abroad", script, **needs_zone("east")))
        other = await submitted(regions["north"], submission("other", **only("north")))
        await regions["north"].state(job_id, RUNNING)
        await regions.stop("north")
        east = regions["east"]

        job = await east.get(job_id)
        assert (job.state, job.observed_by) == (RUNNING, "east")
        assert job.HasField("observed_at")
        # And for whoever is asked in its place, with what the job has written.
        job = await regions["west"].get(job_id)
        assert (job.state, job.region, job.observed_by) == (RUNNING, "east", "east")
        assert await eventually(lambda: output(regions["west"], job_id)) == b"begun\n"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await east.get(other)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "north" in str(caught.value.details())
        results = await east.jobs.CancelJobs(
            jobs_pb2.CancelJobsRequest(job_ids=[job_id, other]), timeout=DEADLINE_S
        )
        assert [each.refusal.code for each in results.results] == [0, common_pb2.REFUSAL_CODE_UNREACHABLE]

        # The home learns how it ended once it is back.
        await regions.start("north")
        await acquainted(regions)
        assert (await regions["north"].state(job_id, CANCELLED)).region == "east"


async def test_a_watch_covers_every_home_and_resumes_where_it_broke(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east") as regions:
        await acquainted(regions)
        north = regions["north"]
        first = [await submitted(north, submission("a"), home=home) for home in ("north", "east")]
        for job_id in first:
            await north.state(job_id, SUCCEEDED)

        seen, since = await watched(north, jobs_pb2.WatchJobsRequest(), first)
        assert all(states[-1] == SUCCEEDED for states in seen.values())
        assert {revision.region for revision in since} == {"north", "east"}

        second = [await submitted(north, submission("b"), home=home) for home in ("north", "east")]
        seen, _ = await watched(north, jobs_pb2.WatchJobsRequest(since=since), second)
        assert set(seen) == set(second), "what was seen before is not told again"
        assert all(states == [QUEUED, RUNNING, SUCCEEDED] for states in seen.values())


async def test_a_watch_of_jobs_elsewhere_is_passed_on(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east") as regions:
        await acquainted(regions)
        job_id = await submitted(regions["north"], submission("a"))
        request = jobs_pb2.WatchJobsRequest(filter=jobs_pb2.JobFilter(job_ids=[job_id]))

        seen, _ = await watched(regions["east"], request, [job_id])

        assert seen[job_id][-1] == SUCCEEDED


async def test_a_watch_from_a_position_of_before_a_restart_is_out_of_range(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        job_id = await submitted(regions["north"], submission("a"))
        _, since = await watched(regions["north"], jobs_pb2.WatchJobsRequest(), [job_id])
        since[0].sequence -= 1
        await regions.stop("north")
        north = await regions.start("north")

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watched(north, jobs_pb2.WatchJobsRequest(since=since), [job_id])

        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_regions_are_asked_and_drained_through_each_other(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east") as regions:
        north = regions["north"].regions
        await acquainted(regions)

        status = await north.GetStatus(regions_pb2.GetStatusRequest(region="east"), timeout=DEADLINE_S)
        nodes = await north.ListNodes(regions_pb2.ListNodesRequest(region="east"), timeout=DEADLINE_S)
        members = await north.ListMembers(regions_pb2.ListMembersRequest(region="east"), timeout=DEADLINE_S)
        assert status.region == members.region == "east"
        assert [node.name for node in nodes.nodes] == ["east1", "east2"]
        assert {member.name for member in members.members} == {"north", "east"}

        await north.Drain(regions_pb2.DrainRequest(region="east"), timeout=DEADLINE_S)
        assert (await regions["east"].status()).draining
        await regions.stop("east")
        await regions.start("east")
        await acquainted(regions)
        assert (await regions["east"].status()).draining, "a drain outlives a restart"
        await north.Undrain(regions_pb2.UndrainRequest(region="east"), timeout=DEADLINE_S)
        assert not (await regions["east"].status()).draining


# --- helpers ---------------------------------------------------------------------------------------------------------


def only(region: str) -> dict[str, jobs_pb2.RegionPreference]:
    return {"regions": jobs_pb2.RegionPreference(allow=[region])}


def needs_zone(zone: str) -> dict[str, list[jobs_pb2.TaskGroup]]:
    needs = jobs_pb2.Requirements(resources={"cpu": 1000}, constraints=[f"zone = {zone}"])
    return {"groups": [jobs_pb2.TaskGroup(requirements=needs)]}


async def output(place: Place, job_id: str) -> bytes:
    request = jobs_pb2.StreamLogsRequest(job_id=job_id)
    return b"".join([piece.data async for piece in place.jobs.StreamLogs(request, timeout=DEADLINE_S)])


async def watched(
    place: Place, request: jobs_pb2.WatchJobsRequest, job_ids: list[str]
) -> tuple[dict[str, list[int]], list[common_pb2.Revision]]:
    """The states of every job that was seen until all of `job_ids` had ended, and where to go on from."""
    seen: dict[str, list[int]] = {}
    revisions: dict[str, common_pb2.Revision] = {}
    call = place.jobs.WatchJobs(request, timeout=DEADLINE_S)
    async for response in call:
        for change in response.changes:
            seen.setdefault(change.job_id, []).append(change.state)
        if response.HasField("revision"):
            revisions[response.revision.region] = response.revision
        if all(SUCCEEDED in seen.get(job_id, []) for job_id in job_ids) and len(revisions) >= len(
            homes(job_ids)
        ):
            call.cancel()
            break
    return seen, list(revisions.values())


def homes(job_ids: list[str]) -> set[str]:
    return {job_id.rsplit("-", 1)[0] for job_id in job_ids}
