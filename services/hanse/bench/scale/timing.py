"""CPU seconds of a piece of work that is done again and again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

# Of so many parts the middle one counts, so that a moment in which the machine did something else does not. Each part
# is long enough for work that is put off and done together to be in it.
PARTS = 5
# All parts together take about as long at most, however slow a piece is.
SECONDS_MAX = 4.0


def each_s(pieces: int, do: Callable[[], object]) -> float:
    """Seconds for one of at most so many pieces."""
    first_s = once_s(do)
    affordable = int(SECONDS_MAX / PARTS / max(first_s, 1e-9))
    per_part = max(1, min(pieces // PARTS, affordable))
    return statistics.median(sum_s([do] * per_part) / per_part for _ in range(PARTS))


def once_s(do: Callable[[], object]) -> float:
    """Seconds for work that is done once."""
    begun_s = time.process_time()
    do()
    return time.process_time() - begun_s


def sum_s(pieces: Iterable[Callable[[], object]]) -> float:
    """Seconds for all of them. What it takes to prepare each is not counted."""
    return sum(once_s(do) for do in pieces)
