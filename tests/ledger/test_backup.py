"""Copies: whole, verified, and put back."""

# ruff: noqa: ASYNC240 -- nothing else runs in the loop of these tests

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hanse.core.model.regions import Position
from hanse.core.rows import Writes
from hanse.ledger.anchor import AnchorVerdict
from hanse.ledger.backup import restore, verify
from hanse.ledger.errors import LedgerRefused, RefusedKind
from hanse.ledger.ledger import Ledger
from tests.ledger.samples import REGION, commit, done_row, dumped, job_row, one_of_each, steps, submits


async def test_a_backup_holds_everything_and_is_restored_as_it_was(
    ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    await commit(ledger, one_of_each(), submits(10, 50))
    copy = tmp_path / "copy.db"
    verified = await ledger.backup(copy)
    assert verified == verify(copy)
    assert (verified.region, verified.position, verified.jobs) == (REGION, Position(1, 2), 51)
    assert verified.shard_records == 1
    restored = tmp_path / "elsewhere.db"
    restore(copy, restored)
    assert dumped(restored) == dumped(path)
    again = await Ledger.open(restored, region=REGION)
    assert again.opened.ledger_id == ledger.opened.ledger_id
    await again.close()


async def test_a_backup_is_one_state_while_commits_go_on(ledger: Ledger, tmp_path: Path) -> None:
    """Every commit adds two jobs; a copy that saw half of one would have an odd number."""
    stop = asyncio.Event()

    async def commits() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await ledger.commit(
                steps(Writes(jobs=[done_row(2 * number), done_row(2 * number + 1)]), first=number)
            )

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(commits())
        for name in ("a", "b", "c"):
            verified = await ledger.backup(tmp_path / name)
            assert verified.jobs == 2 * verified.position.write_sequence
        stop.set()


async def test_a_job_in_several_shards_is_counted_once(ledger: Ledger, tmp_path: Path) -> None:
    adoptable = [job_row(1, shard=shard) for shard in ("north", "south")]
    await commit(ledger, Writes(jobs=[*adoptable, job_row(2, shard="south"), job_row(3)]))
    assert (await ledger.backup(tmp_path / "copy.db")).jobs == 3


async def test_a_backup_never_replaces_a_file(ledger: Ledger, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await ledger.backup(copy)
    with pytest.raises(FileExistsError):
        await ledger.backup(copy)


async def test_nor_does_a_restore(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await ledger.backup(copy)
    with pytest.raises(LedgerRefused) as refused:
        restore(copy, path)
    assert refused.value.kind is RefusedKind.LOCKED
    await ledger.close()
    with pytest.raises(FileExistsError, match="move it away"):
        restore(copy, path)


async def test_a_damaged_copy_is_not_restored(ledger: Ledger, tmp_path: Path) -> None:
    await commit(ledger, submits(0, 200))
    copy = tmp_path / "copy.db"
    await ledger.backup(copy)
    content = bytearray(copy.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    copy.write_bytes(content)
    with pytest.raises(LedgerRefused) as refused:
        restore(copy, tmp_path / "new.db")
    assert refused.value.kind is RefusedKind.CORRUPT
    assert not (tmp_path / "new.db").exists()


async def test_a_restored_ledger_is_known_to_be_old(path: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    ledger = await Ledger.open(path, region=REGION, anchor_path=anchor)
    copy = tmp_path / "copy.db"
    await ledger.backup(copy)
    await ledger.close()
    await (await Ledger.open(path, region=REGION, anchor_path=anchor)).close()
    path.unlink()
    restore(copy, path)
    restored = await Ledger.open(path, region=REGION, anchor_path=anchor)
    assert restored.opened.anchor is AnchorVerdict.AHEAD
    assert restored.opened.doubt == Position(2, 0)
    await restored.close()


async def test_a_restored_ledger_knows_itself_that_it_is_old(ledger: Ledger, tmp_path: Path) -> None:
    await commit(ledger, submits(0, 3))
    copy, path = tmp_path / "copy.db", tmp_path / "new.db"
    await ledger.backup(copy)
    restore(copy, path)
    assert [each.name for each in tmp_path.glob("new.db*") if each.name != "new.db.lock"] == ["new.db"]
    restored = await Ledger.open(path, region=REGION)
    assert restored.opened.anchor is AnchorVerdict.NONE
    assert (await restored.load_snapshot()).disk_is_old
    await restored.close()
