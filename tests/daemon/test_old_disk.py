"""A daemon whose ledger was replaced by an older copy of itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import grpc
import pytest

from hanse.daemon.runtime import ANCHOR_FILE, LEDGER_FILE
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, regions_pb2
from tests.daemon.league import DEADLINE_S, League, Place, eventually, league, shell, until_exists

SUCCEEDED = common_pb2.JOB_STATE_SUCCEEDED
RUNNING = common_pb2.JOB_STATE_RUNNING


async def test_a_restored_region_waits_for_all_and_an_operator_may_go_on_without_one(tmp_path: Path) -> None:
    ran, go = tmp_path / "ran", tmp_path / "go"
    async with league(tmp_path, "north", "east", "west", executor="local") as regions:
        await acquainted(regions)
        copy = await take_image(regions, tmp_path, "north")
        (result,) = await regions["north"].submit(
            shell("job", f"echo >>{ran}; {until_exists(go)}", **only("east"))
        )
        job_id = result.job.job_id
        await regions["north"].state(job_id, RUNNING)
        await regions.stop("west")
        await put_back(regions, tmp_path, "north", copy)

        north = regions["north"]
        status = await eventually(lambda: quarantined(north, missing=["west"]))
        assert "newer writes" in status.quarantine.why
        assert status.quarantine.since.seconds > 0
        assert status.impairments[0].code == "OLD_DISK"
        metrics = north.daemon.metrics
        await north.daemon._metrics()
        assert b"hanse_quarantine 1.0" in metrics.text()

        (result,) = await north.submit(shell("later", "true"))
        later = result.job.job_id
        told = await explained(north, later)
        assert "west" in told.summary
        assert told.regions[0].blockers[0].code == "QUARANTINE"

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await trust(north, "nowhere")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        # Also through another region.
        assert await trust(regions["east"], "west", region="north") == []
        await eventually(lambda: trusted(north))
        await north.state(later, SUCCEEDED)
        # East told north of the job that its disk had forgotten.
        job = await north.state(job_id, RUNNING)
        assert job.region == "east"
        go.touch()
        await north.state(job_id, SUCCEEDED)
        assert ran.read_text().count("\n") == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await trust(north, "west")


async def test_jobs_of_an_old_disk_are_suspect_until_all_have_answered(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", "west") as regions:
        await acquainted(regions)
        await drain(regions["north"])
        (result,) = await regions["north"].submit(shell("job", "true", **only("north")))
        job_id = result.job.job_id
        copy = await take_image(regions, tmp_path, "north")
        await regions.stop("west")
        await put_back(regions, tmp_path, "north", copy)

        north = regions["north"]
        status = await eventually(lambda: quarantined(north, missing=["west"]))
        assert status.quarantine.suspects == 1
        told = await explained(north, job_id)
        assert told.regions[0].blockers[0].code == "SUSPECT"
        assert "west" in told.summary

        await regions.start("west")
        await eventually(lambda: trusted(north))
        request = regions_pb2.UndrainRequest()
        await north.regions.Undrain(request, timeout=DEADLINE_S)
        await north.state(job_id, SUCCEEDED)


async def test_an_anchor_on_another_disk_shows_an_old_ledger_before_any_peer_is_heard(tmp_path: Path) -> None:
    anchors = {
        "region": {"name": "north", "cluster_id": "test", "data_dir": "data-north", "anchor_dir": "anchor"}
    }
    (tmp_path / "anchor").mkdir()
    async with league(tmp_path, "north", "east", start=False) as regions:
        regions.configs["north"].update(anchors)
        await regions.start("north")
        copy = await take_image(regions, tmp_path, "north")
        await put_back(regions, tmp_path, "north", copy)

        status = await eventually(lambda: quarantined(regions["north"], missing=["east"]))
        assert "anchor" in status.quarantine.why
        await regions.start("east")
        await eventually(lambda: trusted(regions["north"]))


# --- helpers ---------------------------------------------------------------------------------------------------------


async def take_image(regions: League, directory: Path, name: str) -> Path:
    """A copy of the region's ledger, as it is between two lives."""
    copy = directory / "copy.db"
    await regions.stop(name)
    shutil.copyfile(directory / f"data-{name}" / LEDGER_FILE, copy)
    await regions.start(name)
    await acquainted(regions)
    return copy


async def put_back(regions: League, directory: Path, name: str, copy: Path) -> None:
    """The region comes back with that ledger, and without the anchor file that lay beside it."""
    data = directory / f"data-{name}"
    await regions.stop(name)
    shutil.copyfile(copy, data / LEDGER_FILE)
    (data / ANCHOR_FILE).unlink(missing_ok=True)
    await regions.start(name)


async def acquainted(regions: League) -> None:
    """Every region that runs has a session with every other, and has seen how far that one's present life has come.
    (That a session began shows one side only; what gossip tells may have come through a third.)"""
    places = {name: place for name, (place, _, _) in regions.running.items()}

    async def met() -> bool:
        told = {name: await place.status() for name, place in places.items()}
        return all(
            channel.session and _seen(places[name], channel.peer) == told[channel.peer].incarnation
            for name, status in told.items()
            for channel in status.channels
            if channel.peer in told
        )

    await eventually(met)


def _seen(place: Place, peer: str) -> int:
    """The newest incarnation of the peer in a message of a session. No region tells that over the wire."""
    driver = place.daemon.runtime._driver
    assert driver is not None
    return driver._region._region.sessions.seen(peer).incarnation


async def quarantined(place: Place, missing: list[str]) -> regions_pb2.GetStatusResponse | None:
    status = await place.status()
    found = status.HasField("quarantine") and list(status.quarantine.missing) == missing
    return status if found else None


async def trusted(place: Place) -> bool:
    return not (await place.status()).HasField("quarantine")


async def trust(place: Place, *without: str, region: str = "") -> list[str]:
    request = regions_pb2.TrustDiskRequest(region=region, without=without)
    return list((await place.regions.TrustDisk(request, timeout=DEADLINE_S)).missing)


async def explained(place: Place, job_id: str) -> jobs_pb2.ExplainJobResponse:
    request = jobs_pb2.ExplainJobRequest(job_id=job_id)
    told: jobs_pb2.ExplainJobResponse = await place.jobs.ExplainJob(request, timeout=DEADLINE_S)
    return told


async def drain(place: Place) -> None:
    await place.regions.Drain(regions_pb2.DrainRequest(), timeout=DEADLINE_S)


def only(region: str) -> dict[str, jobs_pb2.RegionPreference]:
    return {"regions": jobs_pb2.RegionPreference(allow=[region])}
