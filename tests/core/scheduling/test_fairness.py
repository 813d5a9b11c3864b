"""Shares: the formulas by table, and the accounts of the tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.model.time import Now
from hanse.core.policy.model import FairShare, Policy, Tenant
from hanse.core.scheduling.fairness import (
    SHARE_UNIT,
    averaged,
    decayed,
    dominant_share,
    level,
    level_range,
    share_at,
)
from hanse.core.scheduling.tenants import REGION_HANDICAP_US, Tenants

HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("held", "capacity", "share"),
    [
        ((("cpu", 2), ("gpu", 1)), {"cpu": 100, "gpu": 4}, SHARE_UNIT // 4),
        ((("cpu", 50), ("gpu", 1)), {"cpu": 100, "gpu": 4}, SHARE_UNIT // 2),
        ((("tpu", 1),), {"cpu": 100}, 0),
        ((), {"cpu": 100}, 0),
    ],
)
def test_the_dominant_share(held: tuple[tuple[str, int], ...], capacity: dict[str, int], share: int) -> None:
    assert dominant_share(held, capacity) == share


@pytest.mark.parametrize("halves", [0.0, 0.1, 0.5, 0.999, 1.0, 2.5, 10.0])
def test_decay_is_a_power_of_two(halves: float) -> None:
    left = decayed(SHARE_UNIT, int(halves * HOUR_US), HOUR_US)
    assert left / SHARE_UNIT == pytest.approx(2**-halves, rel=3e-3, abs=1e-9)


def test_many_small_steps_decay_as_one_large_one() -> None:
    value = SHARE_UNIT
    for _ in range(3_600):
        value = decayed(value, 1_000_000, HOUR_US)
    assert value / SHARE_UNIT == pytest.approx(0.5, rel=1e-4)
    assert decayed(SHARE_UNIT, 1_000 * HOUR_US, HOUR_US) == 0


@given(st.integers(0, SHARE_UNIT), st.integers(0, SHARE_UNIT), st.integers(0, 10 * HOUR_US))
def test_an_average_lies_between_what_it_was_and_what_is_held(
    history: int, held: int, elapsed_us: int
) -> None:
    after = averaged(history, held, elapsed_us, HOUR_US)
    assert min(history, held) <= after <= max(history, held)


@given(st.integers(0, 4 * SHARE_UNIT), st.integers(0, 4 * SHARE_UNIT))
def test_levels_keep_the_order_and_tell_a_sixteenth_apart(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert level(small) <= level(large)
    if small >= SHARE_UNIT >> 10 and large * 16 >= small * 17 + 16:
        assert level(small) < level(large)


@given(st.integers(0, 4 * SHARE_UNIT))
def test_a_level_begins_where_it_says(share: int) -> None:
    assert share_at(level(share)) == level_range(share)[0] <= share


def test_shares_as_time_go_by_organisations_first_and_never_shrink_unless_shown() -> None:
    tenants = Tenants(Policy(fair_share=FairShare(half_life_us=HOUR_US)))
    tenants.account("org/user").take(SHARE_UNIT, 0)
    held_us = tenants.account("org/user").handicap_us(0)
    assert held_us == pytest.approx(REGION_HANDICAP_US / 2 * 1.25, rel=0.07)
    assert tenants.account("org/other").handicap_us(0) == pytest.approx(REGION_HANDICAP_US / 2, rel=0.07)
    assert tenants.account("elsewhere").handicap_us(0) == 0
    tenants.account("org/user").take(-SHARE_UNIT, 0)
    assert tenants.account("org/user").handicap_us(0) == held_us
    tenants.show(0)
    assert tenants.account("org/user").handicap_us(0) == 0


def test_what_a_tenant_holds_counts_for_all_above_it() -> None:
    tenants = Tenants(Policy(tenants=(Tenant(name="lab", parent="org/science"),)))
    user = tenants.account("lab/user")
    user.take(SHARE_UNIT, 0)
    names = ["lab/user", "lab", "org/science", "org"]
    assert [tenants.account(name).held for name in names] == [SHARE_UNIT] * 4
    assert tenants.account("org/other").held == 0
    user.take(-SHARE_UNIT, HOUR_US)
    assert [tenants.account(name).held for name in names] == [0] * 4
    assert tenants.account("org").history == pytest.approx(SHARE_UNIT / 2, rel=2e-3)


def test_twice_the_weight_is_half_the_level() -> None:
    rules = Policy(tenants=(Tenant(name="b", weight=2_000),), fair_share=FairShare(half_life_us=HOUR_US))
    tenants = Tenants(rules)
    for name, share in (("a", SHARE_UNIT // 4), ("b", SHARE_UNIT // 2)):
        tenants.account(name).take(share, 0)
    assert tenants.account("a").level(0) == tenants.account("b").level(0)


def test_what_shrinks_is_shown_only_when_it_is_to_be() -> None:
    account = Tenants(Policy()).account("a")
    account.take(SHARE_UNIT // 2, 0)
    high = account.levels(0)
    account.take(-SHARE_UNIT // 2, 1)
    assert account.levels(1) == high
    account.show(1)
    assert account.levels(1) < high


def test_history_outlives_the_daemon_and_decays_meanwhile() -> None:
    former, later = Tenants(Policy()), Tenants(Policy())
    former.account("org/a").take(SHARE_UNIT, 0)
    former.account("org/b")
    saved = former.saved(Now(mono_us=HOUR_US, wall_us=5 * HOUR_US))
    later.restore(saved, Now(mono_us=7, wall_us=6 * HOUR_US))
    assert later.accounts().keys() == {"org", "org/a"}
    assert later.account("org/a").history == pytest.approx(SHARE_UNIT / 4, rel=4e-3)
    later.restore("", Now(mono_us=8, wall_us=0))


def test_under_a_new_policy_history_goes_on() -> None:
    former, other = Tenants(Policy()), Tenants(Policy())
    former.account("a").take(SHARE_UNIT, 0)
    other.inherit(former, HOUR_US)
    assert other.account("a").history == pytest.approx(SHARE_UNIT / 2, rel=2e-3)
    assert other.account("a").held == 0
