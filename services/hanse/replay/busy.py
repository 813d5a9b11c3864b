"""How much of the capacity was in use, region by region, in a window and over time."""

from __future__ import annotations

from collections.abc import Iterable

from hanse.core.model.resources import Resources
from hanse.replay.trace import NodePool

# What counts first, where it is there at all: the kind that people wait for.
_KINDS = ("gpu", "npu", "cpu", "memory")
_SLICES = 240


class Busy:
    """Capacity-time of the scarcest kind that the pools have, between two instants (`until_us` as far as is known)."""

    def __init__(self, pools: Iterable[NodePool], from_us: int, until_us: int) -> None:
        pools = tuple(pools)
        kinds = {kind for pool in pools for kind, _ in pool.capacity}
        self.kind = next((kind for kind in _KINDS if kind in kinds), min(kinds))
        self.total: dict[str, int] = {}
        for pool in pools:
            amount = dict(pool.capacity).get(self.kind, 0) * pool.count
            self.total[pool.region] = self.total.get(pool.region, 0) + amount
        self._from_us = from_us
        self._until_us = until_us
        self.slice_us = max(1, (until_us - from_us) // _SLICES)
        self._used: dict[str, list[int]] = {region: [0] * (_SLICES + 1) for region in self.total}

    def held(self, region: str, wants: Resources, tasks: int, began_us: int, ended_us: int) -> None:
        """A job held capacity here between these instants."""
        amount = dict(wants).get(self.kind, 0) * tasks
        began_us, ended_us = max(began_us, self._from_us), min(ended_us, self._until_us)
        if not amount or ended_us <= began_us:
            return
        used, width_us = self._used[region], self.slice_us
        first, last = (began_us - self._from_us) // width_us, (ended_us - self._from_us) // width_us
        for number in range(first, last + 1):
            from_us = self._from_us + number * width_us
            overlap_us = min(ended_us, from_us + width_us) - max(began_us, from_us)
            used[min(number, _SLICES)] += amount * overlap_us

    def share(self, region: str = "") -> float:
        """Of the window, over one region or all."""
        regions = [region] if region else list(self.total)
        capacity = sum(self.total[each] for each in regions) * (self._until_us - self._from_us)
        return sum(sum(self._used[each]) for each in regions) / capacity if capacity > 0 else 0.0

    def over_time(self, region: str) -> list[float]:
        """The share in each slice of the window."""
        capacity = self.total[region] * self.slice_us
        return [used / capacity if capacity else 0.0 for used in self._used[region][:_SLICES]]
