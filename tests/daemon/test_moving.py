"""Real daemons and real processes: a region is drained, and a running job goes on elsewhere from its checkpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, regions_pb2
from tests.daemon.league import DEADLINE_S, QUICK, Place, eventually, league, led_by_their_homes, shell
from tests.daemon.test_regions_together import acquainted

RUNNING, SUCCEEDED = common_pb2.JOB_STATE_RUNNING, common_pb2.JOB_STATE_SUCCEEDED
MOVE = regions_pb2.RUNNING_JOBS_MOVE
# Short leases and quick probes, as in the other tests of adoptable jobs.
FEDERATION = {"lease_s": 2, "kill_s": 0.1}
TIMINGS = {**QUICK, "probe_timeout_us": 100_000, "election_spread_us": 200_000, "append_retry_us": 100_000}


def counting(diary: Path, told: Path) -> str:
    """A task that counts, keeps its count as a checkpoint when it gets SIGTERM, and goes on from there; until `told`
    exists."""
    return f"""
        step=$(cat "$HANSE_CHECKPOINT/step" 2>/dev/null || echo 0)
        note() {{ echo "$1 $HANSE_REGION $HANSE_EPOCH.$HANSE_ATTEMPT $step" >> {diary}; }}
        trap 'echo $step > "$HANSE_CHECKPOINT/step"; note stopped; exit 0' TERM
        note began
        for i in $(seq 1500); do [ -e {told} ] && break; step=$((step + 1)); echo $step > {diary}.step; sleep 0.02; done
        note ended
    """


async def drain(place: Place, region: str, running: int = MOVE) -> None:
    request = regions_pb2.DrainRequest(region=region, running=running)  # type: ignore[arg-type]
    response = await place.regions.Drain(request, timeout=DEADLINE_S)
    assert (response.draining, response.running) == (True, running)


@pytest.mark.parametrize("loss", [jobs_pb2.ON_REGION_LOSS_WAIT, jobs_pb2.ON_REGION_LOSS_ADOPT])
async def test_a_drained_regions_running_job_goes_on_elsewhere_from_its_checkpoint(
    tmp_path: Path, loss: jobs_pb2.OnRegionLoss
) -> None:
    names = ("north", "east", "west")
    async with league(tmp_path, *names, executor="local", federation=FEDERATION, timings=TIMINGS) as regions:
        await acquainted(regions)
        await eventually(lambda: led_by_their_homes(regions))
        north, diary, told = regions["north"], tmp_path / "diary", tmp_path / "told"
        checkpoint = tmp_path / "shared"
        checkpoint.mkdir()
        moves = shell("moves", counting(diary, told), checkpoint=str(checkpoint), on_region_loss=loss)
        stays = shell("stays", counting(tmp_path / "other", told))
        results = await north.submit(moves, stays)
        moving, staying = (result.job.job_id for result in results)
        await north.state(moving, RUNNING)
        await north.state(staying, RUNNING)
        # Not sooner: there would be nothing to keep.
        await eventually(lambda: written(tmp_path / "diary.step"))

        await drain(regions["east"], "north")

        async def elsewhere() -> jobs_pb2.Job | None:
            job = await north.get(moving)
            return job if job.state == RUNNING and job.region != "north" else None

        job = await eventually(elsewhere)
        assert job.epoch == 2
        status = (await north.status()).drain
        assert (status.running, status.stopped, dict(status.running_on)) == (MOVE, 1, {"NOT_RESTARTABLE": 1})
        assert (await north.get(staying)).region == "north"

        told.touch()
        assert (await north.state(moving, SUCCEEDED)).region == job.region
        assert (await north.state(staying, SUCCEEDED)).region == "north"
        began, stopped, again, ended = [line.split() for line in diary.read_text().splitlines()]
        assert (began[0], stopped[0], again[0], ended[0]) == ("began", "stopped", "began", "ended")
        assert (began[1], stopped[1], again[1]) == ("north", "north", job.region)
        assert again[3] == stopped[3] != "0", "it goes on where it was"
        timeline = (await north.get(moving, with_timeline=True)).timeline
        assert "MOVING" in {entry.reason.code for entry in timeline}


async def test_an_unknown_wish_for_running_jobs_is_refused(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await drain(north, "", 7)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert not (await north.status()).draining


async def written(path: Path) -> bool:
    """Whether a task has written something."""
    return await asyncio.to_thread(lambda: path.exists() and bool(path.read_text()))
