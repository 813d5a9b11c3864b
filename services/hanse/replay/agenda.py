"""What is due when: one heap for all regions, emptied instant by instant."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Agenda(Generic[Item]):
    """Items by instant, in the order in which they were planned where instants are equal."""

    __slots__ = ("_heap", "_planned", "now_us")

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Item]] = []
        self._planned = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def plan(self, at_us: int, item: Item) -> None:
        """At this instant, or at once if that is past."""
        self._planned += 1
        heapq.heappush(self._heap, (at_us if at_us > self.now_us else self.now_us, self._planned, item))

    def take(self) -> list[Item]:
        """Go to the next instant at which something is due; all that is due then."""
        heap, pop = self._heap, heapq.heappop
        self.now_us, _, first = pop(heap)
        due = [first]
        while heap and heap[0][0] == self.now_us:
            due.append(pop(heap)[2])
        return due
