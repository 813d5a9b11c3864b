"""Whom an idle region asks for work, and that it does not look again in vain."""

from __future__ import annotations

import random
from typing import Any

from hanse.core.effects import Effects
from hanse.core.federation.handoff.soliciting import Soliciting
from hanse.core.federation.inventory import Inventory
from hanse.core.messages import Solicit
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.regions import Member, QueuedShape, RegionConfig, RegionRecord
from hanse.core.model.resources import Resources, resources
from hanse.core.model.time import SECOND_US, Now
from hanse.core.rows import NO_WRITES


class _Local:
    """A region that knows nothing of what is asked."""

    def is_blocked(self, shape_key: bytes) -> bool:
        return False


class World:
    """north, with so much free; its peers have what the records say."""

    def __init__(self, cpu: int = 4) -> None:
        names = ("north", "east", "west")
        config = RegionConfig(
            name="north", cluster_id="test", members=tuple(Member(name=name) for name in names), nodes=()
        )
        self.us = SECOND_US
        self.free: Resources = resources({"cpu": cpu})
        self.gains = 0
        self.looks = 0
        self.inventory = Inventory("north")
        local: Any = _Local()
        self.soliciting = Soliciting(
            config,
            local,
            self.inventory,
            lambda key: 0,
            self._look,
            lambda: self.gains,
            lambda: (self.gains,),
            random.Random(1),
            self.now,
        )

    def _look(self) -> Resources:
        self.looks += 1
        return self.free

    @property
    def now(self) -> Now:
        return Now(mono_us=self.us, wall_us=self.us)

    def tell(self, region: str, version: int, cpu: int) -> None:
        """This region has published that one job of so much waits there."""
        queued = QueuedShape(shape_key=b"%d" % cpu, count=1, resources=resources({"cpu": cpu}))
        record = RegionRecord(
            region=region,
            incarnation=1,
            version=version,
            observed_wall_us=0,
            classes=(),
            draining=False,
            protocol_min=1,
            protocol_max=1,
            queued=1,
            queued_shapes=(queued,),
        )
        self.inventory.merge([record], self.now)

    def step(self, after_us: int = 2 * SECOND_US) -> list[str]:
        """Time passes, and something happens; who is asked."""
        self.us += after_us
        out = Effects(writes=NO_WRITES)
        self.soliciting.on_capacity(self.now, out)
        assert all(isinstance(send.message, Solicit) for send in out.sends)
        return [send.to for send in out.sends]


def test_where_nothing_waits_that_has_room_nobody_looks_again_until_something_changes() -> None:
    world = World(cpu=4)
    world.tell("east", 1, cpu=8)
    assert world.step() == []
    looks = world.looks
    assert [world.step() for _ in range(10)] == [[]] * 10
    assert world.looks == looks
    assert world.soliciting.alarm.next_us == NEVER_US
    world.tell("east", 2, cpu=6)
    assert world.step() == []
    assert world.looks == looks + 1
    world.free = resources({"cpu": 8})
    world.gains += 1
    assert world.step() == ["east"]


def test_who_was_asked_in_vain_is_asked_again_later_each_time_and_the_alarm_says_when() -> None:
    world = World()
    world.tell("east", 1, cpu=2)
    assert world.step() == ["east"]
    waits = []
    for _ in range(4):
        asked_us = world.us
        asked: list[str] = []
        while not asked:
            assert world.us < world.soliciting.alarm.next_us < NEVER_US
            asked = world.step(world.soliciting.alarm.next_us - world.us)
        assert asked == ["east"]
        waits.append(world.us - asked_us)
    assert waits == sorted(waits)
    assert waits[-1] >= 4 * waits[0]


def test_with_others_to_ask_the_next_look_is_when_the_pause_is_over() -> None:
    world = World()
    world.tell("east", 1, cpu=2)
    world.tell("west", 1, cpu=2)
    assert world.step() in (["east"], ["west"])
    assert world.us < world.soliciting.alarm.next_us <= world.us + 5 * SECOND_US // 4
    assert world.step(world.soliciting.alarm.next_us - world.us)


def test_who_offers_what_can_start_is_asked_again_at_once() -> None:
    world = World()
    world.tell("east", 1, cpu=2)
    assert world.step() == ["east"]
    world.soliciting.answered("east")
    world.soliciting.accepted("east")
    assert world.step() == ["east"]


def test_an_alarm_that_was_put_off_while_nothing_was_spare_is_set_again() -> None:
    world = World()
    world.tell("east", 1, cpu=2)
    assert world.step() == ["east"]
    due_us = world.soliciting.alarm.next_us
    world.soliciting.rest()
    assert world.soliciting.alarm.next_us == NEVER_US
    world.step(1)
    assert world.soliciting.alarm.next_us == due_us
