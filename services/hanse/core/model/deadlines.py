"""Many deadlines, one timer: what is due, and when to look again."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """Deadlines in mono microseconds by key; setting a key again moves it.

    A moved or cancelled deadline stays in the heap until it surfaces, so the heap is swept when more than half of it
    is stale. Equal deadlines are due in the order in which they were set.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Key]] = []
        self._current: dict[Key, int] = {}
        self._counter = 0

    def set(self, key: Key, at_us: int) -> None:
        """This key is due at `at_us`, and at no other time."""
        self._counter += 1
        self._current[key] = self._counter
        heapq.heappush(self._heap, (at_us, self._counter, key))
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._current):
            self._heap = [entry for entry in self._heap if self._current.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def cancel(self, key: Key) -> None:
        """This key is not due any more."""
        self._current.pop(key, None)

    def pop_due(self, now_us: int) -> list[Key]:
        """Keys that are due at `now_us`, earliest first; they are removed."""
        if not self._heap or self._heap[0][0] > now_us:
            return []
        due: list[Key] = []
        while self._heap and self._heap[0][0] <= now_us:
            _, counter, key = heapq.heappop(self._heap)
            if self._current.get(key) == counter:
                del self._current[key]
                due.append(key)
        return due

    def next(self) -> int | None:
        """When the earliest key is due."""
        while self._heap and self._current.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def __contains__(self, key: Key) -> bool:
        return key in self._current

    def __len__(self) -> int:
        return len(self._current)


def backoff_us(first_us: int, attempt: int, cap_us: int) -> int:
    """`first_us` doubled `attempt` times, at most `cap_us`."""
    return min(cap_us, first_us << min(attempt, 32))
