"""Policies that must not come into force."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hanse.core.policy.model import (
    DEFAULT_POLICY,
    Cohort,
    Flavour,
    Objective,
    Policy,
    Preemption,
    Queue,
    Quota,
    Tenant,
    Tier,
    default_policy,
)
from hanse.core.policy.problems import PolicyRefused, checked, problems

CPU = Quota(kind="cpu", nominal=10)


def test_the_default_has_no_problems() -> None:
    assert list(problems(DEFAULT_POLICY)) == []
    assert checked(DEFAULT_POLICY) is DEFAULT_POLICY


def test_the_default_with_other_tiers_keeps_the_promises_of_those_it_knows() -> None:
    policy = default_policy(("urgent", "basic"))
    assert list(problems(policy)) == []
    assert [(tier.name, tier.share_permille) for tier in policy.tiers] == [("urgent", 0), ("basic", 0)]
    assert default_policy(("premium", "basic")).tiers[1].preemptible_by == ("premium",)
    assert default_policy(DEFAULT_POLICY.tier_names) is DEFAULT_POLICY


@pytest.mark.parametrize(
    ("changes", "where", "why"),
    [
        ({"version": 0}, "version", "from 1"),
        ({"tiers": ()}, "tiers", "at least one"),
        (
            {"tiers": (Tier(name="a"), Tier(name="a"))},
            "tiers[1].name",
            "'a' is given twice; first in tiers[0].name",
        ),
        ({"tiers": (Tier(name=""),)}, "tiers[0].name", "required"),
        ({"tiers": (Tier(name="a", share_permille=1001),)}, "tiers[0].share_permille", "outside"),
        ({"tiers": (Tier(name="a", preemptible_by=("b",)),)}, "tiers[0].preemptible_by[0]", "no tier 'b'"),
        (
            {"tiers": (Tier(name="a", preemptible_by=("b",)), Tier(name="b"))},
            "tiers[0].preemptible_by[0]",
            "'b' is not served before 'a'",
        ),
        ({"tenants": (Tenant(name="a", weight=0),)}, "tenants[0].weight", "outside"),
        ({"tenants": (Tenant(name="a/b/c/d"),)}, "tenants[0].name", "more than 3 levels"),
        (
            {"tenants": (Tenant(name="a", parent="b"), Tenant(name="b", parent="a"))},
            "tenants[0].parent",
            "a cycle: a below b below a",
        ),
        ({"tenants": (Tenant(name="a", parent="a/b"),)}, "tenants[0].parent", "a cycle: a below a/b below a"),
        ({"flavours": (Flavour(name="f", constraints=("model in",)),)}, "flavours[0].constraints[0]", ""),
        ({"cohorts": (Cohort(name="c", parent="d"),)}, "cohorts[0].parent", "no cohort 'd'"),
        (
            {"cohorts": (Cohort(name="c", parent="d"), Cohort(name="d", parent="c"))},
            "cohorts[0].parent",
            "a cycle: c below d below c",
        ),
        (
            {"queues": (Queue(name="q", cohort="q", quotas=(CPU,)),), "cohorts": (Cohort(name="q"),)},
            "queues[0].name",
            "'q' is a cohort",
        ),
        (
            {"queues": (Queue(name="q", tenants=("t",)), Queue(name="r", tenants=("t",)))},
            "queues[1].tenants[0]",
            "'t' is given twice; first in queues[0].tenants[0]",
        ),
        (
            {"queues": (Queue(name="q", quotas=(CPU, CPU)),)},
            "queues[0].quotas[1].kind",
            "'cpu' is given twice",
        ),
        (
            {"queues": (Queue(name="q", quotas=(replace(CPU, flavour="f"),)),)},
            "queues[0].quotas[0].flavour",
            "no flavour 'f'",
        ),
        (
            {"queues": (Queue(name="q", quotas=(replace(CPU, nominal=-1),)),)},
            "queues[0].quotas[0].nominal",
            "outside",
        ),
        (
            {"queues": (Queue(name="q", quotas=(replace(CPU, borrowing_limit=1),)),)},
            "queues[0].quotas[0].borrowing_limit",
            "nobody to borrow from",
        ),
        (
            {"queues": (Queue(name="q", cohort="c", quotas=(replace(CPU, lending_limit=11),)),)},
            "queues[0].quotas[0].lending_limit",
            "'q' lends 11 and has 10",
        ),
        (
            {
                "cohorts": (
                    Cohort(name="top"),
                    Cohort(name="c", parent="top", quotas=(Quota(kind="cpu", nominal=5, lending_limit=16),)),
                ),
                "queues": (Queue(name="q", cohort="c", quotas=(CPU,)),),
            },
            "cohorts[1].quotas[0].lending_limit",
            "'c' lends 16 and has 15",
        ),
        ({"objective": Objective(price=101)}, "objective.price", "outside"),
        ({"preemption": Preemption(victims_max=0)}, "preemption.victims_max", "outside"),
    ],
)
def test_problems_are_named(changes: dict[str, Any], where: str, why: str) -> None:
    policy = replace(DEFAULT_POLICY, **changes)
    found = list(problems(policy))
    assert [each for each in found if each[0] == where and why in each[1]], found
    with pytest.raises(PolicyRefused) as refusal:
        checked(policy)
    assert refusal.value.problems == tuple(found)


def test_a_tree_that_is_regrouped_without_a_cycle_is_fine() -> None:
    tenants = (Tenant(name="a/x", parent="b"), Tenant(name="b"), Tenant(name="a"))
    assert list(problems(Policy(tenants=tenants))) == []
