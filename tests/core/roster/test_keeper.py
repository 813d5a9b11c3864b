"""Members vote, gather, spread and adopt rosters; whoever is behind or gone is told, and not heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hanse.core.events import AskRoster, ProposeRoster
from hanse.core.messages import (
    RosterAnnounce,
    RosterDocument,
    RosterProposal,
    RosterRequest,
    RosterVote,
)
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.limits import GATHER_ALONE_US, ROSTER_ASKING_US
from hanse.core.model.roster import Roster, Round, SignedRoster, sha256_of
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Answer, Refused, RosterView
from tests.core.protocol.league import League
from tests.core.roster.league import chain, following, founded, member, members, signed

NAMES = ("east", "north", "south", "west")
FIRST = founded(*NAMES)


def league_of(
    *names: str, line: tuple[SignedRoster, ...] = (), connect: bool = True, **fields: Any
) -> League:
    """Regions with a signed roster, in session with each other."""
    line = line or (signed(founded(*names)),)
    return League(roster=line, connect=connect, **fields, **dict.fromkeys(names, 1))


def ask(league: League, region: str, make: Callable[[int], ProposeRoster | AskRoster]) -> Answer:
    league._requests += 1
    league.step(region, make(league._requests))
    return league.stations[region].answers[league._requests]


def propose(league: League, region: str, roster: Roster | SignedRoster) -> RosterView | Refused:
    document = roster if isinstance(roster, SignedRoster) else signed(roster)
    answer = ask(
        league,
        region,
        lambda n: ProposeRoster(request_id=n, signed=document, cause="operator"),
    )
    assert isinstance(answer, RosterView | Refused)
    return answer


def view(league: League, region: str, after: int = 1 << 50) -> RosterView:
    answer = ask(league, region, lambda n: AskRoster(request_id=n, after_epoch=after))
    assert isinstance(answer, RosterView)
    return answer


def isolate(league: League, name: str) -> None:
    """Nothing gets through between this region and any other."""
    for other in league.stations:
        league.cut(name, other)


def reconfigure(league: League, name: str, line: tuple[SignedRoster, ...]) -> None:
    """Another file is given to this region, and it starts anew."""
    league.crash(name)
    station = league.stations[name]
    station.config = msgspec.structs.replace(station.config, roster=line)
    league.restart(name)


def votes(league: League) -> list[RosterVote]:
    return [each for each in league.messages(RosterVote) if isinstance(each, RosterVote)]


def answered(league: League, region: str) -> str | None:
    """The newest round in which this region said anything, as its disk has it."""
    return league.stations[region].ledger.meta.get("roster_round")


def only_south_signs(league: League, region: str, roster: Roster) -> None:
    """It is handed in here, and only south is asked to countersign it as well; nobody hears of that."""
    league.hold_if(
        lambda parcel: (
            isinstance(parcel.message, RosterProposal)
            and not parcel.message.asks
            and (parcel.to != "south" or parcel.sender != region)
        )
    )
    league.hold_if(
        lambda parcel: (
            isinstance(parcel.message, RosterVote) and not parcel.message.asks and parcel.sender == "south"
        )
    )
    propose(league, region, roster)
    league.run_until(lambda: 2 in stored(league, "south"))


def epochs(league: League) -> dict[str, int]:
    return {station.name: station.region.config.roster_epoch for station in league.up()}


def run_until_at(league: League, epoch: int, *names: str) -> None:
    league.run_until(lambda: all(epochs(league)[name] == epoch for name in names))


def stored(league: League, region: str) -> dict[int, tuple[str, int]]:
    return {row.epoch: (row.sha256, row.in_force) for row in league.stations[region].ledger.rosters.values()}


# --- a change --------------------------------------------------------------------------------------------------------


def test_a_proposal_is_countersigned_by_all_that_hear_it_and_comes_into_force_everywhere() -> None:
    league = league_of(*NAMES)
    answer = propose(league, "north", following(FIRST, *NAMES, "up"))

    assert isinstance(answer, RosterView)
    assert answer.proposal is not None
    assert (answer.proposal.is_asking, answer.proposal.missing) == (True, ("east", "south", "west"))
    run_until_at(league, 2, *NAMES)
    found = view(league, "south")
    assert found.head is not None
    assert found.head.roster.names == (*NAMES, "up")
    assert len(found.head.countersignatures) >= FIRST.majority
    assert found.proposal is None
    assert [peer.name for peer in league["west"].config.members] == [*NAMES, "up"]


def test_jobs_live_through_a_change_of_the_roster() -> None:
    league = league_of(*NAMES)
    for number in range(5):
        league.submit("north", f"job-{number}")
    league.run_until(lambda: sum(len(league.running(f"job-{number}")) for number in range(5)) == 4)
    propose(league, "west", following(FIRST, "east", "north", "south", "west", "up"))
    run_until_at(league, 2, *NAMES)
    for number in range(5):
        league.run_until(lambda number=number: bool(league.running(f"job-{number}")))  # type: ignore[misc]
        league.end(league.running(f"job-{number}")[0], f"job-{number}")
    league.run_until(lambda: all(league.state("north", f"job-{n}") is not None for n in range(5)))
    league.advance(5 * SECOND_US)
    assert {league.states(f"job-{n}")["north"] for n in range(5)} == {"SUCCEEDED"}


def test_a_vote_is_on_disk_before_it_leaves() -> None:
    league = league_of(*NAMES)
    league.hold(RosterProposal, to="east")
    league.hold(RosterProposal, to="west")
    propose(league, "north", following(FIRST))
    league.crash_before_write("south", RosterVote)
    league.run_until(lambda: league.stations["south"].core is None)

    assert stored(league, "south").keys() == {1}
    assert answered(league, "south") is None
    assert not league.messages(RosterVote, sender="south")


def test_nobody_countersigns_before_a_majority_was_asked() -> None:
    league = league_of(*NAMES)
    league.hold(RosterProposal, to="east")
    league.hold(RosterProposal, to="west")
    propose(league, "north", following(FIRST))
    league.run_until(lambda: answered(league, "south") is not None)
    league.advance(SECOND_US)

    assert [stored(league, name).keys() for name in NAMES] == [{1}] * 4
    assert not any(each.signature for each in votes(league))


def test_what_a_member_countersigned_is_finished_before_anything_else_also_after_a_restart() -> None:
    league = league_of(*NAMES)
    only_south_signs(league, "north", following(FIRST, issued_wall_us=3))
    league.crash("south")
    league.restart("south")
    league.let_go()
    isolate(league, "north")
    league.run_until(lambda: not league["south"].in_doubt and league["east"].sessions.is_mutual("south"))
    propose(league, "east", following(FIRST, issued_wall_us=4))
    run_until_at(league, 2, "east", "south", "west")

    found = view(league, "east").head
    assert found is not None
    assert found.roster.issued_wall_us == 3
    league.heal()
    run_until_at(league, 2, "north")


def test_what_nobody_of_a_majority_had_countersigned_gives_way() -> None:
    """North has countersigned its roster alone, and may never come back: the others need not wait for it."""
    league = league_of(*NAMES)
    league.hold_if(lambda parcel: isinstance(parcel.message, RosterProposal) and not parcel.message.asks)
    propose(league, "north", following(FIRST, issued_wall_us=3))
    league.run_until(lambda: 2 in stored(league, "north"))
    isolate(league, "north")
    league.wire.clear()
    league.let_go()
    propose(league, "west", following(FIRST, issued_wall_us=4))
    run_until_at(league, 2, "east", "south", "west")
    league.heal()
    run_until_at(league, 2, "north")
    assert len({stored(league, name)[2] for name in NAMES}) == 1
    assert view(league, "north").head.roster.issued_wall_us == 4  # type: ignore[union-attr]


def test_of_two_proposals_one_comes_into_force_and_the_other_never() -> None:
    league = league_of("east", "north", "south", "west", "up")
    first = founded("east", "north", "south", "west", "up")
    rivals = [following(first, issued_wall_us=at) for at in (3, 4)]
    propose(league, "north", rivals[0])
    propose(league, "west", rivals[1])
    run_until_at(league, 2, "east", "north", "south", "west", "up")

    assert len({stored(league, name)[2] for name in epochs(league)}) == 1


@pytest.mark.parametrize("names", [("north", "south"), NAMES])
def test_operators_at_the_same_time_are_never_stuck(names: tuple[str, ...]) -> None:
    """In a league of two, each would need the other's countersignature."""
    league = league_of(*names)
    for at, name in enumerate(names, 3):
        propose(league, name, following(founded(*names), issued_wall_us=at))
    run_until_at(league, 2, *names)


