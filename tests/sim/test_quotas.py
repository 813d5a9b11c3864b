"""A global quota is used, nearly all of it, while there is demand: whoever has the jobs gets the rights."""

from __future__ import annotations

import pytest

from chaos.checkers import check
from hanse.core.model.jobs import RunId
from hanse.core.model.quota import applies
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import FairShare, Policy
from hanse.core.rows import JobRow
from hanse.sim.faults import Faults
from hanse.sim.record import Committed, Record, TaskBegan, TaskFinished
from hanse.sim.world import Plan, World

YARDS = ("yards", "cpu")
LIMIT = 20_000
# Neither a region's own quotas nor its fair shares keep back who has his rights: with fair shares other tenants may be
# next when rights come, and these lie idle for as long as one of their jobs takes.
BY_AGE = Policy(fair_share=FairShare(order="off"))
# All jobs are there, what began before there was a quota has ended, and rights have found their way.
WARM_US = 41 * SECOND_US


def _world(seed: int, faults: Faults, adoptable_share: float) -> World:
    return World(
        Plan(
            seed=seed,
            faults=faults,
            regions=3,
            duration_us=10 * SECOND_US,
            jobs=300,
            kinds=1,
            runtime_max_us=20 * SECOND_US,
            adoptable_share=adoptable_share,
            # What an array lets run at a time would bound what is used.
            arrays_share=0.0,
            quotas={YARDS: LIMIT},
            policy=BY_AGE,
        )
    )


def _uses(record: Record) -> list[tuple[int, int]]:
    """(when, how much more or less is in use from then on). A job uses its rights until its last task has ended."""
    tasks: dict[RunId, int] = {}
    rights: dict[RunId, int] = {}
    changes = []
    for entry in record:
        if isinstance(entry, TaskBegan):
            amount = sum(each for kind, each in entry.resources if applies(YARDS, entry.tenant, kind))
            tasks[entry.run] = tasks.get(entry.run, 0) + 1
            rights[entry.run] = rights.get(entry.run, 0) + amount
            changes.append((entry.at_us, amount))
        elif isinstance(entry, TaskFinished):
            tasks[entry.run] -= 1
            if not tasks[entry.run]:
                changes.append((entry.at_us, -rights.pop(entry.run)))
    return changes


def _largest(record: Record) -> int:
    """What one job needs."""
    needs: dict[object, int] = {}
    for entry in record:
        if isinstance(entry, TaskBegan):
            amount = sum(each for kind, each in entry.resources if applies(YARDS, entry.tenant, kind))
            needs[entry.run] = needs.get(entry.run, 0) + amount
    return max(needs.values())


def _utilisation(record: Record, until_us: int) -> float:
    """Of what jobs of this size can use of the limit, between WARM_US and `until_us`."""
    usable = LIMIT // _largest(record) * _largest(record)
    used, before_us, area = 0, WARM_US, 0
    for at_us, change in [*_uses(record), (until_us, 0)]:
        if WARM_US < at_us <= until_us:
            area += used * (at_us - before_us)
            before_us = at_us
        used += change
    return area / (usable * (until_us - WARM_US))


def _demand_ends_us(record: Record) -> int:
    """When the last job of the tenant begins: until then somebody waits."""
    return max(
        entry.at_us for entry in record if isinstance(entry, TaskBegan) and entry.tenant.startswith(YARDS[0])
    )


@pytest.mark.parametrize("adoptable_share", [0.0, 1.0])
@pytest.mark.parametrize("seed", [2, 4])
def test_a_quota_is_used_while_there_is_demand(seed: int, adoptable_share: float) -> None:
    world = _world(seed, Faults.none(), adoptable_share)
    world.run()
    check(world.record)
    tenants = {
        row.tenant
        for entry in world.record
        if isinstance(entry, Committed)
        for writes in entry.writes
        for row in writes.jobs
        if isinstance(row, JobRow)
    }
    assert any(tenant.startswith("yards") for tenant in tenants)
    assert _utilisation(world.record, _demand_ends_us(world.record)) >= 0.95
