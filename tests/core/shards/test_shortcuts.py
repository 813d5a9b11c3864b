"""Shortcuts in the replacement of a guardian, each in a schedule in which it does harm; the real Shard goes through."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chaos.mutants import applied, regroup
from hanse.core.federation.shards.log import GROUP_KEY
from hanse.core.federation.shards.seat import Standing
from hanse.core.messages import Append, AppendAck, Renew
from hanse.core.model.regions import unpack_group
from hanse.core.model.time import SECOND_US
from tests.core.shards.circle import Circle, led
from tests.core.shards.test_replacement import NEW, OPEN, circle

OLD = ("a", "b", "c")
LATER = "j/job-2"


class HarmError(Exception):
    """What a majority held is gone, or two regions may run tasks at the same time."""


def insist_kept(made: Circle, key: str, acknowledged: bool) -> None:
    """Whoever leads last has what was acknowledged."""
    leader = made.leader()
    if acknowledged and leader and key not in made[leader].log:
        raise HarmError(f"{leader} leads without {key}")


def cut_between(made: Circle, left: str, right: str) -> Callable[..., bool]:
    """Nothing gets through between these."""
    return lambda sender, to, message: (sender in left) != (to in left) and {sender, to} <= set(left + right)


def both_sides_agree() -> None:
    """When the leader has written the change, it hears only the newcomer, and the others only each other."""
    made = circle()
    apart = cut_between(made, "an", "bc")
    made.lost = lambda sender, to, message: (
        made["a"].group.members != OLD or (bool(made["a"].group.joining) and apart(sender, to, message))
    )
    made.want(*NEW)
    made.run_until(lambda: made["a"].group.members == NEW or bool(made["a"].group.joining))
    made.lost = apart
    made.wire.clear()
    sequence = made.append("a", LATER)
    made.run(1)
    acknowledged = made["a"].log.committed >= sequence
    made.run_until(lambda: made.leader() in ("b", "c"))
    insist_kept(made, LATER, acknowledged)


def the_copy_knows_more() -> None:
    """c has missed everything; b has the joint group, and not that it is out."""
    made = circle()
    made.stop("c")
    made.places["a"].living = True
    made.want(*NEW)
    made.run_until(lambda: bool(made["b"].group.joining) and bool(made["n"].group.joining))
    made.run(0.2)
    made.stop("b")
    made.places["a"].living = False
    made.run_until(lambda: made["a"].group.members == NEW)
    sequence = made.append("a", LATER)
    made.run_until(lambda: made["a"].log.committed >= sequence)
    made.stop("a", "n")
    made.boot("b")
    made.boot("c")
    made.run(20)
    insist_kept(made, LATER, acknowledged=True)


def the_newcomer_is_asked() -> None:
    """Only a and b hold the job; n takes b's place, and a is destroyed."""
    made = Circle()
    made.run_until(lambda: led(made))
    made.stop("c")
    for key in (OPEN, "d/after", "d/later"):
        sequence = made.append("a", key)
        made.run_until(lambda: made["a"].log.committed >= sequence)  # noqa: B023 - at once
    made.want(*NEW)
    made.run_until(lambda: led(made) and made["a"].group.members == NEW)
    made.run(1)
    made.stop("a", "b")
    made.boot("c")
    made["n"].demand(made.now)
    made.run(20)
    made.lose_disk("a")
    made.run_until(lambda: led(made))
    insist_kept(made, OPEN, acknowledged=True)


