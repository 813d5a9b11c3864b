"""A guardian is replaced: each row of regroup.py's table, and who is a majority meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from hanse.core.federation.shards.quorum import is_majority, next_own_term, participants, reached_by_majority
from hanse.core.federation.shards.regroup import (
    Change,
    Final,
    HandOver,
    Listen,
    Situation,
    listeners,
    next_members,
    next_step,
)
from hanse.core.model.regions import Group

OLD = Group(shard="a", members=("a", "b", "c"), version=4)
JOINT = Group(shard="a", members=("a", "b", "c"), joining=("a", "n", "c"), version=5)
NEW = Group(shard="a", members=("a", "n", "c"), version=5)


def situation(**changes: Any) -> Situation:
    usual: dict[str, Any] = {
        "region": "a",
        "group": OLD,
        "wanted": ("a", "n", "c"),
        "settled": True,
        "holds": ("a", "b", "c", "n"),
        "waited": True,
    }
    return Situation(**(usual | changes))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (situation(settled=False), None),
        (situation(wanted=("a", "b", "c")), None),
        (situation(wanted=()), None),
        (situation(wanted=("a", "c", "b")), None),
        (situation(holds=("a", "b", "c")), Listen(("n",))),
        (situation(), Change(JOINT)),
        (situation(group=JOINT, settled=False), None),
        (situation(group=JOINT, waited=False), None),
        (situation(group=JOINT), Final(NEW, ("b",))),
        (situation(group=JOINT, wanted=("a", "b", "c")), Final(NEW, ("b",))),
        (situation(group=NEW), None),
        (situation(region="b"), HandOver()),
    ],
    ids=[
        "START or the group record is not committed",
        "the group is what is wanted",
        "the roster says nothing",
        "only the ranks differ",
        "the newcomer lacks the log",
        "the newcomer holds the log",
        "CHANGE is not committed",
        "grants of the old group may stand",
        "they do not stand any more",
        "what was begun is ended first",
        "it has ended",
        "the leader itself is to leave",
    ],
)
def test_what_a_leader_does(given: Situation, expected: object) -> None:
    assert next_step(given) == expected


@pytest.mark.parametrize(
    ("present", "wanted", "leader", "expected"),
    [
        (("a", "b", "c"), ("a", "n", "m"), "a", ("a", "n", "c")),
        (("a", "n", "c"), ("a", "n", "m"), "a", ("a", "n", "m")),
        (("a", "b", "c"), ("a", "n", "m"), "b", ("a", "b", "n")),
        (("a", "b", "c"), ("a", "b", "c", "d", "e"), "b", ("a", "b", "c", "d", "e")),
        (("a", "b", "c", "d", "e"), ("a", "b", "c"), "e", None),
    ],
    ids=["one at a time", "then the other", "never the leader", "to five at once", "not out of itself"],
)
def test_who_comes_next(
    present: tuple[str, ...], wanted: tuple[str, ...], leader: str, expected: tuple[str, ...] | None
) -> None:
    assert next_members(present, wanted, leader) == expected


def test_only_newcomers_of_the_next_change_listen() -> None:
    assert listeners(OLD, ("a", "n", "m"), "a") == ("n",)
    assert listeners(JOINT, ("a", "n", "m"), "a") == ()
    assert listeners(OLD, ("a", "b", "c"), "a") == ()


@pytest.mark.parametrize(
    ("found", "old", "joint", "new"),
    [
        ("ab", True, False, False),
        ("an", False, False, True),
        ("ac", True, True, True),
        ("abn", True, True, True),
        ("cn", False, False, True),
        ("bc", True, False, False),
        ("bcn", True, True, True),
    ],
)
def test_a_joint_group_needs_a_majority_of_each(found: str, old: bool, joint: bool, new: bool) -> None:
    assert [is_majority(group, found) for group in (OLD, JOINT, NEW)] == [old, joint, new]


def test_what_both_majorities_have_reached() -> None:
    reached = {"a": 9, "b": 7, "c": 3, "n": 1}
    assert reached_by_majority(OLD, reached.__getitem__) == 7
    assert reached_by_majority(JOINT, reached.__getitem__) == 3
    assert reached_by_majority(NEW, reached.__getitem__) == 3


def test_terms_go_round_in_the_ranks_of_the_new_group() -> None:
    assert JOINT.owner(2) == NEW.owner(2) == "n"
    assert OLD.owner(2) == "b"
    assert next_own_term(JOINT, "n", 4) == 5
    assert participants(JOINT) == ("a", "b", "c", "n")
