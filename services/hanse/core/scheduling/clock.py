"""The wall clock as windows of reservations go by it: not by a single reading.

A daemon's wall clock may jump: set by hand, by a time daemon that has just found its server, by a machine that was
restored. Nothing is to be stopped, held or let go because of one wrong reading. So the difference between the wall
clock and the mono clock, which never jumps, is believed; another difference is believed in its place only when two
readings that are far enough apart agree on it. Until then windows go on by the old one.
"""

from __future__ import annotations

from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.limits import CLOCK_JITTER_US, CLOCK_STEADY_US
from hanse.core.model.time import Now


class SteadyClock:
    """`is_steady`: two readings agreed; false from the start until then, and while a jump is doubted."""

    def __init__(self, now: Now) -> None:
        self._offset_us = now.wall_us - now.mono_us
        self._since_us = now.mono_us
        self._proven = False
        # Another offset that has been seen, and since when.
        self._doubt: tuple[int, int] | None = None

    def read(self, now: Now) -> bool:
        """Take in a reading. Whether another wall clock is believed from now on."""
        offset_us = now.wall_us - now.mono_us
        if abs(offset_us - self._offset_us) <= CLOCK_JITTER_US:
            self._offset_us, self._doubt = offset_us, None
            self._proven = self._proven or now.mono_us - self._since_us >= CLOCK_STEADY_US
            return False
        if self._doubt is None or abs(offset_us - self._doubt[0]) > CLOCK_JITTER_US:
            self._doubt = (offset_us, now.mono_us)
        elif now.mono_us - self._doubt[1] >= CLOCK_STEADY_US:
            self._offset_us, self._doubt, self._proven = offset_us, None, True
            return True
        return False

    @property
    def is_steady(self) -> bool:
        """Whether work may be stopped by it."""
        return self._proven and self._doubt is None

    @property
    def next_us(self) -> int:
        """When another reading would settle a doubt (mono)."""
        if self._doubt is not None:
            return self._doubt[1] + CLOCK_STEADY_US
        return NEVER_US if self._proven else self._since_us + CLOCK_STEADY_US

    def wall_us(self, mono_us: int) -> int:
        """The wall clock at this instant, as far as it is believed."""
        return mono_us + self._offset_us

    def mono_us(self, wall_us: int) -> int:
        """When that will be, or was."""
        return wall_us - self._offset_us
