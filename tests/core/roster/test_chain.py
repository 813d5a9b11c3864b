"""Which chain a region goes by, from its file and its ledger; and what any chain and any change comes to."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.federation.roster.chain import Chain, begun_by, config_in_force, open_chain, row_of
from hanse.core.federation.roster.checks import chain_faults, force_faults, proposal_faults
from hanse.core.federation.roster.drafts import successor
from hanse.core.federation.roster.faults import FaultKind, RosterConflict
from hanse.core.model import limits
from hanse.core.model.regions import RegionConfig
from hanse.core.model.roster import Roster, SignedRoster, decode_signed, encode_signed, sha256_of
from hanse.core.rows import RosterRow
from hanse.sim.keys import SimKeys
from tests.core.roster.league import (
    chain,
    countersigned,
    following,
    founded,
    in_force,
    member,
    signed,
)

KEYS = SimKeys()
FIRST = founded("north", "south", "west")
SECOND = following(FIRST, "north", "south", "west", "east")
THIRD = following(SECOND, "north", "south", "east")
LINE = chain(FIRST, SECOND, THIRD)


def rows(*documents: SignedRoster, in_force: bool = True) -> list[RosterRow]:
    return [row_of(each, in_force=in_force) for each in documents]


def head_of(configured: tuple[SignedRoster, ...], stored: list[RosterRow]) -> tuple[int, list[int]]:
    opened, lacking = open_chain(configured, stored, KEYS)
    return opened.head.epoch, [row.epoch for row in lacking]


def test_the_longer_of_file_and_ledger_counts_and_the_ledger_gets_what_it_lacks() -> None:
    assert head_of(LINE[:1], []) == (1, [1])
    assert head_of(LINE[:1], rows(*LINE)) == (3, [])
    assert head_of(LINE, rows(*LINE[:2])) == (3, [3])
    assert head_of(LINE, rows(*LINE)) == (3, [])


def test_a_vote_is_not_in_force() -> None:
    assert head_of(LINE[:1], rows(LINE[0]) + rows(LINE[1], in_force=False)) == (1, [])


def test_a_file_of_another_line_is_refused() -> None:
    other = following(FIRST, "north", "south", "west", issued_wall_us=9)

    with pytest.raises(RosterConflict, match="another roster of epoch 2"):
        open_chain(chain(FIRST, other), rows(*LINE), KEYS)
    with pytest.raises(RosterConflict, match="another roster of epoch 1"):
        open_chain(chain(founded("north", "south")), rows(*LINE), KEYS)


def test_a_file_that_is_no_chain_is_refused() -> None:
    for broken in ((), LINE[1:], (LINE[0], LINE[2]), (LINE[0], signed(SECOND))):
        with pytest.raises(RosterConflict):
            open_chain(broken, [], KEYS)


def test_a_league_is_founded_anew_by_a_file_with_a_higher_epoch() -> None:
    anew = founded("north", "south", epoch=7, guardians=0)

    assert head_of((signed(anew),), rows(*LINE)) == (7, [7])
    stored = [*rows(*LINE), *rows(signed(anew))]
    assert head_of((signed(anew),), stored) == (7, [])
    # The old file does not bring the old league back.
    assert head_of(LINE[:1], stored) == (7, [])


def config(name: str) -> RegionConfig:
    return RegionConfig(name=name, cluster_id="test", members=(), nodes=())


def test_what_a_region_is_told_follows_from_the_newest_roster() -> None:
    told = config_in_force(config("north"), Chain(LINE))

    assert told.roster_epoch == 3
    assert [each.name for each in told.members] == ["north", "south", "east"]
    assert [each.name for each in told.former] == ["west"]
    assert told.members[0].labels == (("zone", "north"),)
    assert {group.shard: group.version for group in told.groups_wanted} == {
        each.home: each.version for each in THIRD.guardian_sets
    }
    assert not told.removed


def test_a_roster_alone_never_moves_a_group() -> None:
    """Who keeps a log changes by the group's own agreement; the roster only says what is wanted."""
    told = config_in_force(config("north"), Chain(LINE))
    begun = {group.shard: group.members for group in told.groups}

    for home in (*THIRD.names, "west"):
        earliest = FIRST.guardians_of(home) or SECOND.guardians_of(home)
        assert earliest is not None
        assert begun[home] == earliest.members


def test_the_log_of_a_home_that_left_is_still_kept_and_nobody_takes_its_place_in_it() -> None:
    told = config_in_force(config("north"), Chain(LINE))

    assert "west" in {group.shard for group in told.groups}
    assert "west" not in {group.shard for group in told.groups_wanted}