def test_a_member_that_two_operators_ask_answers_the_later_round_only() -> None:
    league = league_of(*NAMES)
    isolate(league, "north")
    propose(league, "north", following(FIRST, issued_wall_us=3))
    propose(league, "west", following(FIRST, issued_wall_us=4))
    league.heal()
    run_until_at(league, 2, *NAMES)

    rounds = {each.round for each in votes(league) if each.signature}
    assert rounds == {Round(1, "west")}


def test_without_a_majority_nothing_is_countersigned_and_it_is_said_who_is_missing() -> None:
    league = league_of(*NAMES)
    isolate(league, "south")
    league.crash("east")
    propose(league, "north", following(FIRST))
    league.advance(2 * SECOND_US)
    found = view(league, "north").proposal
    assert found is not None
    assert (found.is_asking, found.has_failed, found.missing) == (True, False, ("east", "south"))
    league.advance(ROSTER_ASKING_US)

    found = view(league, "north").proposal
    assert found is not None
    assert (found.is_asking, found.has_failed, found.missing) == (True, True, ("east", "south"))
    assert epochs(league) == {"north": 1, "south": 1, "west": 1}
    assert stored(league, "north").keys() == {1}
    league.restart("east")
    league.run_until(lambda: not league["east"].in_doubt and league["north"].sessions.is_mutual("east"))
    propose(league, "north", following(FIRST))
    run_until_at(league, 2, "east", "north", "west")
    assert epochs(league)["south"] == 1
    league.heal()
    run_until_at(league, 2, "south")


