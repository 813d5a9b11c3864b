"""The only place that reads the machine's clocks for the core."""

from __future__ import annotations

import time
from collections.abc import Callable

from hanse.core.model.time import Now

Clock = Callable[[], Now]


def system_now() -> Now:
    """CLOCK_BOOTTIME, which also counts while the machine sleeps, and the wall clock; both in microseconds."""
    return Now(mono_us=mono_us(), wall_us=time.time_ns() // 1_000)


def mono_us() -> int:
    """CLOCK_BOOTTIME in microseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def wall_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1_000
