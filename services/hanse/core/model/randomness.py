"""Randomness as a parameter: the core draws from the seeded generator that it is given; runs can be replayed."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")


class Randomness(Protocol):
    """What the core asks of a generator; random.Random(seed) has it all."""

    def random(self) -> float:
        """A float in [0, 1). Never let it decide an order: prefer randrange."""
        ...

    def randrange(self, start: int, /) -> int:
        """An integer in [0, start)."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """An integer in [0, 2**k)."""
        ...

    def shuffle(self, x: MutableSequence[Any], /) -> None:
        """Put the items into a random order, in place."""
        ...

    def sample(self, population: Sequence[Item], /, k: int) -> list[Item]:
        """`k` different items, in random order."""
        ...