def test_another_member_gathers_if_the_region_that_began_is_gone() -> None:
    league = league_of(*NAMES)
    only_south_signs(league, "north", following(FIRST))
    league.crash("north")
    league.let_go()
    assert epochs(league) == {"east": 1, "south": 1, "west": 1}
    run_until_at(league, 2, "east", "south", "west")
    assert league.now_us > GATHER_ALONE_US


def test_a_proposal_is_repeated_until_the_lost_answers_come() -> None:
    league = league_of(*NAMES)
    lost = []

    def is_lost(parcel: Any) -> bool:
        if isinstance(parcel.message, RosterVote | RosterAnnounce) and len(lost) < 6:
            lost.append(parcel)
            return True
        return False

    league.hold_if(is_lost)
    propose(league, "north", following(FIRST))
    run_until_at(league, 2, *NAMES)


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        (signed(following(FIRST), "stranger"), "UNAUTHORISED", "operator_signature"),
        (signed(founded("east", "north")), "CONFLICT", "epoch"),
        (signed(following(following(FIRST))), "CONFLICT", "epoch"),
        (signed(following(FIRST, previous_sha256="ab" * 32)), "CONFLICT", "previous_sha256"),
        (
            signed(following(FIRST, members=(*members(*NAMES), member("east", peer_address="x:1")))),
            "INVALID",
            "",
        ),
    ],
    ids=["a stranger's", "older", "a gap", "a fork", "two regions with one name"],
)
def test_what_is_wrong_is_refused_and_nothing_changes(document: SignedRoster, code: str, field: str) -> None:
    league = league_of(*NAMES)
    answer = propose(league, "north", document)

    assert isinstance(answer, Refused)
    assert answer.code == code
    assert field in answer.field
    assert stored(league, "north").keys() == {1}
    league.advance(2 * SECOND_US)
    assert not league.messages(RosterProposal)
    assert epochs(league) == dict.fromkeys(NAMES, 1)


def test_proposing_what_is_in_force_is_no_mistake() -> None:
    league = league_of(*NAMES)
    document = signed(following(FIRST))
    propose(league, "north", document)
    run_until_at(league, 2, *NAMES)
    answer = propose(league, "south", document)

    assert isinstance(answer, RosterView)
    assert answer.head is not None
    assert answer.head.roster == document.roster


def test_a_static_roster_does_not_change() -> None:
    league = League(north=1, south=1)
    answer = propose(league, "north", following(FIRST))

    assert isinstance(answer, Refused)
    assert "hanse federation init" in answer.message
    assert view(league, "north").head is None


def test_a_region_without_its_key_does_not_countersign() -> None:
    league = league_of(*NAMES)
    league.crash("south")
    league.stations["south"].keys = []
    league.restart("south")
    league.connect()
    propose(league, "north", following(FIRST))
    league.run_until(lambda: any(each.refusal for each in league.messages(RosterVote)))  # type: ignore[union-attr]
    (refusal,) = {each.refusal for each in league.messages(RosterVote) if each.refusal}  # type: ignore[union-attr]

    assert "lacks the private key" in refusal
    run_until_at(league, 2, *NAMES)


def test_a_region_whose_ledger_is_not_the_one_that_the_roster_names_says_nothing() -> None:
    named = tuple(member(name, ledger_id="lost" if name == "south" else f"ledger-{name}") for name in NAMES)
    first = following(FIRST, members=named, epoch=1, previous_sha256="")
    league = league_of(*NAMES, line=(signed(first),))
    league.hold(RosterVote, sender="west")
    league.hold(RosterVote, sender="east")
    propose(league, "north", following(first))
    league.run_until(lambda: any(each.refusal for each in votes(league)))

    assert "hanse federation rotate south --ledger-id ledger-south" in view(league, "south").unable
    assert answered(league, "south") is None
    league.let_go()
    run_until_at(league, 2, *NAMES)
    renamed = following(first, members=members(*NAMES), epoch=3, previous_sha256=sha256_of(following(first)))
    propose(league, "north", renamed)
    run_until_at(league, 3, *NAMES)
    league.run_until(lambda: not view(league, "south").unable)