def test_a_guardian_is_a_newcomer_to_the_log_of_a_home_that_was_away() -> None:
    """It never kept it: not before the home left, and not since. Who did may have promised something."""
    back = following(THIRD, "north", "south", "east", "west")
    line = Chain(chain(FIRST, SECOND, THIRD, back))
    guardians = back.guardians_of("west")

    assert guardians is not None
    assert guardians.members == ("west", "south", "east")
    assert "west" in begun_by(line, "east", "ledger-east")
    assert "west" not in begun_by(line, "east", "ledger-east-2")
    assert "west" not in begun_by(line, "south", "ledger-south")


def test_before_a_home_begins_a_log_it_asks_everybody_who_may_have_kept_one() -> None:
    assert config_in_force(config("north"), Chain(LINE)).keepers == ("north", "west", "south", "east")
    anew = founded("north", "south", "east", epoch=7)
    assert config_in_force(config("north"), Chain((signed(anew),))).keepers == anew.names


def test_a_region_that_was_removed_is_alone_and_knows_whom_to_hear() -> None:
    told = config_in_force(config("west"), Chain(LINE))

    assert told.removed
    assert [each.name for each in told.members] == ["west"]
    assert told.members[0].peer_address == "west:1"
    assert sorted(each.name for each in told.former) == ["east", "north", "south"]
    assert told.groups == ()


def test_who_took_over_an_address_is_not_told_in_the_name_of_another() -> None:
    moved = following(SECOND, "north", "south", "east")
    taken = [member("east", peer_address="west:1") if each.name == "east" else each for each in moved.members]
    told = config_in_force(
        config("north"), Chain(chain(FIRST, SECOND, msgspec.structs.replace(moved, members=tuple(taken))))
    )

    assert told.former == ()


# --- any chain, any change -------------------------------------------------------------------------------------------

NAMES = tuple(f"r{number}" for number in range(8))
SUBSETS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True)


@st.composite
def lines(draw: st.DrawFn) -> tuple[SignedRoster, ...]:
    """A league that changes one region at a time."""
    names = draw(SUBSETS)
    line = [signed(founded(*names, guardians=draw(st.sampled_from([0, 3, 5]))))]
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=6)):
        left = [each for each in names if each != name]
        names = (left or names) if name in names else [*names, name]
        if names != list(line[-1].roster.names):
            line.append(in_force(line[-1].roster, following(line[-1].roster, *names)))
    return tuple(line)


@given(lines())
def test_any_league_that_changes_one_region_at_a_time_stays_right(line: tuple[SignedRoster, ...]) -> None:
    assert chain_faults(line, KEYS) == []
    assert tuple(decode_signed(encode_signed(each)) for each in line) == line


@given(lines(), st.data())
def test_only_the_next_of_a_line_is_taken(line: tuple[SignedRoster, ...], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line) - 1))
    for number, document in enumerate(line):
        assert (force_faults(line[at].roster, document, KEYS) == []) == (number == at + 1)


@given(SUBSETS, st.data())
def test_two_majorities_that_vote_once_make_one_roster(names: list[str], data: st.DataObject) -> None:
    """However the members' votes fall on two successors, at most one of them comes into force."""
    previous = founded(*names, guardians=0)
    rivals = [following(previous, issued_wall_us=at) for at in (2, 3)]
    choices = {name: data.draw(st.sampled_from([0, 1])) for name in names}
    documents = [
        countersigned(signed(rival), [name for name in names if choices[name] == number])
        for number, rival in enumerate(rivals)
    ]

    assert sum(not force_faults(previous, each, KEYS) for each in documents) <= 1


@given(SUBSETS, st.data())
def test_one_changed_byte_is_noticed(names: list[str], data: st.DataObject) -> None:
    previous = founded(*names, guardians=0)
    packed = encode_signed(in_force(previous, following(previous)))
    at = data.draw(st.integers(0, len(packed) - 1))
    bent = packed[:at] + bytes([data.draw(st.integers(0, 255))]) + packed[at + 1 :]
    try:
        document = decode_signed(bent)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if force_faults(previous, document, KEYS) == []:
        assert sha256_of(document.roster) == sha256_of(following(previous))


def test_a_league_of_the_largest_size_fits() -> None:
    names = [f"region-{number}" for number in range(limits.ROSTER_MEMBERS_MAX)]
    first = founded(*names, guardians=0)
    second: Roster = successor(first, issued_wall_us=1, members=first.members[:-1])

    assert force_faults(first, in_force(first, second), KEYS) == []
    assert len(encode_signed(in_force(first, second))) < limits.SIGNED_ROSTER_BYTES_MAX
    refused = proposal_faults(first, signed(following(first, *names, "more")), KEYS)
    assert [each.kind for each in refused] == [FaultKind.INVALID]
