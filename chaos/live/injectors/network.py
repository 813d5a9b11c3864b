"""Ways between regions: cut, dropped, delayed, swallowed."""

from __future__ import annotations

from abc import abstractmethod

from chaos.live.faults import CutOneWay, DelayLink, DropPackets, HalfOpen, Partition
from chaos.live.injectors.base import Injector
from chaos.live.links import Imposed, Trouble, Way
from chaos.live.stage import Loss, wall_us


class _LinkInjector(Injector):
    _imposed: tuple[Imposed, ...] = ()

    @abstractmethod
    def troubles(self) -> tuple[Imposed, ...]:
        """What to impose."""

    @abstractmethod
    def words(self) -> str:
        """What it is, to a person."""

    async def inject(self) -> None:
        """Impose them all at once."""
        self.stage.say(self.words())
        self._imposed = self.troubles()
        self.stage.links.impose(self._imposed)

    async def heal(self) -> None:
        """Lift what was imposed."""
        imposed, self._imposed = self._imposed, ()
        self.stage.links.lift(imposed)
        self.stage.say(f"healed: {self.words()}")


def _both_ways(first: str, second: str) -> tuple[Way, Way]:
    return Way(first, second), Way(second, first)


class Partitioning(_LinkInjector):
    """No packet between groups."""

    fault: Partition

    async def inject(self) -> None:
        """Also note who is cut off from the rest."""
        at_us = wall_us()
        await super().inject()
        regions = sum(len(group) for group in self.fault.groups)
        minorities = [group for group in self.fault.groups if 2 * len(group) < regions]
        self.stage.losses += [Loss(name, at_us) for group in minorities for name in group]

    def troubles(self) -> tuple[Imposed, ...]:
        """Cuts, for every pair that is not in one group."""
        group_of = {name: number for number, group in enumerate(self.fault.groups) for name in group}
        return tuple(
            Imposed(Trouble.CUT, Way(sender, receiver))
            for sender in group_of
            for receiver in group_of
            if group_of[sender] != group_of[receiver]
        )

    def words(self) -> str:
        """As {north} | {east, west}."""
        return "partition " + " | ".join("{" + ", ".join(group) + "}" for group in self.fault.groups)


class OneWayCut(_LinkInjector):
    """No packet one way."""

    fault: CutOneWay

    def troubles(self) -> tuple[Imposed, ...]:
        """One cut."""
        return (Imposed(Trouble.CUT, Way(self.fault.sender, self.fault.receiver)),)

    def words(self) -> str:
        """As north -> east."""
        return f"nothing arrives {self.fault.sender} -> {self.fault.receiver}"


class DroppingLink(_LinkInjector):
    """Some packets are lost, both ways."""

    fault: DropPackets

    def troubles(self) -> tuple[Imposed, ...]:
        """The same share both ways."""
        return tuple(Imposed(Trouble.DROP, way, self.fault.share) for way in _both_ways(*self.fault.between))

    def words(self) -> str:
        """With the share."""
        return f"{self.fault.share:.0%} of packets lost between {' and '.join(self.fault.between)}"


class DelayingLink(_LinkInjector):
    """Everything comes later, both ways."""

    fault: DelayLink

    def troubles(self) -> tuple[Imposed, ...]:
        """The same delay both ways."""
        return tuple(
            Imposed(Trouble.DELAY, way, self.fault.delay_ms / 1000) for way in _both_ways(*self.fault.between)
        )

    def words(self) -> str:
        """With the delay."""
        return f"{self.fault.delay_ms} ms each way between {' and '.join(self.fault.between)}"


class HalfOpenLink(_LinkInjector):
    """Connections swallow what is sent."""

    fault: HalfOpen

    def troubles(self) -> tuple[Imposed, ...]:
        """Both ways, as if the far machine were gone."""
        return tuple(Imposed(Trouble.SWALLOW, way) for way in _both_ways(*self.fault.between))

    def words(self) -> str:
        """Between whom."""
        return f"connections half open between {' and '.join(self.fault.between)}"
