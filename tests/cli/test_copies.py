"""`hanse region backup` and `restore`, on real ledgers without a daemon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hanse.cli.exits import ExitCode
from hanse.ledger.ledger import Ledger
from hanse.ledger.lock import DaemonLock
from tests.cli.conftest import Ran
from tests.cli.test_json import check, golden
from tests.ledger.samples import commit, submits

__all__ = ["golden"]

MEMBERS = ("north", "east", "west")


@pytest.fixture
def region(tmp_path: Path) -> Path:
    """North's data directory, with 5 jobs in its ledger; its daemon is not running."""
    data = tmp_path / "data-north"
    data.mkdir()
    (tmp_path / "north.toml").write_text(_config("north"))
    (tmp_path / "east.toml").write_text(_config("east", data_of="north"))

    async def fill() -> None:
        ledger = await Ledger.open(data / "ledger.db", region="north")
        await commit(ledger, submits(0, 5))
        await ledger.close()

    asyncio.run(fill())
    return data


def _config(name: str, data_of: str = "") -> str:
    members = "\n".join(
        f'[[members]]\nname = "{each}"\npeer_address = "{each}.example:7102"' for each in MEMBERS
    )
    return (
        f'[region]\nname = "{name}"\ncluster_id = "test"\ndata_dir = "data-{data_of or name}"\n'
        f'[listen]\npublic = "127.0.0.1:0"\npeers = "127.0.0.1:0"\n{members}\n'
        '[[nodes]]\nname = "n"\nclass = "standard"\nresources = { cpu = 1000 }\n'
    )


def _take_away(data: Path) -> None:
    for file in data.glob("ledger.db*"):
        file.unlink()


def test_a_copy_is_made_and_put_back_and_tells_what_follows(
    hanse: Callable[..., Ran], region: Path, golden: dict[str, list[str]]
) -> None:
    made = hanse("region", "backup", "copy.db", "--config", "north.toml", "-o", "json")
    assert made.code == ExitCode.OK, made.err
    check(golden, "region backup", [made.document])
    assert (made.document["region"], made.document["jobs"]) == ("north", 5)
    _take_away(region)
    restored = hanse("region", "restore", "copy.db", "--config", "north.toml", "-o", "json").document
    check(golden, "region restore", [restored])
    assert restored["ledger_id"] == made.document["ledger_id"]
    assert restored["asks"] == ["east", "west"]
    assert sorted(restored["guardians"]) == ["east", "west"]
    told = "\n".join(restored["next"])
    for word in ("quarantine", "east, west", "adoptable jobs", "after the copy was made", "client keys"):
        assert word in told


def test_people_are_told_the_same(hanse: Callable[..., Ran], region: Path) -> None:
    assert "5 jobs" in hanse("region", "backup", "copy.db", "--config", "north.toml").out
    _take_away(region)
    ran = hanse("region", "restore", "copy.db", "--config", "north.toml")
    assert "5 jobs" in ran.out
    assert "quarantine" in ran.err


def test_an_empty_ledger_is_begun_as_an_old_one(hanse: Callable[..., Ran], region: Path) -> None:
    _take_away(region)
    restored = hanse("region", "restore", "--empty", "--config", "north.toml", "-o", "json").document
    assert (restored["empty"], restored["jobs"], restored["incarnation"]) == (True, 0, 0)
    assert "the ledger that was lost" in "\n".join(restored["next"])

    async def opened() -> tuple[str, bool]:
        ledger = await Ledger.open(region / "ledger.db", region="north")
        snapshot = await ledger.load_snapshot()
        await ledger.close()
        return snapshot.ledger_id, snapshot.disk_is_old

    assert asyncio.run(opened()) == (restored["ledger_id"], True)


def test_the_id_that_was_prepared_for_a_ledger_is_used_once(hanse: Callable[..., Ran], region: Path) -> None:
    _take_away(region)
    prepared = hanse("federation", "keygen", "--data-dir", str(region), "-o", "json").document["ledger_id"]
    restored = hanse("region", "restore", "--empty", "--config", "north.toml", "-o", "json").document
    assert restored["ledger_id"] == prepared
    assert not (region / "ledger.id").exists()


def test_what_cannot_be_right_is_refused_and_nothing_changes(
    hanse: Callable[..., Ran], region: Path, tmp_path: Path
) -> None:
    assert hanse("region", "backup", "copy.db", "--config", "north.toml").code == ExitCode.OK
    before = sorted(region.iterdir())

    def refused(*arguments: str) -> str:
        ran = hanse("region", *arguments, "-o", "json")
        assert ran.code != ExitCode.OK
        assert sorted(each for each in region.iterdir() if each.suffix != ".lock") == sorted(
            each for each in before if each.suffix != ".lock"
        )
        message: str = json.loads(ran.err)["error"]["message"]
        return message

    assert "exists: move it away" in refused("restore", "copy.db", "--config", "north.toml")
    assert "exists: move it away" in refused("restore", "--empty", "--config", "north.toml")
    assert "what is to be restored" in refused("restore", "--config", "north.toml")
    assert "copy.db exists" in refused("backup", "copy.db", "--config", "north.toml")
    assert "is of region north, not east" in refused("backup", "other.db", "--config", "east.toml")
    assert not (tmp_path / "other.db").exists()
    lock = DaemonLock(region / "ledger.db")
    try:
        assert "in use by another daemon" in refused("restore", "copy.db", "--config", "north.toml")
    finally:
        lock.release()
    _take_away(region)
    before = []
    assert "is of region north, not east" in refused("restore", "copy.db", "--config", "east.toml")
    (tmp_path / "bad.db").write_bytes(b"nothing")
    assert "not a sound ledger" in refused("restore", "bad.db", "--config", "north.toml")
    assert "No such file" in refused("restore", "missing.db", "--config", "north.toml")
    for file in region.iterdir():
        file.unlink()
    region.rmdir()
    assert "does not exist" in hanse("region", "restore", "copy.db", "--config", "north.toml").err
    assert "there is no ledger" in hanse("region", "backup", "next.db", "--config", "north.toml").err
