"""Leases: from the sending of a renewal; and a member's wait outlives them on any two clocks."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from hanse.core.federation.shards.lease import Renewals, member_wait_us, waits_differ_us
from hanse.core.federation.shards.quorum import is_majority, next_own_term, reached_by_majority
from hanse.core.model.regions import Group, Timings

THREE = Group(shard="a", members=("a", "b", "c"))
FIVE = Group(shard="a", members=("a", "b", "c", "d", "e"))
TIMINGS = Timings()
MILLION = 1_000_000


def test_a_lease_counts_from_the_sending_of_the_renewal_that_was_acknowledged() -> None:
    renewals = Renewals("a", TIMINGS)
    first = renewals.send(1_000)
    renewals.send(2_000)
    assert renewals.on_ack(THREE, "b", first)
    assert renewals.until_us == 1_000 + TIMINGS.lease_us


def test_of_five_two_others_must_have_acknowledged() -> None:
    renewals = Renewals("a", TIMINGS)
    first, second = renewals.send(1_000), renewals.send(2_000)
    assert not renewals.on_ack(FIVE, "b", second)
    assert renewals.on_ack(FIVE, "c", first)
    assert renewals.until_us == 1_000 + TIMINGS.lease_us


def test_an_acknowledgement_of_an_older_renewal_or_of_none_shortens_nothing() -> None:
    renewals = Renewals("a", TIMINGS)
    first, second = renewals.send(1_000), renewals.send(2_000)
    renewals.on_ack(THREE, "b", second)
    assert not renewals.on_ack(THREE, "b", first)
    assert not renewals.on_ack(THREE, "c", 99)
    assert renewals.until_us == 2_000 + TIMINGS.lease_us


@given(
    sent=st.integers(0, 10**9),
    flight_us=st.integers(0, 10**7),
    leader_ppm=st.integers(-TIMINGS.drift_ppm, TIMINGS.drift_ppm),
    member_ppm=st.integers(-TIMINGS.drift_ppm, TIMINGS.drift_ppm),
)
def test_when_a_member_has_waited_the_tasks_are_dead(
    sent: int, flight_us: int, leader_ppm: int, member_ppm: int
) -> None:
    """In the world's time, for clocks whose rates differ as much as they may."""
    dead_us = sent + (TIMINGS.lease_us + TIMINGS.kill_us) * MILLION / (MILLION + leader_ppm)
    promises_us = sent + flight_us + member_wait_us(TIMINGS) * MILLION / (MILLION + member_ppm)
    assert promises_us > dead_us


@given(drift_ppm=st.integers(0, 300_000))
def test_the_slowest_clock_has_waited_before_the_fastest_one_that_waits_for_it(drift_ppm: int) -> None:
    timings = Timings(drift_ppm=drift_ppm)
    slowest_us = member_wait_us(timings) * MILLION / (MILLION - drift_ppm)
    fastest_us = (member_wait_us(timings) + waits_differ_us(timings)) * MILLION / (MILLION + drift_ppm)
    assert 0 <= fastest_us - slowest_us <= 2


@given(st.integers(0, 100), st.sampled_from([THREE, FIVE]))
def test_terms_go_round_and_each_has_one_owner(promised: int, group: Group) -> None:
    terms = {member: next_own_term(group, member, promised) for member in group.members}
    assert sorted(terms.values()) == list(range(promised + 1, promised + 1 + len(group.members)))
    assert all(group.owner(term) == member for member, term in terms.items())


def test_while_a_group_changes_both_must_agree() -> None:
    group = Group(shard="a", members=("a", "b", "c"), joining=("a", "b", "d"))
    assert not is_majority(group, ("b", "c"))
    assert not is_majority(group, ("a", "d"))
    assert is_majority(group, ("a", "b"))
    assert reached_by_majority(group, {"a": 9, "b": 1, "c": 8, "d": 2}.__getitem__) == 2
