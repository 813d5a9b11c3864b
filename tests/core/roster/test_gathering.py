"""One region gathers a majority: what it asks, what it chooses, when it begins again and when it gives up."""

from __future__ import annotations

import msgspec

from hanse.core.effects import Effects
from hanse.core.federation.roster.gathering import Gathering, Stage
from hanse.core.messages import RosterProposal
from hanse.core.model.limits import ROSTER_ASKING_US
from hanse.core.model.regions import Timings
from hanse.core.model.roster import Countersignature, Round, SignedRoster
from hanse.core.model.time import SECOND_US, Now
from hanse.core.rows import NO_WRITES
from tests.core.roster.league import following, founded, signed

FIRST = founded("east", "north", "south", "up", "west")
OWN, EARLIER, LATER = (signed(following(FIRST, issued_wall_us=at)) for at in (3, 4, 5))


def at(us: int) -> Now:
    return Now(mono_us=us, wall_us=0)


def begun(*, patient: bool = False) -> Gathering:
    gathering = Gathering("north", FIRST, Timings())
    in_round = gathering.next_round(Round(4, "west"))
    gathering.ask(at(0), OWN, in_round, patient=patient)
    gathering.on_answer("north", in_round, None)
    return gathering


def told(document: SignedRoster, in_round: Round) -> SignedRoster:
    return msgspec.structs.replace(document, round=in_round)


def sent(gathering: Gathering, now_us: int) -> dict[str, RosterProposal]:
    out = Effects(writes=NO_WRITES)
    gathering.on_deadline(at(now_us), out)
    return {each.to: each.message for each in out.sends if isinstance(each.message, RosterProposal)}


def test_a_round_is_above_all_that_are_known() -> None:
    gathering = begun()
    assert gathering.round == Round(5, "north")
    gathering.yield_to(at(0), Round(9, "east"))
    assert gathering.next_round(Round(7, "up")) == Round(10, "north")


def test_all_others_are_asked_before_anybody_is_to_countersign() -> None:
    proposals = sent(begun(), 0)
    assert sorted(proposals) == ["east", "south", "up", "west"]
    assert all(each.asks for each in proposals.values())


def test_it_proposes_its_own_if_a_majority_has_countersigned_nothing() -> None:
    gathering = begun()
    gathering.on_answer("east", gathering.round, None)
    assert not gathering.may_choose
    gathering.on_answer("up", gathering.round, None)
    assert gathering.may_choose
    assert gathering.choose() == OWN


def test_it_proposes_what_was_countersigned_in_the_latest_round() -> None:
    gathering = begun()
    gathering.on_answer("east", gathering.round, told(EARLIER, Round(2, "west")))
    gathering.on_answer("up", gathering.round, told(LATER, Round(3, "east")))
    assert gathering.choose().roster == LATER.roster


def test_an_answer_of_another_round_does_not_count() -> None:
    gathering = begun()
    for name in ("east", "up", "west"):
        gathering.on_answer(name, Round(4, "north"), None)
    assert not gathering.may_choose


def test_it_is_in_force_with_the_countersignatures_of_a_majority() -> None:
    gathering = begun()
    gathering.sign(at(0), LATER, Countersignature("north", "n"))
    assert not any(each.asks for each in sent(gathering, 0).values())
    gathering.on_signature(gathering.round, [Countersignature("up", "u")])
    assert not gathering.has_majority
    gathering.on_signature(gathering.round, [Countersignature("east", "e")])
    assert gathering.has_majority
    assert [each.member for each in gathering.document().countersignatures] == ["east", "north", "up"]
    assert gathering.document().round == gathering.round


def test_a_later_round_of_another_is_given_time_and_then_it_begins_again() -> None:
    gathering = begun()
    gathering.yield_to(at(0), Round(5, "east"))
    assert gathering.stage is Stage.ASKING  # an earlier one: the number is the same, and the name smaller
    gathering.yield_to(at(0), Round(6, "east"))
    assert (gathering.stage, gathering.active) == (Stage.NONE, True)
    assert 0 < gathering.next_us < ROSTER_ASKING_US
    assert gathering.on_deadline(at(gathering.next_us), Effects(writes=NO_WRITES))


def test_regions_that_hinder_each_other_wait_for_different_times() -> None:
    waits = set()
    for name in FIRST.names:
        gathering = Gathering(name, FIRST, Timings())
        gathering.ask(at(0), OWN, Round(1, name), patient=True)
        gathering.yield_to(at(0), Round(2, "x"))
        waits.add(gathering.next_us)
    assert len(waits) == len(FIRST.names)


def test_asking_ends_without_a_majority() -> None:
    gathering = begun()
    sent(gathering, ROSTER_ASKING_US)
    view = gathering.view()
    assert view is not None
    assert (gathering.active, view.has_failed, view.missing) == (False, True, ("east", "south", "up", "west"))


def test_asking_ends_when_too_many_refuse_for_good() -> None:
    gathering = begun()
    for name in ("east", "south", "up"):
        gathering.on_refusal(name, gathering.round, "no", is_final=True)
    sent(gathering, 1)
    assert not gathering.active


def test_what_is_countersigned_already_is_never_given_up() -> None:
    gathering = begun(patient=True)
    for name in ("east", "south", "up"):
        gathering.on_refusal(name, gathering.round, "no", is_final=True)
    assert sent(gathering, 1_000 * SECOND_US)
    assert gathering.active
