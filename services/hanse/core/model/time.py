"""Time as a parameter: the core never asks for it."""

from __future__ import annotations

import msgspec

MILLISECOND_US = 1_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
# What a wait is called that will not end: larger than any prediction, small enough to be added to.
FOR_EVER_US = 1 << 60


class Now(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The instant at which a step happens.

    `mono_us` is CLOCK_BOOTTIME in microseconds: never decreasing within a boot, and what every deadline is counted in.
    `wall_us` is microseconds since the Unix epoch: for display, users' deadlines and what is persisted. It may jump;
    no safety decision reads it.
    """

    mono_us: int
    wall_us: int
