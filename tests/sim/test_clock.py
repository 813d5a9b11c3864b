"""A region's clocks: mono never falls, wakes are never early, wall may jump."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hanse.sim.clock import RegionClock

DRIFT = st.integers(-500, 500)
INSTANT = st.integers(0, 10**13)


@given(DRIFT, INSTANT, INSTANT)
def test_a_deadline_is_reached_and_not_early(drift_ppm: int, origin_us: int, ahead_us: int) -> None:
    clock = RegionClock(mono_origin_us=origin_us, drift_ppm=drift_ppm, wall_offset_us=0)
    deadline_us = origin_us + ahead_us
    at_us = clock.world_us(deadline_us)
    assert clock.now(at_us).mono_us >= deadline_us
    assert at_us == 0 or clock.now(at_us - 1).mono_us < deadline_us


@given(DRIFT, INSTANT, st.integers(0, 10**9))
def test_mono_never_falls(drift_ppm: int, at_us: int, later_us: int) -> None:
    clock = RegionClock(mono_origin_us=7, drift_ppm=drift_ppm, wall_offset_us=0)
    assert clock.now(at_us).mono_us <= clock.now(at_us + later_us).mono_us


def test_a_jump_of_the_date_leaves_mono_alone() -> None:
    clock = RegionClock(mono_origin_us=5, drift_ppm=0, wall_offset_us=0)
    before = clock.now(1_000)
    clock.jump_wall(-500)
    after = clock.now(1_000)
    assert (after.mono_us, after.wall_us) == (before.mono_us, before.wall_us - 500)


def test_a_reboot_gives_mono_a_new_origin() -> None:
    clock = RegionClock(mono_origin_us=10**12, drift_ppm=0, wall_offset_us=0)
    clock.reboot(1_000, 42)
    assert clock.now(1_000).mono_us == 42
    assert clock.world_us(142) == 1_100
