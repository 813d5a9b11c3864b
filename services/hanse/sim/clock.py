"""What a region's two clocks show at an instant of the world."""

from __future__ import annotations

from hanse.core.model.time import Now

# Any date will do; a real one reads well in timelines (2026-01-01T00:00:00Z).
WALL_EPOCH_US = 1_767_225_600 * 1_000_000
_MILLION = 1_000_000


class RegionClock:
    """Mono runs from an origin of its own since the machine's boot, at a rate that is off by `drift_ppm`; wall follows
    the world plus an offset that may jump. World instants are microseconds since the run began."""

    def __init__(self, *, mono_origin_us: int, drift_ppm: int, wall_offset_us: int) -> None:
        self.boot_us = 0
        self.mono_origin_us = mono_origin_us
        self.rate = _MILLION + drift_ppm
        self.wall_offset_us = wall_offset_us

    def now(self, world_us: int) -> Now:
        """Both clocks at this instant."""
        mono_us = self.mono_origin_us + (world_us - self.boot_us) * self.rate // _MILLION
        return Now(mono_us=mono_us, wall_us=WALL_EPOCH_US + world_us + self.wall_offset_us)

    def wall_us(self, world_us: int) -> int:
        """The wall clock alone."""
        return WALL_EPOCH_US + world_us + self.wall_offset_us

    def world_us(self, mono_us: int) -> int:
        """The first instant at which mono shows at least `mono_us`."""
        return self.boot_us - (self.mono_origin_us - mono_us) * _MILLION // self.rate

    def jump_wall(self, by_us: int) -> None:
        """Somebody set the date. Mono doesn't notice."""
        self.wall_offset_us += by_us

    def set_rate(self, world_us: int, drift_ppm: int) -> None:
        """From now on mono is off by `drift_ppm`; what it has shown stays."""
        self.mono_origin_us = self.now(world_us).mono_us
        self.boot_us = world_us
        self.rate = _MILLION + drift_ppm

    def reboot(self, world_us: int, mono_origin_us: int) -> None:
        """The machine starts anew, and so does its mono clock."""
        self.boot_us = world_us
        self.mono_origin_us = mono_origin_us
