"""Shortcuts in the order of rosters, each in a schedule in which it does harm; the real checks come through."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.mutants import applied, roster
from hanse.core.federation.roster.checks import force_faults
from hanse.core.messages import RosterProposal, RosterVote
from hanse.core.model.roster import Roster, SignedRoster
from hanse.sim.keys import SimKeys
from tests.core.roster.league import countersigned, following, founded, in_force, signed
from tests.core.roster.test_keeper import isolate, league_of, propose, run_until_at, stored

KEYS = SimKeys()
FIRST = founded("north", "south", "west", guardians=0)
GROWN = following(FIRST, "north", "south", "west", "east", "isle")


class HarmError(Exception):
    """Two rosters of one epoch are in force, or one that is not what everybody follows on."""


def takes(previous: Roster, document: SignedRoster) -> bool:
    """Whether it comes into force in a region whose newest roster is `previous`."""
    return not force_faults(previous, document, KEYS)


def insist_on_one(*taken: bool) -> None:
    if all(taken):
        raise HarmError


def it_follows_on_a_rival() -> None:
    """Two operators made a second epoch, and one of them goes on with what never came into force."""
    rival = following(FIRST, "north", "isle")
    third = in_force(FIRST, following(rival, "north", "isle"))
    insist_on_one(takes(GROWN, countersigned(signed(third.roster), GROWN.names)))


def the_old_members_go_on() -> None:
    """The league has grown to five; south and west are two of five, and two of the three that it was before."""
    of_five = countersigned(signed(following(GROWN)), ("north", "east", "isle"))
    of_three = countersigned(signed(following(GROWN, "south", "west")), ("south", "west"))
    insist_on_one(takes(GROWN, of_five), takes(FIRST, of_three))


def an_older_one_comes_again() -> None:
    """A document of the second epoch that a majority of the third would have to countersign, and does."""
    third = following(GROWN, "north", "south", "west")
    again = countersigned(signed(following(FIRST, "north", "south")), third.names)
    insist_on_one(takes(third, again))


def a_signature_is_on_its_way() -> None:
    """South has countersigned north's roster, and north does not know it yet. South starts again, and east, which hears
    nothing of north, has another roster."""
    names = ("east", "north", "south")
    first = founded(*names)
    league = league_of(*names)
    league.hold_if(
        lambda parcel: (
            isinstance(parcel.message, RosterProposal | RosterVote)
            and not parcel.message.asks
            and (parcel.sender, parcel.to) in (("north", "east"), ("south", "north"))
        )
    )
    propose(league, "north", following(first, issued_wall_us=3))
    league.run_until(lambda: 2 in stored(league, "south"))
    late = league.take(RosterVote, sender="south", to="north")
    league.crash("south")
    league.restart("south")
    isolate(league, "north")
    league.run_until(lambda: not league["south"].in_doubt and league["east"].sessions.is_mutual("south"))
    propose(league, "east", following(first, issued_wall_us=4))
    run_until_at(league, 2, "east", "south")
    league.heal()
    league.deliver(late)
    (north, is_in_force), (east, _) = stored(league, "north")[2], stored(league, "east")[2]
    insist_on_one(bool(is_in_force), north != east)


SCHEDULES: dict[str, Callable[[], None]] = {
    "no predecessor's hash": it_follows_on_a_rival,
    "jumps over an epoch": the_old_members_go_on,
    "goes back": an_older_one_comes_again,
}
SCHEDULES |= dict.fromkeys(
    (
        "forked roster",
        "countersignatures are not read back",
        "a round without asking",
        "own roster all the same",
    ),
    a_signature_is_on_its_way,
)
MUTANTS = {each.name: each for each in (*roster.MUTANTS, *roster.SCHEDULED)}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_real_thing_comes_through(name: str) -> None:
    SCHEDULES[name]()


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_shortcut_does_harm(name: str) -> None:
    with applied(MUTANTS[name]), pytest.raises(HarmError):
        SCHEDULES[name]()
