"""The world's clock: callbacks in order of their virtual instant, and of their making where instants are equal."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeVarTuple, Unpack

Arguments = TypeVarTuple("Arguments")


class Timeline:
    """Virtual time. Nothing happens between two callbacks, however long that is."""

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._made = 0

    @property
    def events(self) -> int:
        """How many callbacks were ever planned."""
        return self._made

    def at(self, at_us: int, callback: Callable[[Unpack[Arguments]], None], *arguments: *Arguments) -> None:
        """Call `callback(*arguments)` at this instant, which must not be past."""
        self._made = made = self._made + 1
        heapq.heappush(self._heap, (at_us, made, callback, arguments))

    def after(
        self, delay_us: int, callback: Callable[[Unpack[Arguments]], None], *arguments: *Arguments
    ) -> None:
        """Call `callback(*arguments)` in `delay_us`."""
        self._made += 1
        heapq.heappush(self._heap, (self.now_us + delay_us, self._made, callback, arguments))

    def run(self, until_us: int) -> None:
        """Let time pass up to this instant."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until_us:
            self.now_us, _, callback, arguments = pop(heap)
            callback(*arguments)
        self.now_us = until_us
