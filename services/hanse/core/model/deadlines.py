"""Many deadlines, one timer: what is due, and when to look again."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Later than any instant: nothing is due.
NEVER_US = 1 << 62


class Alarm:
    """When its owner is to be called: `next_us` in mono microseconds, NEVER_US if it need not be."""

    __slots__ = ("_group", "next_us")

    def __init__(self, next_us: int = NEVER_US) -> None:
        self.next_us = next_us
        self._group: Alarms | None = None

    def ring_at(self, at_us: int) -> None:
        """At this instant, and at no other."""
        before_us, self.next_us = self.next_us, at_us
        if self._group is not None:
            self._group.moved(before_us, at_us)

    def ring_by(self, at_us: int) -> None:
        """At this instant at the latest."""
        if at_us < self.next_us:
            self.ring_at(at_us)

    def join(self, group: Alarms) -> None:
        """This group is told of every change from now on."""
        self._group = group


class Alarms(Alarm):
    """Several alarms as one: due when the first of them is. They say when they move, because each step asks, and few
    move in a step."""

    __slots__ = ("_alarms",)

    def __init__(self, *alarms: Alarm) -> None:
        super().__init__(min(alarm.next_us for alarm in alarms))
        self._alarms = alarms
        for alarm in alarms:
            alarm.join(self)

    def moved(self, before_us: int, after_us: int) -> None:
        """One of them was due at `before_us` and is now due at `after_us`."""
        if after_us <= self.next_us:
            self.ring_at(after_us)
        elif before_us == self.next_us:
            self.ring_at(min([alarm.next_us for alarm in self._alarms]))


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
        else:
            self.ring_by(at_us)

    def cancel(self, key: Key) -> None:
        """This key is not due any more."""
        if self._current.pop(key, None) is not None:
            self._surface()

    def clear(self) -> None:
        """No key is due any more."""
        self._heap.clear()
        self._current.clear()
        self.ring_at(NEVER_US)

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
        next_us = heap[0][0] if heap else NEVER_US
        if next_us != self.next_us:
            self.ring_at(next_us)

    def __contains__(self, key: Key) -> bool:
        return key in self._current

    def __len__(self) -> int:
        return len(self._current)


def backoff_us(first_us: int, attempt: int, cap_us: int) -> int:
    """`first_us` doubled `attempt` times, at most `cap_us`."""
    return min(cap_us, first_us << min(attempt, 32))
