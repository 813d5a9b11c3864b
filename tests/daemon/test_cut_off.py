"""Three real daemons that run real tasks, and a cut between one of them and the others: what is adoptable runs
elsewhere once, what is not runs on, and nothing is left over when the cut is healed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanse.bench.proxy import Proxy
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.executors.local.records import RECORDS
from hanse.wire.gen.hanse.v1 import common_pb2
from tests.daemon.league import League, eventually, league, led_by_their_homes, shell
from tests.daemon.test_regions_together import acquainted
from tests.daemon.test_shards_together import ADOPT, REGIONS, TIMINGS, adopted, taken

RUNNING, SUCCEEDED = common_pb2.JOB_STATE_RUNNING, common_pb2.JOB_STATE_SUCCEEDED
LEASE_S = 3.0


class Cuts:
    """What can be cut: the ways between north and the others."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    @asynccontextmanager
    async def north(self) -> AsyncIterator[None]:
        """Nothing arrives from north, or at it."""
        self._hold(1)
        try:
            yield
        finally:
            self._hold(-1)

    def _hold(self, by: int) -> None:
        for name in REGIONS[1:]:
            self._proxy.hold(("north", name), by)
            self._proxy.hold((name, "north"), by)


@asynccontextmanager
async def cuttable(directory: Path) -> AsyncIterator[tuple[League, Cuts]]:
    """Regions that lead their own jobs, and dial each other through a proxy."""
    federation = {"lease_s": LEASE_S, "kill_s": 0.2}
    async with (
        Proxy() as proxy,
        league(
            directory, *REGIONS, start=False, executor="local", federation=federation, timings=TIMINGS
        ) as regions,
    ):
        for name in REGIONS:
            await _dial_through(proxy, name, regions.configs[name])
            await regions.start(name)
        await acquainted(regions)
        await eventually(lambda: led_by_their_homes(regions))
        yield regions, Cuts(proxy)


async def _dial_through(proxy: Proxy, name: str, config: dict[str, Any]) -> None:
    members = []
    for member in config["members"]:
        address = member["peer_address"]
        if member["name"] != name:
            host, _, port = address.rpartition(":")
            dialled = await proxy.listen((name, member["name"]), "127.0.0.1", (host, int(port)))
            address = f"{dialled[0]}:{dialled[1]}"
        members.append({**member, "peer_address": address})
    config["members"] = members


def diary(path: Path, told: Path) -> str:
    """A task that notes when it begins, is told to stop, and ends, which it does once `told` exists."""
    return f"""
        note() {{ echo "$1 $HANSE_REGION $HANSE_EPOCH $HANSE_ATTEMPT $HANSE_CHECKPOINT" >>{path}; }}
        trap 'note saved; exit 143' TERM
        note began
        for i in $(seq 1500); do [ -e {told} ] && break; sleep 0.02; done
        note ended
    """


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


async def test_a_cut_of_three_quarters_of_a_lease_ends_nothing(tmp_path: Path) -> None:
    async with cuttable(tmp_path) as (regions, cuts):
        north, told = regions["north"], tmp_path / "told"
        job = await taken(
            north, shell("a", diary(tmp_path / "diary", told), on_region_loss=ADOPT, grace={"seconds": 5})
        )
        running = await north.state(job.job_id, RUNNING)
        async with cuts.north():
            await asyncio.sleep(0.75 * LEASE_S)  # that long is what is promised

        async def renewed() -> bool:
            (shard,) = (each for each in (await north.status()).shards if each.shard == "north")
            return shard.role == "LEADER" and shard.lease_left.ToMicroseconds() > 0.75 * LEASE_S * 1e6

        await eventually(renewed)
        told.touch()
        ended = await north.state(job.job_id, SUCCEEDED)
        assert (ended.region, ended.epoch, ended.attempt) == ("north", running.epoch, running.attempt)
        assert [line[0] for line in lines(tmp_path / "diary")] == ["began", "ended"]
        assert await led_by_their_homes(regions)


async def test_a_region_that_is_cut_off_loses_its_adoptable_jobs_once_and_keeps_nothing_of_them(
    tmp_path: Path,
) -> None:
    async with cuttable(tmp_path) as (regions, cuts):
        north, told = regions["north"], tmp_path / "told"
        checkpoint = tmp_path / "checkpoint"
        adoptable = shell(
            "a",
            diary(tmp_path / "diary", told),
            on_region_loss=ADOPT,
            checkpoint=str(checkpoint),
            grace={"seconds": 5},
        )
        job_id = (await taken(north, adoptable)).job_id
        waits_id = (await taken(north, shell("w", diary(tmp_path / "waits", told)))).job_id
        running = await north.state(job_id, RUNNING)
        await north.state(waits_id, RUNNING)

        async with cuts.north():
            leader = await adopted(regions, "north")
            await eventually(lambda: began_again(tmp_path / "diary"))
            # The region that is cut off can't know; it says from when its news is, and that it is its own.
            old = await north.get(job_id)
            assert old.answered_by == "north"
            assert old.as_of.ToMicroseconds() >= running.started_at.ToMicroseconds()
            # Beyond the cut nobody doubts who has it.
            job = await regions[leader].get(job_id, with_timeline=True)
            assert (job.state, job.answered_by) == (RUNNING, leader)
            assert job.region in ("east", "west")
            assert not job.HasField("as_of")
            entries = [(entry.what, entry.reason.code) for entry in job.timeline]
            assert ("RUNNING in north", "STARTED") in entries
            assert "ADOPTED" in [code for _, code in entries]

        async def same_from_north() -> bool:
            told_by_north = await north.get(job_id)
            return told_by_north.region == job.region and not told_by_north.HasField("as_of")

        async with asyncio.timeout(10):
            await eventually(same_from_north)
            await eventually(lambda: nothing_left(regions, job_id))
        status = await north.status()
        assert status.orphans == 0
        assert status.jobs_let_go == 1
        assert (await regions[leader].status()).jobs_taken_over == 1

        told.touch()
        ended = await north.state(job_id, SUCCEEDED)
        assert (await north.state(waits_id, SUCCEEDED)).attempt == 1
        whole = (await regions[leader].get(job_id, with_timeline=True)).timeline
        assert {entry.region for entry in whole} >= {"north", leader}
        assert [entry.at.ToMicroseconds() for entry in whole] == sorted(
            entry.at.ToMicroseconds() for entry in whole
        )
        # In this order, by the tasks' own word: nothing overlaps.
        assert [line[:3] for line in lines(tmp_path / "diary")] == [
            ["began", "north", "1"],
            ["saved", "north", "1"],
            ["began", ended.region, str(ended.epoch)],
            ["ended", ended.region, str(ended.epoch)],
        ]
        attempts = [int(line[3]) for line in lines(tmp_path / "diary")]
        assert attempts == sorted(attempts)
        assert attempts[0] < attempts[2] == ended.attempt
        assert {line[4] for line in lines(tmp_path / "diary")} == {str(checkpoint)}
        assert [line[:2] for line in lines(tmp_path / "waits")] == [["began", "north"], ["ended", "north"]]


async def began_again(path: Path) -> bool:
    return [line[0] for line in lines(path)].count("began") == 2


async def nothing_left(regions: League, job_id: str) -> bool:
    """Whether north's engine has forgotten the job."""
    records = regions["north"].daemon.config.data_dir / TASKS_DIRECTORY / RECORDS
    return not [path.name for path in records.iterdir() if path.name.startswith(job_id)]
