"""A bounded memo: what was translated once isn't translated again while it is in use."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers up to `entries_max` values; the oldest goes first. Dropping is harmless: it is made again."""

    def __init__(self, entries_max: int) -> None:
        self._entries: dict[K, V] = {}
        self._entries_max = entries_max

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value of `key`, if it is still remembered."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> V:
        """Remember `value`, and return it."""
        if len(self._entries) >= self._entries_max:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value
        return value

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The value of `key`; made, and remembered, if it is not known. What `make` raises is not remembered."""
        value = self._entries.get(key)
        return value if value is not None else self.put(key, make())
