"""A region doubts itself within bounds, and its clock stands still while it is deaf."""

from __future__ import annotations

from hanse.core.federation.local_health import LocalHealth
from hanse.core.model.limits import LOCAL_HEALTH_MULTIPLIER_MAX
from hanse.core.model.time import MILLISECOND_US, SECOND_US

TOLERANCE_US = 500 * MILLISECOND_US


def test_missed_acks_raise_the_multiplier_and_timely_ones_lower_it_within_bounds() -> None:
    health = LocalHealth(TOLERANCE_US)
    seen = []
    for _ in range(20):
        health.on_missed_ack()
        seen.append(health.multiplier)
    assert seen[:3] == [2, 3, 4]
    assert seen[-1] == LOCAL_HEALTH_MULTIPLIER_MAX
    for _ in range(20):
        health.on_timely_ack()
    assert health.multiplier == 1


def test_hearing_nobody_doubles_patience_once() -> None:
    health = LocalHealth(TOLERANCE_US)
    for _ in range(5):
        health.on_nobody_heard()
    assert health.multiplier == 2
    health.on_missed_ack()
    health.on_nobody_heard()
    assert health.multiplier == 3


def test_lateness_stops_the_attentive_clock_and_costs_health_by_its_length() -> None:
    health = LocalHealth(TOLERANCE_US)
    health.on_late(1_200 * MILLISECOND_US)
    assert health.attentive_us(10 * SECOND_US) == 8_800 * MILLISECOND_US
    assert health.multiplier == 3
    health.on_late(3_600 * SECOND_US)
    assert health.multiplier == LOCAL_HEALTH_MULTIPLIER_MAX