def test_a_region_that_has_just_started_hesitates() -> None:
    league = league_of(*NAMES)
    isolate(league, "north")
    league.crash("north")
    league.restart("north")
    answer = propose(league, "north", following(FIRST))

    assert isinstance(answer, Refused)
    assert "its disk may be an old one" in answer.message


# --- who is behind ---------------------------------------------------------------------------------------------------


def changed_without(name: str, *changes: Roster) -> League:
    """A league that changed while this region was cut off; it is back."""
    league = league_of(*NAMES)
    isolate(league, name)
    others = [each for each in NAMES if each != name]
    for roster in changes:
        propose(league, others[0], roster)
        run_until_at(league, roster.epoch, *others)
        league.advance(3 * SECOND_US)
    assert epochs(league)[name] == 1
    league.heal()
    return league


def test_a_member_that_was_away_is_told_not_heard_and_fetches_the_chain() -> None:
    second = following(FIRST, *NAMES, "up")
    third = following(second, *NAMES)
    league = changed_without("south", second, third)
    league.hold(RosterDocument)
    league.run_until(lambda: bool(league.under_way(RosterDocument)))
    league.advance(3 * SECOND_US)
    assert league.messages(RosterAnnounce, to="south")
    assert league.messages(RosterRequest, sender="south")
    # Nobody talks with it meanwhile.
    assert not any(league[name].sessions.established("south") for name in ("east", "north", "west"))
    league.let_go()
    run_until_at(league, 3, "south")
    assert stored(league, "south") == stored(league, "north")
    league.run_until(lambda: league["north"].sessions.established("south"))


def test_a_removed_region_is_told_says_so_and_is_not_heard() -> None:
    second = following(FIRST, "east", "north", "west")
    league = changed_without("south", second)
    run_until_at(league, 2, "south")

    south = league["south"]
    assert south.config.removed
    assert south.peers == ()
    (reason,) = south.rosters.impairments()
    assert reason.code is ReasonCode.REMOVED
    assert "south" not in league["north"].peers
    league.submit("south", "job-1")
    league.advance(5 * SECOND_US)
    assert league.running("job-1") == ["south"]
    answer = propose(league, "south", following(second))
    assert isinstance(answer, Refused)
    assert "not a member" in answer.message


def test_a_removed_region_that_is_added_again_is_back() -> None:
    second = following(FIRST, "east", "north", "west")
    league = changed_without("south", second)
    run_until_at(league, 2, "south")
    propose(league, "north", following(second, *NAMES))
    run_until_at(league, 3, *NAMES)

    assert not league["south"].config.removed
    league.run_until(lambda: league["south"].sessions.established("north"))


def test_a_region_that_joins_with_the_file_of_its_own_roster_needs_nothing_else() -> None:
    league = league_of(*NAMES)
    second = following(FIRST, *NAMES, "up")
    propose(league, "north", second)
    run_until_at(league, 2, *NAMES)
    head = view(league, "north", 0).following
    joined = League(roster=head, connect=False, up=1)
    station = joined.stations["up"]
    league.stations["up"] = station
    league.run_until(lambda: all(league["up"].sessions.established(name) for name in NAMES))


def test_a_league_that_was_founded_anew_is_not_followed_by_itself() -> None:
    league = league_of(*NAMES)
    anew = signed(founded("east", "north", "west", epoch=5))
    for name in ("east", "north", "west"):
        reconfigure(league, name, (anew,))
    league.advance(10 * SECOND_US)

    assert epochs(league) == {"east": 5, "north": 5, "south": 1, "west": 5}
    (reason, *_) = league["south"].rosters.impairments()
    assert reason.code is ReasonCode.ROSTER_CONFLICT


def test_an_answer_holds_so_many_rosters_and_the_rest_comes_with_the_next() -> None:
    line = [FIRST]
    for at in range(40):
        line.append(following(line[-1], issued_wall_us=at))
    league = league_of(*NAMES, line=chain(*line))
    found = view(league, "north", 1)

    assert [each.roster.epoch for each in found.following] == list(range(2, 18))


def test_a_region_that_is_forty_rosters_behind_catches_up() -> None:
    line = [FIRST]
    for at in range(40):
        line.append(following(line[-1], issued_wall_us=at))
    whole = chain(*line)
    league = league_of(*NAMES, line=whole, connect=False)
    league.stations["south"].ledger.rosters.clear()
    reconfigure(league, "south", whole[:1])
    assert epochs(league)["south"] == 1
    run_until_at(league, 41, "south")
