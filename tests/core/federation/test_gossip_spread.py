"""How many rounds until everybody knows, over every record published in a seeded world."""

from __future__ import annotations

import pytest

from hanse.core.model.time import SECOND_US
from tests.core.federation.gossip_world import World


def percentile(ordered: list[float], permille: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * permille // 1000)]


@pytest.mark.parametrize(
    ("size", "duration_s", "rounds_p99", "samples_min"),
    [(10, 300, 3, 500), (100, 25, 5, 300), (300, 11, 7, 300)],
)
def test_everybody_knows_within_the_published_rounds(
    size: int, duration_s: int, rounds_p99: float, samples_min: int
) -> None:
    world = World(seed=size, size=size)
    world.run(3 * SECOND_US)  # until all have met
    since_us = world.now_us
    world.run(duration_s * SECOND_US)
    rounds = world.spread_rounds(since_us)
    assert len(rounds) >= samples_min
    assert percentile(rounds, 990) <= rounds_p99
    late = [key for key, at_us in world.published.items() if at_us < world.now_us - 8 * SECOND_US]
    assert all(key in world.spread_us for key in late if world.published[key] >= since_us)


def test_one_message_in_five_lost_costs_a_round_or_two() -> None:
    world = World(seed=5, size=50, loss=0.2)
    world.run(3 * SECOND_US)
    since_us = world.now_us
    world.run(40 * SECOND_US)
    assert percentile(world.spread_rounds(since_us), 990) <= 6


def test_two_worlds_of_one_seed_are_the_same_world() -> None:
    def story() -> tuple[object, ...]:
        world = World(seed=11, size=20, loss=0.1)
        world.run(20 * SECOND_US)
        return dict(world.messages), world.spread_us, world.steps

    assert story() == story()
