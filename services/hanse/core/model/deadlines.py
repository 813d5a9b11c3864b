"""Many deadlines, one timer: what is due, and when to look again."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Later than any instant: nothing is due.
NEVER_US = 1 << 62


class Alarm:
    """When its owner is to be called: `next_us` in mono microseconds, NEVER_US if it need not be.

    An attribute and no method, because every step asks every part of the region.
    """

    __slots__ = ("next_us",)

    def __init__(self, next_us: int = NEVER_US) -> None:
        self.next_us = next_us


class Deadlines(Alarm, Generic[Key]):
    """Deadlines in mono microseconds by key; setting a key again moves it. `next_us` is the earliest.

    A moved or cancelled deadline stays in the heap until it surfaces, so the heap is swept when more than half of it
    is stale. Equal deadlines are due in the order in which they were set.
    """

    __slots__ = ("_counter", "_current", "_heap")

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[int, int, Key]] = []
        self._current: dict[Key, int] = {}
        self._counter = 0

    def set(self, key: Key, at_us: int) -> None:
        """This key is due at `at_us`, and at no other time."""
        self._counter += 1
        moved = key in self._current
        self._current[key] = self._counter
        heapq.heappush(self._heap, (at_us, self._counter, key))
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._current):
            self._heap = [entry for entry in self._heap if self._current.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)
        if moved:
            self._surface()
        elif at_us < self.next_us:
            self.next_us = at_us

    def cancel(self, key: Key) -> None:
        """This key is not due any more."""
        if self._current.pop(key, None) is not None:
            self._surface()

    def clear(self) -> None:
        """No key is due any more."""
        self._heap.clear()
        self._current.clear()
        self.next_us = NEVER_US

    def pop_due(self, now_us: int) -> list[Key]:
        """Keys that are due at `now_us`, earliest first; they are removed."""
        due: list[Key] = []
        while self.next_us <= now_us:
            key = heapq.heappop(self._heap)[2]
            del self._current[key]
            due.append(key)
            self._surface()
        return due

    def _surface(self) -> None:
        """Drop what is stale from the top of the heap."""
        heap, current = self._heap, self._current
        while heap and current.get(heap[0][2]) != heap[0][1]:
            heapq.heappop(heap)
        self.next_us = heap[0][0] if heap else NEVER_US

    def __contains__(self, key: Key) -> bool:
        return key in self._current

    def __len__(self) -> int:
        return len(self._current)


def backoff_us(first_us: int, attempt: int, cap_us: int) -> int:
    """`first_us` doubled `attempt` times, at most `cap_us`."""
    return min(cap_us, first_us << min(attempt, 32))
