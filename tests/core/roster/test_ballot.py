"""What a member may say about the next roster, row by row of ballot.py's table."""

from __future__ import annotations

import msgspec
import pytest

from hanse.core.federation.roster.ballot import Ballot
from hanse.core.federation.roster.checks import countersigners
from hanse.core.model.roster import Round
from hanse.sim.keys import SimKeys
from tests.core.roster.league import following, founded, signed

FIRST = founded("east", "north", "south")
ONE, OTHER = signed(following(FIRST, issued_wall_us=3)), signed(following(FIRST, issued_wall_us=4))
ROUND_1, ROUND_2, ROUND_2_LATER = Round(1, "north"), Round(2, "east"), Round(2, "north")


def ballot() -> Ballot:
    return Ballot("south", FIRST, SimKeys("south"))


def test_rounds_have_an_order_also_with_one_number() -> None:
    assert sorted([ROUND_2_LATER, ROUND_1, ROUND_2]) == [ROUND_1, ROUND_2, ROUND_2_LATER]


def test_who_has_said_nothing_answers_and_countersigns() -> None:
    assert ballot().may_answer(ROUND_1)
    mine = ballot()
    mine.sign(ONE, ROUND_1)

    assert mine.signed is not None
    assert (mine.signed.roster, mine.signed.round, mine.answered) == (ONE.roster, ROUND_1, ROUND_1)
    assert countersigners(FIRST, mine.signed, SimKeys()) == ("south",)


def test_who_was_asked_answers_the_same_again_and_countersigns_in_that_round() -> None:
    mine = ballot()
    mine.answer(ROUND_2)

    assert mine.may_answer(ROUND_2)
    assert mine.may_sign(ONE.roster, ROUND_2)
    assert mine.may_sign(ONE.roster, ROUND_2_LATER)


def test_who_was_asked_says_nothing_in_earlier_rounds() -> None:
    mine = ballot()
    mine.answer(ROUND_2)

    assert not mine.may_answer(ROUND_1)
    assert not mine.may_sign(ONE.roster, ROUND_1)


def test_who_has_countersigned_in_a_round_gives_the_same_again_and_no_other() -> None:
    mine = ballot()
    first = mine.sign(ONE, ROUND_1)

    assert mine.sign(ONE, ROUND_1) == first
    assert not mine.may_sign(OTHER.roster, ROUND_1)
    assert not mine.may_answer(ROUND_1)


def test_a_later_round_may_bring_another_roster() -> None:
    mine = ballot()
    mine.sign(ONE, ROUND_1)
    mine.answer(ROUND_2)
    assert mine.signed is not None
    assert mine.signed.roster == ONE.roster
    mine.sign(OTHER, ROUND_2)

    assert mine.signed.roster == OTHER.roster
    assert mine.signed.round == ROUND_2


@pytest.mark.parametrize("answered", [Round(), ROUND_1, ROUND_2])
def test_what_was_said_is_known_after_a_restart(answered: Round) -> None:
    before = ballot()
    before.sign(ONE, ROUND_1)
    after = ballot()
    after.resume(answered, before.signed)

    assert after.answered == max(answered, ROUND_1)
    assert not after.may_sign(OTHER.roster, ROUND_1)


def test_a_countersignature_of_one_round_is_none_of_another() -> None:
    mine = ballot()
    mine.sign(ONE, ROUND_1)
    assert mine.signed is not None
    moved = msgspec.structs.replace(mine.signed, round=ROUND_2)
    assert countersigners(FIRST, moved, SimKeys()) == ()
