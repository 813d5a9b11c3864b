"""Orders in simulated leagues, with and without other faults: every checker on, and everything ends in the end."""

from __future__ import annotations

import msgspec
import pytest

from chaos.checkers import check
from chaos.checkers.disks import Disks
from chaos.checkers.holds import Holds
from hanse.core.model.time import SECOND_US
from hanse.core.rows import TimelineRow, Writes
from hanse.sim.errors import SafetyViolation
from hanse.sim.faults import MINUTE_US, Faults
from hanse.sim.record import Committed
from hanse.sim.run import run_plan
from hanse.sim.world import Plan


@pytest.mark.parametrize("seed", [1, 4])
def test_promises_hold_while_people_give_orders(seed: int) -> None:
    faults = msgspec.structs.replace(Faults.swarm(seed), order_every_us=2 * SECOND_US)
    report = run_plan(
        Plan(seed=seed, faults=faults, regions=3, duration_us=2 * MINUTE_US, jobs=80, check_every=16), check
    )
    assert report.faults["order"] > 10


def test_on_a_good_day_orders_hold_nothing_up() -> None:
    faults = msgspec.structs.replace(Faults.none(), order_every_us=SECOND_US)
    report = run_plan(
        Plan(seed=3, faults=faults, regions=3, duration_us=2 * MINUTE_US, jobs=80, check_every=4), check
    )
    assert report.faults["order"] > 30


def entry(*rows: tuple[str, str]) -> Committed:
    timeline = [
        TimelineRow("north-1", number, number, what, reason, "", 1, 1, "c")
        for number, (what, reason) in enumerate(rows)
    ]
    return Committed(1, "north", 1, (Writes(timeline=timeline),))


def judge(committed: Committed) -> None:
    checker = Holds(Disks())
    checker.handlers()[Committed](committed)


def test_a_held_job_that_starts_is_found() -> None:
    judge(entry(("QUEUED", "HELD"), ("QUEUED", "REQUESTED"), ("RUNNING", "STARTED")))
    judge(entry(("STOPPING", "HELD"), ("QUEUED", "HELD"), ("CANCELLED", "CANCELLED")))
    with pytest.raises(SafetyViolation, match="although it is held"):
        judge(entry(("QUEUED", "HELD"), ("CHANGED", "REQUESTED"), ("RUNNING", "STARTED")))
