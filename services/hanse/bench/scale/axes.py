"""What is made larger, and which work is timed at each size.

Work that has to be done once for each (n jobs are queued, n nodes are read) is told as the whole; work that is done
while there are so many (one job ends, one region gossips for a minute) is told by the piece. Both are compared with
n log n; a piece that does not grow at all has the exponent 0.
"""

from __future__ import annotations

import enum
import math

import msgspec

# Sizes for a factor of ten.
PER_DECADE = 2
REGIONS_PER_DECADE = 3
# Of resident memory. What an interpreter differs in from run to run is no growth.
MEMORY = "memory"
MEMORY_MIN_BYTES = 4 << 20


class AxisName(enum.StrEnum):
    """What is made larger."""

    REGIONS = "regions"
    NODES = "nodes"
    JOBS = "jobs"


class Axis(msgspec.Struct, frozen=True):
    """`limit_s`: wall time for all sizes together; what does not fit into it is left out. `shared`: the n are side by
    side in one process, so that its memory is that of all."""

    name: AxisName
    what: str
    least: int
    most: int
    per_decade: int
    limit_s: float
    shared: bool = False

    def sizes(self, up_to: int | None = None) -> list[int]:
        """Evenly spaced by the logarithm, both ends included."""
        most = self.most if up_to is None else up_to
        if most <= self.least:
            return [most]
        steps = max(1, math.ceil(math.log10(most / self.least) * self.per_decade - 1e-9))
        return [round(self.least * (most / self.least) ** (step / steps)) for step in range(steps + 1)]


# Bounds for a machine on which much else is done, too.
AXES = {
    axis.name: axis
    for axis in (
        Axis(AxisName.REGIONS, "regions of one league", 3, 300, REGIONS_PER_DECADE, 120.0, shared=True),
        Axis(AxisName.NODES, "nodes of one region", 100, 100_000, PER_DECADE, 80.0),
        Axis(AxisName.JOBS, "jobs that wait in one region", 1_000, 1_000_000, PER_DECADE, 390.0),
    )
}


class Work(msgspec.Struct, frozen=True):
    """CPU seconds that one piece of work took at one size: the middle of all that were timed."""

    name: str
    what: str
    seconds: float


class Point(msgspec.Struct, frozen=True):
    """One size, measured once. `peak_bytes`: of resident memory, of which `base_bytes` were there before anything."""

    n: int
    works: tuple[Work, ...]
    base_bytes: int
    peak_bytes: int
    wall_s: float
