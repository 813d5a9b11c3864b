"""What the policy's weights make of the regions that could take a job."""

from __future__ import annotations

import pytest

from hanse.core.federation.routing import cost_us
from hanse.core.policy.model import Objective

S = 1_000_000


@pytest.mark.parametrize(
    ("objective", "wait_us", "missing", "price", "power", "cost"),
    [
        (Objective(), 7 * S, 3, 2_000, 2_000, 7 * S),
        (Objective(wait=2), 7 * S, 3, 2_000, 2_000, 14 * S),
        (Objective(locality=1), 7 * S, 3, 1_000, 1_000, 187 * S),
        (Objective(price=1), 0, 0, 1_100, 1_000, 60 * S),
        (Objective(price=1), 0, 0, 900, 1_000, -60 * S),
        (Objective(wait=0, power=2), 9 * S, 0, 1_000, 1_050, 60 * S),
        (Objective(price=1, power=1), 5 * S, 0, 1_100, 900, 5 * S),
    ],
)
def test_costs(objective: Objective, wait_us: int, missing: int, price: int, power: int, cost: int) -> None:
    assert cost_us(objective, wait_us, missing, price, power) == cost


def test_by_default_the_wait_decides() -> None:
    waits = [0, 1, 1_000, 5 * S, 5 * S + 1]
    assert [cost_us(Objective(), wait, 9, 9_000, 1) for wait in waits] == waits
