"""Operators of reservations: they set capacity of some region aside for a while, and change their minds, while
everything else goes wrong. When everything has healed they cancel all, so that every job finds room."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from hanse.core.events import CancelReservation, Reserve
from hanse.core.model.jobs import GroupShape
from hanse.core.model.reservations import Before, RegionPlaces, WantedReservation
from hanse.core.model.time import SECOND_US
from hanse.sim.host import Host
from hanse.sim.timeline import Timeline
from hanse.sim.workload import CPU_PER_NODE

_CANCEL_SHARE = 0.3
_JOINT_SHARE = 0.5
_PAST_SHARE = 0.1
# Some want more than a node has, and some more nodes than there are.
_CPU_MAX = CPU_PER_NODE * 5 // 4
_COUNT_MAX = 3
_AHEAD_MAX_US = 30 * SECOND_US
_LASTS_MAX_US = 30 * SECOND_US
_WINDOWS_MAX = 4
_IDLE_MAX_US = 10 * SECOND_US
_LOOK_EVERY_US = SECOND_US


class Reservers:
    """`change` asks one region for something."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        hosts: Sequence[Host],
        tenants: tuple[str, ...],
        count: Callable[[str], None],
        *,
        may_join: bool,
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._hosts = hosts
        self._tenants = tenants
        self._count = count
        self._may_join = may_join
        self._asked = 0
        self._healed = False

    @property
    def idle(self) -> bool:
        """No region has a reservation."""
        return all(
            host.gone or (host.core is not None and not host.core.local.windows and host.core.joint.idle)
            for host in self._hosts
        )

    def change(self) -> str:
        """Somebody sets capacity aside, or cancels what somebody set aside; what."""
        up = [host for host in self._hosts if host.core is not None]
        if not up or self._healed:
            return ""
        host = self._random.choice(up)
        assert host.core is not None
        known = [view.reservation.name for view in host.core.local.windows.view()]
        if known and self._random.random() < _CANCEL_SHARE:
            name = self._random.choice(known)
            host.post(CancelReservation(request_id=-1, name=name, cause="operator"))
            return f"{host.name} cancels {name}"
        self._asked += 1
        wanted = self._draw(host)
        elsewhere = self._draw_elsewhere(host)
        if elsewhere:
            wanted = msgspec.structs.replace(wanted, groups=self._small())
        host.post(
            Reserve(
                request_id=-1,
                wanted=wanted,
                id=f"reserved-{self._asked}",
                cause="operator",
                elsewhere=elsewhere,
            )
        )
        named = "".join(f" and {each.region}" for each in elsewhere)
        return f"{host.name}{named} reserves {wanted.name} for {wanted.tenant}"

    def heal(self) -> None:
        """Cancel all, and look again until nothing is left."""
        self._healed = True
        if self.idle:
            return
        for host in self._hosts:
            for view in host.core.local.windows.view() if host.core is not None else ():
                cancel = CancelReservation(request_id=-1, name=view.reservation.name, cause="operator")
                host.post(cancel)
        self._timeline.after(_LOOK_EVERY_US, self.heal)

    def _draw_elsewhere(self, host: Host) -> tuple[RegionPlaces, ...]:
        """Places of other regions, of some; smaller ones, so that all of them have room now and then."""
        others = [each.name for each in self._hosts if each is not host and not each.gone]
        if not self._may_join or not others or self._random.random() >= _JOINT_SHARE:
            return ()
        self._count("reservation_over_several_regions")
        chosen = sorted(self._random.sample(others, self._random.randint(1, min(2, len(others)))))
        return tuple(RegionPlaces(name, self._small()) for name in chosen)

    def _small(self) -> tuple[GroupShape, ...]:
        return (GroupShape(1, 1, (("cpu", self._random.randint(1, CPU_PER_NODE // 4)),)),)

    def _draw(self, host: Host) -> WantedReservation:
        draw = self._random
        lasts_us = draw.randint(SECOND_US, _LASTS_MAX_US)
        first_us = host.clock.wall_us(self._timeline.now_us) + draw.randint(0, _AHEAD_MAX_US)
        if draw.random() < _PAST_SHARE:
            self._count("reservation_in_the_past")
            first_us -= 2 * _AHEAD_MAX_US
        every_us = lasts_us + draw.randint(0, _AHEAD_MAX_US)
        group = GroupShape(draw.randint(1, _COUNT_MAX), 1, (("cpu", draw.randint(1, _CPU_MAX)),))
        return WantedReservation(
            name=f"r{self._asked}",
            tenant=draw.choice((*self._tenants, "yards")),
            groups=(GroupShape(group.count, group.count, group.resources),),
            starts_wall_us=tuple(first_us + at * every_us for at in range(draw.randint(1, _WINDOWS_MAX))),
            duration_us=lasts_us,
            before=draw.choice(list(Before)),
            idle_release_us=draw.choice((0, draw.randint(SECOND_US, _IDLE_MAX_US))),
        )
