"""What an open finds, begins and refuses."""

# ruff: noqa: ASYNC220, ASYNC240 -- nothing else runs in the loop of these tests

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hanse.core.model.regions import Position
from hanse.core.rows import Writes
from hanse.ledger.anchor import Anchor, AnchorVerdict, read_anchor, write_anchor
from hanse.ledger.errors import LedgerFailed, LedgerRefused, RefusedKind
from hanse.ledger.ledger import Ledger
from tests.ledger.samples import REGION, commit, dumped, submits

HOLDER = """
import sys
from pathlib import Path
from hanse.ledger.lock import DaemonLock
DaemonLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


async def refused(path: Path, region: str = REGION) -> LedgerRefused:
    with pytest.raises(LedgerRefused) as caught:
        await Ledger.open(path, region=region)
    return caught.value


async def test_each_open_is_a_new_incarnation_of_the_same_ledger(path: Path) -> None:
    first = await Ledger.open(path, region=REGION, new_ledger_id="abc")
    assert first.opened.created
    assert (first.opened.ledger_id, first.opened.incarnation, first.opened.before) == ("abc", 1, Position())
    await commit(first, submits(1, 1))
    await first.close()
    second = await Ledger.open(path, region=REGION, new_ledger_id="def")
    assert not second.opened.created
    assert second.opened.ledger_id == "abc"
    assert second.opened.before == Position(1, 1)
    assert second.position == Position(2, 1)
    await second.close()


async def test_a_drawn_ledger_id_is_never_the_same(tmp_path: Path) -> None:
    ids = set()
    for name in ("a", "b"):
        ledger = await Ledger.open(tmp_path / name, region=REGION)
        ids.add(ledger.opened.ledger_id)
        await ledger.close()
    assert len(ids) == 2


async def test_commits_are_synced_into_a_write_ahead_log(ledger: Ledger) -> None:
    def durability(connection: sqlite3.Connection) -> tuple[str, int]:
        journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
        return journal, connection.execute("PRAGMA synchronous").fetchone()[0]

    assert await ledger._writer.run(durability) == ("wal", 2)


async def test_readers_can_not_write(ledger: Ledger) -> None:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM meta")

    with pytest.raises(LedgerFailed, match="readonly"):
        await ledger.read(write)


async def test_a_reader_sees_one_state_throughout(ledger: Ledger) -> None:
    seen = []
    loop = asyncio.get_running_loop()

    def twice(connection: sqlite3.Connection) -> None:
        for _ in range(2):
            seen.append(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
            if len(seen) == 1:
                asyncio.run_coroutine_threadsafe(commit(ledger, submits(1, 5)), loop).result()

    await ledger.read(twice)
    assert seen == [0, 0]


async def test_a_second_daemon_is_refused_within_a_process(ledger: Ledger, path: Path) -> None:
    error = await refused(path)
    assert error.kind is RefusedKind.LOCKED


async def test_a_second_daemon_is_refused_across_processes(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        error = await refused(path)
        assert error.kind is RefusedKind.LOCKED
        assert f"process {holder.pid}" in str(error)
        holder.kill()
    # The lock dies with its holder.
    await (await Ledger.open(path, region=REGION)).close()


async def test_a_ledger_can_be_opened_again_after_it_was_closed_or_refused(path: Path) -> None:
    await (await Ledger.open(path, region=REGION)).close()
    assert (await refused(path, "south")).kind is RefusedKind.OTHER_REGION
    ledger = await Ledger.open(path, region=REGION)
    assert ledger.opened.incarnation == 2, "a refused open begins nothing"
    await ledger.close()


async def test_a_missing_directory_is_not_made(tmp_path: Path) -> None:
    assert (await refused(tmp_path / "unmounted" / "ledger.db")).kind is RefusedKind.NO_DIRECTORY


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"region = 'north'\n" * 100)
    assert (await refused(path)).kind is RefusedKind.CORRUPT


async def test_a_database_of_another_application_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert (await refused(path)).kind is RefusedKind.NOT_A_LEDGER
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("place", [0.0, 0.4, 0.9])
async def test_a_damaged_file_is_refused_and_left_alone(path: Path, place: float) -> None:
    ledger = await Ledger.open(path, region=REGION)
    await commit(ledger, submits(0, 500))
    await ledger.close()
    content = bytearray(path.read_bytes())
    # A whole page: the header, a page of rows, one near the end.
    start = int(len(content) * place) // 4096 * 4096
    for index in range(start, start + 4096):
        content[index] ^= 0xFF
    path.write_bytes(content)
    assert (await refused(path)).kind is RefusedKind.CORRUPT
    assert path.read_bytes() == content


# --- the anchor ----------------------------------------------------------------------------------------------------


async def opened_with(path: Path, anchor_path: Path) -> Ledger:
    return await Ledger.open(path, region=REGION, anchor_path=anchor_path, new_ledger_id="abc")


async def test_the_anchor_follows_the_ledger(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_path = tmp_path / "elsewhere.json"
    ledger = await opened_with(path, anchor_path)
    assert ledger.opened.anchor is AnchorVerdict.NONE
    assert read_anchor(anchor_path) == Anchor("abc", 1, 0)
    await commit(ledger, submits(1, 1))
    assert read_anchor(anchor_path) == Anchor("abc", 1, 0), "not at every commit"
    monkeypatch.setattr("hanse.ledger.ledger.ANCHOR_PERIOD_S", 0.0)
    await commit(ledger, submits(2, 1))
    assert read_anchor(anchor_path) == Anchor("abc", 1, 2)
    await ledger.close()
    again = await opened_with(path, anchor_path)
    assert again.opened.anchor is AnchorVerdict.AGREES
    assert read_anchor(anchor_path) == Anchor("abc", 2, 2)
    await again.close()


async def test_an_old_disk_is_noticed_at_every_open_until_somebody_resolves_it(
    path: Path, tmp_path: Path
) -> None:
    anchor_path = tmp_path / "anchor.json"
    await (await opened_with(path, anchor_path)).close()
    ahead = Anchor("abc", 1, 50)
    write_anchor(anchor_path, ahead)
    first = await opened_with(path, anchor_path)
    assert first.opened.anchor is AnchorVerdict.AHEAD
    assert first.opened.doubt == ahead.position
    await commit(first, submits(1, 1))
    await first.close()
    assert read_anchor(anchor_path) == ahead, "the evidence is kept"
    # By its incarnation the ledger is past the anchor now; the doubt stays.
    second = await opened_with(path, anchor_path)
    assert second.opened.doubt == ahead.position
    await second.resolve_doubt()
    assert read_anchor(anchor_path) == Anchor("abc", 3, 1)
    await second.close()
    third = await opened_with(path, anchor_path)
    assert (third.opened.anchor, third.opened.doubt) == (AnchorVerdict.AGREES, None)
    await third.close()


async def test_a_clean_shutdown_leaves_an_exact_anchor(path: Path, tmp_path: Path) -> None:
    anchor_path = tmp_path / "anchor.json"
    ledger = await opened_with(path, anchor_path)
    await commit(ledger, submits(1, 1))
    assert read_anchor(anchor_path) == Anchor("abc", 1, 0), "it was written a moment ago"
    await ledger.close()
    assert read_anchor(anchor_path) == Anchor("abc", 1, 1)


async def test_an_anchor_that_is_evidence_outlives_a_clean_shutdown(path: Path, tmp_path: Path) -> None:
    anchor_path = tmp_path / "anchor.json"
    await (await opened_with(path, anchor_path)).close()
    ahead = Anchor("abc", 1, 9)
    write_anchor(anchor_path, ahead)
    ledger = await opened_with(path, anchor_path)
    await commit(ledger, submits(1, 1))
    await ledger.close()
    assert read_anchor(anchor_path) == ahead


async def test_an_anchor_of_another_ledger_says_that_this_one_is_new(path: Path, tmp_path: Path) -> None:
    anchor_path = tmp_path / "anchor.json"
    write_anchor(anchor_path, Anchor("other", 9, 9))
    ledger = await opened_with(path, anchor_path)
    assert ledger.opened.anchor is AnchorVerdict.FOREIGN
    await ledger.close()
    assert read_anchor(anchor_path) == Anchor("other", 9, 9)


async def test_an_anchor_that_can_not_be_read_or_written_does_not_stop_the_region(
    path: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.json"
    torn.write_text("{")
    ledger = await opened_with(path, torn)
    assert ledger.opened.anchor is AnchorVerdict.UNREADABLE
    await ledger.close()
    ledger = await opened_with(path, tmp_path / "nowhere" / "anchor.json")
    await commit(ledger, Writes(meta=[("draining", "1")]))
    await ledger.close()
    assert dumped(path)["meta"] == [("draining", "1")]
