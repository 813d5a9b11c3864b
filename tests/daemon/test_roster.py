"""Real daemons with a signed roster: regions join and leave as they run, and nothing that is wrong changes anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import grpc
import msgspec
import pytest

from hanse.core.model.regions import Group, unpack_group
from hanse.core.model.roster import Roster, decode_signed
from hanse.daemon.errors import ConfigError
from hanse.daemon.keys import REGION_KEY_FILE, KeyFault, Keyring, generate, load, region_keys, verify
from hanse.daemon.ledger_ids import LEDGER_FILE
from hanse.daemon.rosters import read_roster_file, write_roster_file
from hanse.wire.gen.hanse.v1 import common_pb2, regions_pb2
from tests.daemon.league import eventually, free_addresses, led_by_their_homes, submission
from tests.daemon.league import league as static_league
from tests.daemon.signed import SignedLeague, following, signed_league
from tests.daemon.test_shards_together import FEDERATION, adoptable
from tests.daemon.test_shards_together import TIMINGS as GUARDED

NAMES = ("north", "east", "west")


async def test_a_fourth_region_joins_and_another_leaves_while_jobs_run(tmp_path: Path) -> None:
    async with signed_league(tmp_path, *NAMES) as (league, first):
        (submitted,) = await league["north"].submit(submission("before"))
        south = league.member("south", free_addresses(1)[0])
        second = following(first, members=[*first.members, south])
        progress = await league.propose("north", league.signed(second))
        assert progress.proposal.is_asking
        await league.at_epoch(2, *NAMES)

        chain = [decode_signed(each) for each in (await league.roster("east", 0)).following]
        write_roster_file(league.file, tuple(chain))
        league.configure("south", south)
        await league.league.start("south")
        await league.ready(*NAMES, "south")
        third = following(second, members=[each for each in second.members if each.name != "west"])
        await league.propose("south", league.signed(third))
        await league.at_epoch(3, "north", "east", "south", "west")

        status = await league["west"].status()
        assert [each.code for each in status.impairments] == ["REMOVED"]
        assert (await league.roster("west")).removed
        await league.ready("north", "east", "south")
        assert {each.peer for each in (await league["north"].status()).channels} == {"east", "south"}
        job = await league["south"].state(submitted.job.job_id, common_pb2.JOB_STATE_SUCCEEDED)
        assert job.id == submitted.job.job_id
        (later,) = await league["south"].submit(submission("after"))
        await league["north"].state(later.job.job_id, common_pb2.JOB_STATE_SUCCEEDED)


async def test_a_region_that_was_down_catches_up_and_one_that_was_removed_is_told(tmp_path: Path) -> None:
    async with signed_league(tmp_path, *NAMES) as (league, first):
        await league.league.stop("west")
        second = following(first)
        await league.propose("north", league.signed(second))
        await league.at_epoch(2, "north", "east")
        await league.league.start("west")
        await league.at_epoch(2, "west")
        await league.ready(*NAMES)
        await league.league.stop("west")
        third = following(second, members=second.members[:2])
        await league.propose("north", league.signed(third))
        await league.at_epoch(3, "north", "east")
        await league.league.start("west")
        await league.at_epoch(3, "west")

        async def is_told() -> bool:
            # It may have said so in the last step before it is rebuilt.
            said = await league.quiet(league.roster("west"))
            return said is not None and said.removed

        await eventually(is_told)
        known = {each.region: each.epoch for each in (await league.roster("north")).known}
        assert known["west"] in (2, 3)


async def test_a_region_moves_to_another_address(tmp_path: Path) -> None:
    async with signed_league(tmp_path, *NAMES) as (league, first):
        (address,) = free_addresses(1)
        moved = [
            msgspec.structs.replace(each, peer_address=address) if each.name == "west" else each
            for each in first.members
        ]
        await league.propose("north", league.signed(following(first, members=moved)))
        await league.at_epoch(2, *NAMES)
        await league.league.stop("west")
        league.configure("west", moved[2])
        await league.league.start("west")
        await league.ready(*NAMES)


async def test_keys_of_the_operator_and_of_a_region_rotate(tmp_path: Path) -> None:
    async with signed_league(tmp_path, *NAMES) as (league, first):
        heir = generate(tmp_path / "heir.key")
        west = league.member("west", first.members[2].peer_address)
        second = following(first, operator_key=heir.public_key, members=[*first.members[:2], west])
        await league.propose("north", league.signed(second))
        await league.at_epoch(2, *NAMES)
        await league.ready(*NAMES)
        assert load(tmp_path / "data-west" / REGION_KEY_FILE).public_key == west.public_key
        third = following(second)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await league.propose("north", league.signed(third))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        await league.propose("west", league.signed(third, heir))
        await league.at_epoch(3, *NAMES)


WRONG: dict[str, tuple[Callable[[SignedLeague, Roster], object], grpc.StatusCode, str]] = {
    "a stranger's": (
        lambda league, first: league.signed(following(first), generate(league.directory / "stranger.key")),
        grpc.StatusCode.PERMISSION_DENIED,
        "operator_signature",
    ),
    "an older one": (
        lambda league, first: league.signed(msgspec.structs.replace(first, issued_wall_us=9)),
        grpc.StatusCode.FAILED_PRECONDITION,
        "epoch",
    ),
    "a gap": (
        lambda league, first: league.signed(following(following(first))),
        grpc.StatusCode.FAILED_PRECONDITION,
        "epoch",
    ),
    "two regions with one name": (
        lambda league, first: league.signed(
            following(
                first,
                members=[
                    *first.members,
                    msgspec.structs.replace(
                        first.members[0], peer_address="x:1", public_key="ab" * 32, ledger_id="x"
                    ),
                ],
            )
        ),
        grpc.StatusCode.INVALID_ARGUMENT,
        "members.name",
    ),
    "guardians in one failure domain": (
        lambda league, first: league.signed(
            following(
                first,
                members=[
                    *first.members[:2],
                    msgspec.structs.replace(first.members[2], labels={"zone": "east"}),
                ],
            )
        ),
        grpc.StatusCode.INVALID_ARGUMENT,
        "east and west are in one failure domain: zone = east",
    ),
    "no roster": (lambda league, first: b'{"roster": 1}', grpc.StatusCode.INVALID_ARGUMENT, "document"),
}


async def test_what_is_wrong_is_refused_by_field_and_nothing_changes(tmp_path: Path) -> None:
    async with signed_league(tmp_path, *NAMES, guardians=3) as (league, first):
        before = await league.roster("north")
        for what, (make, code, named) in WRONG.items():
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await league.propose("north", make(league, first))  # type: ignore[arg-type]
            assert refused.value.code() is code, what
            assert named in (refused.value.details() or ""), what
        after = await league.roster("north")
        assert (before.epoch, after.epoch, after.HasField("proposal")) == (1, 1, False)
        assert before.document == after.document


async def test_any_region_passes_questions_and_proposals_on(tmp_path: Path) -> None:
    async with signed_league(tmp_path, *NAMES) as (league, _):
        asked = regions_pb2.GetRosterRequest(region="west")
        assert (await league["north"].regions.GetRoster(asked, timeout=5)).roster.region == "west"


async def test_a_static_roster_says_how_to_get_a_signed_one(tmp_path: Path) -> None:
    async with (
        signed_league(tmp_path, "north", start=False) as (signed, first),
        static_league(tmp_path / "static", "south") as league,
    ):
        other = SignedLeague(tmp_path, league, signed.operator)
        assert (await other.roster("south")).document == b""
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await other.propose("south", signed.signed(following(first)))
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "hanse federation init" in (refused.value.details() or "")


def group_on_disk(directory: Path, region: str, shard: str) -> Group | None:
    """Who keeps the log of a shard, as this region's ledger has it."""
    path = directory / f"data-{region}" / LEDGER_FILE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        row = connection.execute('SELECT "group" FROM shard_states WHERE shard = ?', (shard,)).fetchone()
    return None if row is None else unpack_group(row[0])


