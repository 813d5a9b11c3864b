"""One life of a region after another: failed transactions, restarts, signals, exit codes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from hanse.core.effects import Effects
from hanse.core.model import limits
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.executors.local.records import RECORDS, parse_record
from hanse.ledger.errors import FailedKind, LedgerFailed, LedgerRefused, RefusedKind
from hanse.ledger.ledger import Ledger
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from tests.daemon.league import DEADLINE_S, Place, eventually, league, shell, submission, until_exists

RUNNING, SUCCEEDED = common_pb2.JOB_STATE_RUNNING, common_pb2.JOB_STATE_SUCCEEDED


class Disk:
    """Fails the next commits that are asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures = 0
        self._commit = Ledger.commit
        disk = self

        async def commit(ledger: Ledger, batch: Sequence[Effects]) -> None:
            if disk.failures:
                disk.failures -= 1
                raise LedgerFailed(FailedKind.IO, "commit: disk I/O error")
            await disk._commit(ledger, batch)

        monkeypatch.setattr(Ledger, "commit", commit)


async def test_a_failed_transaction_tells_the_caller_nothing_and_the_region_begins_anew_from_its_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        (before,) = await north.submit(submission("before"))
        await north.state(before.job.job_id, SUCCEEDED)

        disk.failures = 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await north.submit(submission("lost"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

        await asyncio.wait_for(north.daemon.runtime.alive.wait(), DEADLINE_S)
        assert (await north.status()).incarnation == 2
        assert [job.client_key for job in (await north.list()).jobs] == ["before"]
        (again,) = await north.submit(submission("lost"))
        assert not again.job.existed
        await north.state(again.job.job_id, SUCCEEDED)


async def test_running_tasks_outlive_a_life_of_the_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        go, begun = tmp_path / "go", tmp_path / "begun"
        script = f"echo $$ >> {begun}; {until_exists(go)}"
        (result,) = await north.submit(shell("slow", script))
        await eventually(lambda: asyncio.to_thread(begun.exists))

        disk.failures = 1
        with pytest.raises(grpc.aio.AioRpcError):
            await north.submit(submission("lost"))
        await asyncio.wait_for(north.daemon.runtime.alive.wait(), DEADLINE_S)
        go.touch()

        job = await north.state(result.job.job_id, SUCCEEDED)
        assert job.attempt == 1
        assert len(begun.read_text().splitlines()) == 1


async def test_a_job_whose_supervisor_is_killed_runs_again_and_keeps_its_retries(tmp_path: Path) -> None:
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        go, begun = tmp_path / "go", tmp_path / "begun"
        (result,) = await north.submit(shell("slow", f"echo $$ >> {begun}; {until_exists(go)}"))
        await eventually(lambda: asyncio.to_thread(begun.exists))
        (record,) = (tmp_path / "data-north" / TASKS_DIRECTORY / RECORDS).iterdir()
        supervised = parse_record(record.read_bytes()).supervised
        assert supervised is not None
        os.kill(supervised.supervisor.pid, signal.SIGKILL)

        await eventually(lambda: asyncio.to_thread(lambda: begun.read_text().count("\n") == 2))
        go.touch()
        await north.state(result.job.job_id, SUCCEEDED)
        job = await north.get(result.job.job_id, with_timeline=True)
        assert job.attempt == 2
        assert [entry.reason.code for entry in job.timeline if entry.what == "QUEUED"][1:] == ["LOST_TASK"]


async def test_a_region_that_fails_again_and_again_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)

    async def fail() -> None:
        async with league(tmp_path, "north") as regions:
            disk.failures = 1_000
            daemon = regions["north"].daemon
            for _ in range(limits.REBUILDS_MAX + 1):
                await eventually(lambda: _alive_or_done(regions))
                with pytest.raises(grpc.aio.AioRpcError):
                    await regions["north"].submit(submission("lost"))
            await asyncio.wait({regions.running["north"][1]}, timeout=DEADLINE_S)
            assert daemon.metrics.rebuilds.collect()[0].samples[0].value == limits.REBUILDS_MAX + 1

    with pytest.raises(ExceptionGroup) as caught:
        await fail()
    assert caught.group_contains(LedgerFailed)


class FullDisk:
    """Has no room for a commit, and none to open the ledger again for so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusals: int) -> None:
        self.refusals = refusals
        self.is_full = False
        commit, open_ = Ledger.commit, Ledger.open
        disk = self

        async def commit_or_fail(ledger: Ledger, batch: Sequence[Effects]) -> None:
            if disk.is_full:
                raise LedgerFailed(FailedKind.FULL, "commit: database or disk is full")
            await commit(ledger, batch)

        async def open_or_refuse(path: Path, **options: Any) -> Ledger:
            if disk.is_full and disk.refusals:
                disk.refusals -= 1
                raise LedgerRefused(RefusedKind.FULL, "there is no room to open the ledger")
            disk.is_full = False
            return await open_(path, **options)

        monkeypatch.setattr(Ledger, "commit", commit_or_fail)
        monkeypatch.setattr(Ledger, "open", open_or_refuse)
        monkeypatch.setattr(limits, "REOPEN_PAUSE_US", 1_000)


async def test_a_full_disk_that_cannot_even_be_opened_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch, refusals=limits.REBUILDS_MAX - 1)
    with structlog.testing.capture_logs() as logs:
        async with league(tmp_path, "north") as regions:
            north = regions["north"]
            disk.is_full = True
            with pytest.raises(grpc.aio.AioRpcError):
                await north.submit(submission("lost"))
            await eventually(lambda: _alive_or_done(regions))
            (result,) = await north.submit(submission("kept"))
            await north.state(result.job.job_id, SUCCEEDED)
    kinds = [entry["kind"] for entry in logs if entry["event"] == "region.failed"]
    assert kinds == ["LedgerFailed"] + (limits.REBUILDS_MAX - 1) * ["LedgerRefused"], (
        "the causes, not their groups"
    )


async def test_a_disk_that_stays_full_ends_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch, refusals=1_000)

    async def fail() -> None:
        async with league(tmp_path, "north") as regions:
            disk.is_full = True
            with pytest.raises(grpc.aio.AioRpcError):
                await regions["north"].submit(submission("lost"))
            await asyncio.wait({regions.running["north"][1]}, timeout=DEADLINE_S)

    with pytest.raises(ExceptionGroup) as caught:
        await fail()
    assert caught.group_contains(LedgerRefused)
    assert disk.refusals == 1_000 - limits.REBUILDS_MAX


async def test_shutting_down_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        calls = [north.submit(*(submission(f"{i}-{k}") for k in range(50))) for i in range(8)]
        stopping = eventually(lambda: _stopped_while_asked(north))

        answers = await asyncio.gather(*calls, stopping, return_exceptions=True)

        acknowledged = {result.job.job_id for each in answers if isinstance(each, list) for result in each}
        await regions.stop("north")
        await regions.start("north")
        kept = {job.id for job in (await regions["north"].list(page_size=1000)).jobs}
        assert acknowledged <= kept


async def test_streams_are_told_that_the_region_goes_and_do_not_hold_it_up(tmp_path: Path) -> None:
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        go = tmp_path / "go"
        (result,) = await north.submit(shell("slow", f"echo begin; {until_exists(go)}"))
        await north.state(result.job.job_id, RUNNING)
        logs = jobs_pb2.StreamLogsRequest(job_id=result.job.job_id, follow=True)
        calls = [
            north.jobs.WatchJobs(jobs_pb2.WatchJobsRequest(), timeout=DEADLINE_S),
            north.jobs.StreamLogs(logs, timeout=DEADLINE_S),
        ]
        for call in calls:
            await call.read()

        begin_s = time.monotonic()
        north.daemon.stop()
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await regions.stop("north")
        assert time.monotonic() - begin_s < limits.SHUTDOWN_TIMEOUT_S / 2
        go.touch()


# --- as a process ----------------------------------------------------------------------------------------------------

CONFIG = """
[region]
name = "north"
cluster_id = "test"
data_dir = "data"
[listen]
public = "127.0.0.1:0"
peers = "127.0.0.1:0"
[[members]]
name = "north"
peer_address = "127.0.0.1:1"
[[nodes]]
name = "n1"
class = "c"
resources = { cpu = 1000 }
[executor]
kind = "simulated"
"""


async def serve(config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hanse.cli",
        "serve",
        "--config",
        str(config),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "services"},
    )


async def test_sigterm_ends_the_process_with_0(tmp_path: Path) -> None:
    (tmp_path / "north.toml").write_text(CONFIG)
    process = await serve(tmp_path / "north.toml")
    assert process.stderr is not None
    async with asyncio.timeout(DEADLINE_S):
        while b"region.alive" not in (line := await process.stderr.readline()):
            assert line, "it ended before it was alive"
        process.send_signal(signal.SIGTERM)
        _, log = await process.communicate()
    assert process.returncode == 0, log
    assert b"daemon.stopped" in log


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (('name = "north"\ncluster', 'name = "south"\ncluster'), 2, b"region.name: 'south' is not among"),
        (('kind = "simulated"', 'kinds = "simulated"'), 2, b"executor.kinds: unknown key"),
        (('public = "127.0.0.1:0"', 'public = "192.0.2.1:7"'), 1, b"cannot listen"),
    ],
    ids=["not a member", "unknown key", "no such address"],
)
async def test_exit_codes_tell_a_wrong_configuration_from_a_machine_that_fails(
    tmp_path: Path, change: tuple[str, str], code: int, told: bytes
) -> None:
    (tmp_path / "north.toml").write_text(CONFIG.replace(*change))

    process = await serve(tmp_path / "north.toml")
    _, log = await asyncio.wait_for(process.communicate(), DEADLINE_S)

    assert process.returncode == code, log
    assert told in log


async def test_a_damaged_ledger_is_refused_with_1(tmp_path: Path) -> None:
    (tmp_path / "north.toml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    sqlite3.connect(tmp_path / "data" / "ledger.db").execute("CREATE TABLE other (x)").connection.close()

    process = await serve(tmp_path / "north.toml")
    _, log = await asyncio.wait_for(process.communicate(), DEADLINE_S)

    assert process.returncode == 1, log
    assert b"LedgerRefused" in log


async def _stopped_while_asked(place: Place) -> bool:
    if place.daemon.runtime.requests_in_flight:
        place.daemon.stop()
    return bool(place.daemon.runtime.requests_in_flight)


async def _alive_or_done(regions: Any) -> bool:
    place, task, _ = regions.running["north"]
    return place.daemon.runtime.alive.is_set() or task.done()
