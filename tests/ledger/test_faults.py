"""What is promised when something breaks: what was acknowledged is there, and every transaction whole or not at all."""

# ruff: noqa: ASYNC221, ASYNC240 -- nothing else runs in the loop of these tests

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hanse.ledger.errors import FailedKind, LedgerFailed, failed_kind
from hanse.ledger.ledger import Ledger
from hanse.ledger.queries import revision
from tests.ledger import writer_process
from tests.ledger.samples import REGION, commit, count, dumped, job_id, submits
from tests.ledger.writer_process import JOBS

ROOT = Path(__file__).parents[2]


@contextmanager
def writer(path: Path, file_size_max: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A process that commits transactions and says so."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'services'}:{ROOT}"}
    command = [sys.executable, writer_process.__file__, str(path), str(file_size_max)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


async def check_whole(path: Path, acknowledged: int) -> int:
    """Every acknowledged transaction is there, and each that is there is whole. Returns how many there are."""
    ledger = await Ledger.open(path, region=REGION)
    rows = dumped(path)
    written = (await ledger.read(revision)).write_sequence // 2
    await ledger.close()
    assert written >= acknowledged
    expected = [job_id(number) for number in range(written * JOBS)]
    assert [row[0] for row in rows["jobs"]] == expected
    assert [row[0] for row in rows["timeline"]] == expected
    return written


async def test_after_kill_9_all_that_was_acknowledged_is_there_and_no_transaction_in_part(path: Path) -> None:
    acknowledged = 0
    for acknowledgements in (1, 23, 60):
        with writer(path) as process:
            assert process.stdout is not None
            for _ in range(acknowledgements):
                acknowledged = int(process.stdout.readline()) + 1
            # In the middle of whatever it does now.
            process.kill()
            acknowledged += len([line for line in process.stdout.read().split(b"\n")[:-1] if line])
        assert await check_whole(path, acknowledged) <= acknowledged + 1


async def test_a_file_that_may_not_grow_fails_the_commit_and_loses_nothing(path: Path) -> None:
    with writer(path, file_size_max=600_000) as process:
        said = process.communicate(timeout=30)[0].split()
    assert process.returncode == 0
    assert FailedKind(said[-1].decode()) in (FailedKind.IO, FailedKind.FULL)
    acknowledged = len(said) - 1
    assert acknowledged > 0
    assert await check_whole(path, acknowledged) == acknowledged
    with writer(path) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == acknowledged, "with room again it goes on where it was"


async def test_a_full_database_fails_the_commit_and_the_ledger_until_it_is_opened_anew(path: Path) -> None:
    ledger = await Ledger.open(path, region=REGION)
    await commit(ledger, submits(0, 10))

    def allow_one_more_page(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    await ledger._writer.run(allow_one_more_page)
    before = dumped(path)
    for _ in range(2):
        with pytest.raises(LedgerFailed) as caught:
            await commit(ledger, submits(10, 500))
        assert caught.value.kind is FailedKind.FULL
    with pytest.raises(LedgerFailed, match="opened anew"):
        await ledger.read(revision)
    await ledger.close()
    ledger = await Ledger.open(path, region=REGION)
    assert dumped(path) == before
    await commit(ledger, submits(10, 500))
    await ledger.close()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small filesystem")
async def test_a_full_filesystem_fails_the_commit_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        path = disk / "ledger.db"
        with writer(path) as process:
            said = process.communicate(timeout=30)[0].split()
        assert said[-1].decode() == FailedKind.FULL
        acknowledged = len(said) - 1
        assert acknowledged > 0
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert await check_whole(path, acknowledged) == acknowledged
    finally:
        subprocess.run(["umount", disk], check=True)


async def test_a_failed_ledger_is_closed_without_touching_the_file(path: Path) -> None:
    """What the kernel could not write must not be taken for written: no checkpoint on the way out."""
    ledger = await Ledger.open(path, region=REGION)
    await commit(ledger, submits(0, 10))
    ledger.failure = LedgerFailed(FailedKind.IO, "sync failed")
    # Reading the file here would drop SQLite's locks on it.
    before = path.stat()
    await ledger.close()
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.with_name("ledger.db-wal").stat().st_size > 0
    with closing(sqlite3.connect(path)) as connection:
        assert count(connection, "jobs") == 10


async def test_another_process_that_keeps_the_write_lock_makes_the_commit_fail_as_busy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanse.ledger.connection.BUSY_TIMEOUT_S", 0.01)
    ledger = await Ledger.open(path, region=REGION)
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerFailed) as caught:
            await commit(ledger, submits(0, 1))
        assert caught.value.kind is FailedKind.BUSY
        shell.execute("ROLLBACK")
    await ledger.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, FailedKind.FULL),
        (sqlite3.SQLITE_IOERR_FSYNC, FailedKind.IO),
        (sqlite3.SQLITE_IOERR_WRITE, FailedKind.IO),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, FailedKind.BUSY),
        (sqlite3.SQLITE_CORRUPT_INDEX, FailedKind.CORRUPT),
        (sqlite3.SQLITE_NOTADB, FailedKind.CORRUPT),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, None),
        (sqlite3.SQLITE_MISUSE, None),
    ],
)
def test_kinds_of_failure(code: int, kind: FailedKind | None) -> None:
    error = sqlite3.OperationalError("text")
    error.sqlite_errorcode = code
    assert failed_kind(error) is kind