async def test_a_guardian_gives_way_to_another_while_regions_run(tmp_path: Path) -> None:
    names = ("north", "east", "west", "south")
    async with signed_league(tmp_path, *names, guardians=3) as (league, first):
        sets = {each.home: each.members for each in first.guardian_sets}
        (stranger,) = set(names) - set(sets["north"])
        _, leaving, staying = sets["north"]
        wanted = ("north", stranger, staying)
        sets["north"] = wanted
        await league.propose("north", league.signed(following(first, sets=list(sets.values()))))
        await league.at_epoch(2, *names)

        async def is_replaced() -> bool:
            groups = [group_on_disk(tmp_path, name, "north") for name in wanted]
            return all(each is not None and (each.members, each.joining) == (wanted, ()) for each in groups)

        await eventually(is_replaced)
        assert group_on_disk(tmp_path, leaving, "north") is not None


async def test_adoptable_jobs_of_a_home_that_was_lost_and_removed_end_elsewhere(tmp_path: Path) -> None:
    names = ("north", "east", "west", "south")
    async with signed_league(tmp_path, *names, guardians=3, start=False) as (league, first):
        for name in names:
            league.league.configs[name]["federation"] |= FEDERATION
            league.league.configs[name]["timings"] |= GUARDED
            league.league.configs[name]["executor"]["duration_us"] = 4_000_000
            await league.league.start(name)
        await league.ready(*names)
        await eventually(lambda: led_by_their_homes(league.league))
        (submitted,) = await league["north"].submit(adoptable("runs"))
        job_id = submitted.job.job_id
        await league["north"].state(job_id, common_pb2.JOB_STATE_RUNNING)
        await league.league.stop("north")
        rest = [each for each in first.members if each.name != "north"]
        await league.propose("east", league.signed(following(first, members=rest)))
        await league.at_epoch(2, *names[1:])

        for name in names[1:]:
            job = await league[name].state(job_id, common_pb2.JOB_STATE_SUCCEEDED)
            assert (job.home, job.attempt > 1) == ("north", True)
        listed = await league["west"].list()
        assert job_id in [each.id for each in listed.jobs]
        assert list(listed.unreachable) == []
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await league["west"].submit(adoptable("late"), home="north")
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        # It comes back, learns that it is out, and leaves the job to those who have it.
        await league.league.start("north")
        await league.at_epoch(2, "north")
        assert (await league.roster("north")).removed
        status = await league["north"].status()
        assert not status.shards
        assert not any(status.jobs_by_state[state] for state in status.jobs_by_state)


