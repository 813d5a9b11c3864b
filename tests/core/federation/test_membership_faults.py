"""What membership promises under faults: the dead are found, the living are not accused, the separated meet again."""

from __future__ import annotations

import pytest

from hanse.core.federation.liveness import silence_limit_us
from hanse.core.model.regions import Liveness, Timings
from hanse.core.model.time import SECOND_US
from tests.core.federation.gossip_world import World

TIMINGS = Timings()
ROUND_US = TIMINGS.gossip_interval_us * 12 // 10
PROBE_US = 3 * TIMINGS.probe_timeout_us
# The last record that a region published may still go round for a while after its death.
RUMOUR_US = 7 * TIMINGS.gossip_interval_us


def suspected_within_us(members: int, multiplier: int = 1) -> int:
    return RUMOUR_US + multiplier * (silence_limit_us(TIMINGS, members) + PROBE_US) + 2 * ROUND_US


def dead_within_us(members: int, multiplier: int = 1) -> int:
    return suspected_within_us(members, multiplier) + multiplier * TIMINGS.dead_after_us + ROUND_US


@pytest.mark.parametrize(("size", "seed"), [(2, 1), (3, 1), (3, 2), (10, 3), (10, 4), (100, 5)])
def test_a_dead_region_is_found_within_the_bound_and_nobody_else_is_accused(size: int, seed: int) -> None:
    world = World(seed, size)
    world.run(8 * SECOND_US)
    victim = world.names[-1]
    world.kill(victim)
    # Of two, the other one hears nobody: it is twice as patient.
    multiplier = 2 if size == 2 else 1
    accused = (Liveness.SUSPECT, Liveness.DEAD)
    took_us = world.run_until(
        lambda: all(view in accused for view in world.views_of(victim)), suspected_within_us(size, multiplier)
    )
    world.run_until(
        lambda: all(view is Liveness.DEAD for view in world.views_of(victim)),
        dead_within_us(size, multiplier) - took_us,
    )
    assert {peer for liveness in accused for _, peer in world.accusations(liveness)} == {victim}
    assert all(not node.membership.reachable(victim) for node in world.nodes.values() if node.name != victim)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_nobody_is_called_dead_while_one_message_in_five_is_lost(size: int) -> None:
    for seed in range(8):
        world = World(seed, size, loss=0.2)
        world.run(120 * SECOND_US)
        assert world.accusations(Liveness.DEAD) == [], f"seed {seed}"


@pytest.mark.parametrize("reading_s", [1, 2, 4])
@pytest.mark.parametrize("size", [3, 10, 30])
def test_a_slow_region_accuses_nobody(size: int, reading_s: int) -> None:
    world = World(7, size)
    world.run(5 * SECOND_US)
    slow = world.nodes[world.names[1]]
    slow.accusations.clear()
    slow.reading_us = reading_s * SECOND_US
    multipliers = []
    for _ in range(60):
        world.run(SECOND_US)
        multipliers.append(slow.membership.counters()["local_health_multiplier"])
    assert [after for _, _, after in slow.accusations if after is not Liveness.ALIVE] == []
    assert max(multipliers) > 1
    assert world.accusations(Liveness.DEAD) == []


def test_a_frozen_region_is_called_dead_and_accuses_nobody_when_it_wakes_up() -> None:
    world = World(3, 10)
    world.run(10 * SECOND_US)
    frozen = world.nodes[world.names[2]]
    frozen.accusations.clear()
    world.freeze(frozen.name)
    world.run(40 * SECOND_US)
    assert world.views_of(frozen.name) == [Liveness.DEAD] * 9
    world.thaw(frozen.name)
    world.run_until(world.everybody_reaches_everybody, 2 * TIMINGS.dead_gossip_interval_us)
    world.run(20 * SECOND_US)
    assert [after for _, _, after in frozen.accusations if after is not Liveness.ALIVE] == []


@pytest.mark.parametrize(("size", "apart"), [(2, 1), (3, 1), (10, 1), (10, 5), (50, 25)])
def test_a_healed_partition_meets_again_in_time(size: int, apart: int) -> None:
    for seed in range(3):
        world = World(seed, size)
        world.run(8 * SECOND_US)
        group = world.names[:apart]
        world.separate(group)
        world.run(dead_within_us(size, multiplier=2))
        across = [
            node.liveness_of(peer)
            for node in world.nodes.values()
            for peer in world.names
            if (node.name in group) != (peer in group)
        ]
        assert across == [Liveness.DEAD] * len(across)
        within = [
            node.membership.reachable(peer)
            for node in world.nodes.values()
            for peer in world.names
            if (node.name in group) == (peer in group) and peer != node.name
        ]
        assert all(within)
        world.heal()
        world.run_until(world.everybody_reaches_everybody, 2 * TIMINGS.dead_gossip_interval_us)


def test_a_broken_link_is_known_to_both_ends_and_to_nobody_else() -> None:
    world = World(1, 10)
    world.run(5 * SECOND_US)
    left, right = world.names[0], world.names[1]
    world.separated = lambda sender, receiver: {sender, receiver} == {left, right}
    world.run(60 * SECOND_US)
    assert world.accusations(Liveness.SUSPECT) == []
    for node in world.nodes.values():
        unreachable = [p for p in world.names if p != node.name and not node.membership.reachable(p)]
        assert unreachable == {left: [right], right: [left]}.get(node.name, [])
    world.heal()
    world.run_until(world.everybody_reaches_everybody, 2 * TIMINGS.dead_gossip_interval_us)


def test_a_region_that_cannot_be_heard_is_unreachable_but_alive_where_its_news_arrive_through_others() -> (
    None
):
    """One-way: `mute` is not heard by `deaf`, but its records get there."""
    world = World(2, 5)
    world.run(5 * SECOND_US)
    mute, deaf = world.names[0], world.names[1]
    world.separated = lambda sender, receiver: (sender, receiver) == (mute, deaf)
    world.run(30 * SECOND_US)
    assert world.nodes[deaf].liveness_of(mute) is Liveness.ALIVE
    assert not world.nodes[deaf].membership.reachable(mute)
    assert world.nodes[mute].membership.reachable(deaf)
