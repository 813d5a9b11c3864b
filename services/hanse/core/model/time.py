"""Time as a parameter: the core never asks for it."""

from __future__ import annotations

import msgspec

MILLISECOND_US = 1_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
# What a wait is called that will not end: larger than any prediction, small enough to be added to.
FOR_EVER_US = 1 << 60


def clock_text(wall_us: int) -> str:
    """The date and the time of day, without a library that knows calendars: after Howard Hinnant, "chrono-Compatible
    Low-Level Date Algorithms" (civil_from_days)."""
    days, seconds = divmod(wall_us // SECOND_US, 86_400)
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = from_march + 3 if from_march < 10 else from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    hour, minute, second = seconds // 3_600, seconds // 60 % 60, seconds % 60
    return f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d} UTC"


class Now(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The instant at which a step happens.

    `mono_us` is CLOCK_BOOTTIME in microseconds: never decreasing within a boot, and what every deadline is counted in.
    `wall_us` is microseconds since the Unix epoch: for display, users' deadlines and what is persisted. It may jump;
    no safety decision reads it.
    """

    mono_us: int
    wall_us: int