async def test_a_rebuild_for_a_roster_is_no_failure(tmp_path: Path) -> None:
    """Four changes within a minute: more than the failures that end a daemon."""
    async with signed_league(tmp_path, "north") as (league, first):
        for epoch in range(2, 7):
            first = following(first)
            await league.ready("north")
            await league.propose("north", league.signed(first))
            await league.at_epoch(epoch, "north")

        async def alive() -> bool:
            return (await league.roster("north")).epoch == 6

        await eventually(alive)


# --- configuration and files -----------------------------------------------------------------------------------------


async def refusal_of(tmp_path: Path, change: Callable[[SignedLeague, Roster], None]) -> str:
    async with signed_league(tmp_path, "north", "east", start=False) as (league, first):
        change(league, first)
        with pytest.raises(ConfigError) as refused:
            await league.league.start("north")
        return str(refused.value)


def replaced(field: str, value: str) -> Callable[[SignedLeague, Roster], None]:
    def change(league: SignedLeague, first: Roster) -> None:
        league.league.configs["north"]["federation"][field] = value

    return change


async def test_a_region_refuses_a_roster_that_it_cannot_believe(tmp_path: Path) -> None:
    cases: dict[str, Callable[[SignedLeague, Roster], None]] = {
        "No such file": replaced("roster", "elsewhere.json"),
        "federation.operator: required": replaced("operator", ""),
        "founded by the operator's key": replaced("operator", "ab" * 16),
        "'north' is not among the members of epoch 1": lambda league, first: (
            league.found(first.members[1:]) and None
        ),
        "is no roster file": lambda league, first: league.file.write_text("{}") and None,
        "operator_signature": lambda league, first: write_roster_file(
            league.file, (league.signed(first, generate(league.directory / "stranger.key")),)
        ),
    }
    for number, (words, change) in enumerate(cases.items()):
        directory = tmp_path / str(number)
        directory.mkdir()
        assert words in await refusal_of(directory, change)


async def test_members_are_said_once(tmp_path: Path) -> None:
    def twice(league: SignedLeague, first: Roster) -> None:
        league.league.configs["north"]["members"] = [{"name": "north", "peer_address": "x:1"}]
        league.league.configs["north"]["federation"]["guardians"] = 3

    refused = await refusal_of(tmp_path, twice)
    assert "members: the signed roster says who they are" in refused
    assert "federation.guardians: is said by the signed roster" in refused


async def test_a_file_of_another_line_is_refused_at_the_start(tmp_path: Path) -> None:
    async with signed_league(tmp_path, "north") as (league, first):
        await league.league.stop("north")
        write_roster_file(league.file, (league.signed(msgspec.structs.replace(first, issued_wall_us=7)),))
        with pytest.raises(BaseExceptionGroup) as refused:
            await league.league.run_once("north")
        assert "another roster of epoch 1" in str(refused.value.exceptions)


def test_a_roster_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "roster.json"
    write_roster_file(file, ())
    assert read_roster_file(file) == ()


def test_a_key_signs_what_only_it_can_sign(tmp_path: Path) -> None:
    key, other = generate(tmp_path / "a.key"), generate(tmp_path / "b.key")
    signature = load(tmp_path / "a.key").sign(b"message")

    assert verify(key.public_key, b"message", signature)
    assert not verify(key.public_key, b"massage", signature)
    assert not verify(other.public_key, b"message", signature)
    assert not verify("no key", b"message", signature)
    assert not verify(key.public_key, b"message", "no signature")
    assert Keyring().sign(key.public_key, b"message") == ""


def test_a_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "region.key"
    key = generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.public_key not in path.read_text()
    with pytest.raises(KeyFault, match="never overwritten"):
        generate(path)
    path.chmod(0o640)
    with pytest.raises(KeyFault, match="may be read by others"):
        load(path)
    assert region_keys(tmp_path).public_keys == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFault, match=words):
        load(path)
    with pytest.raises(KeyFault, match="No such file"):
        load(tmp_path / "missing.key")


async def test_private_keys_are_in_no_ledger_and_no_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with signed_league(tmp_path, "north") as (league, first):
        await league.propose("north", league.signed(following(first)))
        await league.at_epoch(2, "north")
    secret = (tmp_path / "data-north" / REGION_KEY_FILE).read_text().splitlines()[1]
    said = capfd.readouterr()
    assert secret not in said.out + said.err
    for file in (tmp_path / "data-north").rglob("*"):
        if file.is_file() and file.name != REGION_KEY_FILE:
            assert secret.encode() not in file.read_bytes()
