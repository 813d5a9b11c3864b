"""A region's ledger is lost, and put back from a copy or begun anew, while the league it belongs to is at work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import grpc
import pytest

from hanse.daemon.ledger_ids import LEDGER_FILE
from hanse.ledger.backup import backup, begin_empty, restore
from hanse.ledger.connection import connect_read_only
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from tests.daemon.league import (
    League,
    Place,
    eventually,
    league,
    led_by_their_homes,
    shell,
    until_exists,
)
from tests.daemon.test_old_disk import trusted
from tests.daemon.test_regions_together import acquainted
from tests.daemon.test_shards_together import FEDERATION, REGIONS, TIMINGS

RUNNING, SUCCEEDED = common_pb2.JOB_STATE_RUNNING, common_pb2.JOB_STATE_SUCCEEDED
ADOPT = jobs_pb2.ON_REGION_LOSS_ADOPT


@asynccontextmanager
async def at_work(directory: Path) -> AsyncIterator[League]:
    """Three regions with real tasks, which guard each other's adoptable jobs."""
    async with league(
        directory, *REGIONS, executor="local", federation=FEDERATION, timings=TIMINGS
    ) as regions:
        await acquainted(regions)
        await eventually(lambda: led_by_their_homes(regions))
        yield regions


@pytest.mark.parametrize("has_copy", [True, False], ids=["from a copy", "begun empty"])
async def test_after_a_restore_all_adoptable_jobs_are_there_again_and_none_runs_twice(
    tmp_path: Path, has_copy: bool
) -> None:
    go = tmp_path / "go"
    async with at_work(tmp_path) as regions:
        north = regions["north"]
        ledger, copy = tmp_path / "data-north" / LEDGER_FILE, tmp_path / "copy.db"
        early = [await submitted(regions, tmp_path, f"early-{each}", go) for each in range(2)]
        with closing(connect_read_only(ledger)) as connection:
            assert backup(connection, copy).region == "north"
        # More than north has room for: some run elsewhere, some wait.
        late = [await submitted(regions, tmp_path, f"late-{each}", go, cpu=3000) for each in range(5)]
        (result,) = await north.submit(shell("wait", until_exists(go), cpu=1000))
        waits_id = result.job.job_id
        for job_id in early:
            await north.state(job_id, RUNNING)

        await regions.stop("north")
        for file in ledger.parent.glob("ledger.db*"):
            file.unlink()
        if has_copy:
            restore(copy, ledger, "north")
        else:
            begin_empty(ledger, "north")
        north = await regions.start("north")
        await eventually(lambda: trusted(north))
        go.touch()

        for job_id in (*early, *late):
            for name in REGIONS:
                await regions[name].state(job_id, SUCCEEDED)
        assert not (tmp_path / "twice").exists()
        ended = (tmp_path / "ended").read_text().split()
        assert sorted(ended) == sorted([*early, *late]), "each ran to its end once"
        # A `wait` job that was accepted after the copy, and that no member had to do with, is gone.
        await eventually(lambda: is_unknown(north, waits_id))


async def is_unknown(place: Place, job_id: str) -> bool:
    """Whether the region says so. (Until its shard is led, it says that it can't tell.)"""
    try:
        await place.get(job_id)
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.NOT_FOUND
    return False


async def submitted(regions: League, directory: Path, key: str, go: Path, cpu: int = 1000) -> str:
    """An adoptable job that ends when `go` exists; it tells if another task of it lives, and when it has ended."""
    lock, twice, ended = directory / f"{key}.lock", directory / "twice", directory / "ended"
    script = (
        f"exec 9>{lock}; flock -n 9 || echo $HANSE_JOB_ID >>{twice}; "
        f"{until_exists(go)}; [ -e {go} ] && echo $HANSE_JOB_ID >>{ended}"
    )
    (result,) = await regions["north"].submit(shell(key, script, cpu=cpu, on_region_loss=ADOPT))
    assert result.HasField("job"), result
    job_id: str = result.job.job_id
    return job_id