def old_grants_stand() -> None:
    """a's tasks live by b's grant, which counted in the old group; n and c have granted nothing for long."""
    made = circle()
    made.places["a"].living = True
    made.lost = lambda sender, to, message: to == "n" or {sender, to} == {"a", "c"}
    made.want(*NEW)
    made.run(6)
    assert made.leader() == "a"
    made.lost = lambda sender, to, message: (
        {sender, to} == {"a", "c"} or (to == "n" and isinstance(message, Renew))
    )
    made.run_until(lambda: bool(made["a"].group.joining) or made["a"].group.members == NEW)
    made.run(0.2)
    made.lost = lambda sender, to, message: "a" in (sender, to) or "b" in (sender, to)
    until_us = made["a"].renewals.until_us
    made.run_until(lambda: made.now_us >= until_us or made.leader() in ("n", "c"))
    if made.now_us < until_us:
        raise HarmError(f"{made.leader()} leads while tasks of a live by its lease")


def both_sides_agree_again() -> None:
    """The same, with the next exchange begun before the first one has ended."""
    made = circle()
    apart = cut_between(made, "anm", "bc")
    made.want("a", "n", "m")
    made.run_until(lambda: bool(made["a"].group.joining))
    made.lost = apart
    made.wire.clear()
    made.run(3)
    sequence = made.append("a", LATER)
    made.run(1)
    acknowledged = made["a"].log.committed >= sequence
    made.run_until(lambda: made.leader() in ("b", "c"))
    insist_kept(made, LATER, acknowledged)


def two_stand_for_one_term() -> None:
    """Only a and n have the joint group, and a leads no more: n and b stand for term 2, each by the group it knows, and
    c is asked by both."""
    made = circle()
    made.want(*NEW)
    made.lost = lambda sender, to, message: (
        to in "bc"
        and isinstance(message, Append)
        and any(each.key == GROUP_KEY and unpack_group(each.value).joining for each in message.records)
    )
    made.run_until(lambda: bool(made["n"].group.joining))
    made.lost = lambda sender, to, message: {sender, to} in ({"a", "b"}, {"n", "b"}, {"a", "c"})
    made.wire.clear()
    made["a"].hand_back(made.now)
    until_us = made.now_us + 30 * SECOND_US
    while made.now_us < until_us:
        made.run(0.02)
        terms = [place.shard.term for place in made.places.values() if place.shard and place.shard.starting]
        if len(terms) != len(set(terms)):
            raise HarmError(f"two lead in one term: {terms}")


def a_former_member_is_asked() -> None:
    """b has left; a message of the first term comes late."""
    made = circle()
    late = next(
        message for _, to, message in reversed(made.sent) if to == "b" and isinstance(message, Append)
    )
    made.stop("a")
    made.run_until(lambda: made.leader() in ("b", "c"))
    made.boot("a")
    held = made["b"].term
    made.want(*NEW)
    made.run_until(lambda: made["b"].seat.standing is Standing.LEFT)
    made.run(10)
    answers = made.tell("a", "b", msgspec.structs.replace(late, cut=True, previous_sequence=0, begins=True))
    if any(isinstance(each, AppendAck) and not each.diverged for each in answers):
        raise HarmError(f"b has acknowledged term {late.term} after term {held}")


SCHEDULES: dict[str, Callable[[], None]] = {
    "switch without joint": both_sides_agree,
    "the candidate's own group": the_copy_knows_more,
    "newcomer without the log": the_newcomer_is_asked,
    "old grants are not waited out": old_grants_stand,
    "a change during a change": both_sides_agree_again,
    "a term promised to two": two_stand_for_one_term,
    "a former member forgets its promise": a_former_member_is_asked,
}
MUTANTS = {each.name: each for each in (*regroup.MUTANTS, *regroup.SCHEDULED)}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_real_thing_comes_through(name: str) -> None:
    SCHEDULES[name]()


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_shortcut_does_harm(name: str) -> None:
    with applied(MUTANTS[name]), pytest.raises(HarmError):
        SCHEDULES[name]()


def test_appends_are_what_a_newcomer_lacks() -> None:
    """The schedule in which a newcomer has no log is one in which it was sent all of it."""
    made = circle()
    made.want(*NEW)
    made.run_until(lambda: OPEN in made["n"].log)
    assert any(isinstance(message, Append) and message.begins for _, to, message in made.sent if to == "n")
