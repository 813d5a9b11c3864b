"""The wall clock that windows go by: one reading moves nothing."""

from __future__ import annotations

from hanse.core.model.limits import CLOCK_STEADY_US
from hanse.core.model.time import SECOND_US, Now, clock_text
from hanse.core.scheduling.clock import SteadyClock

HOUR_US = 3_600 * SECOND_US


def at(mono_s: float, ahead_us: int = 0) -> Now:
    mono_us = int(mono_s * SECOND_US)
    return Now(mono_us=mono_us, wall_us=mono_us + 1_000 * HOUR_US + ahead_us)


def test_a_jump_is_believed_when_two_readings_agree() -> None:
    clock = SteadyClock(at(0))
    assert not clock.is_steady
    assert clock.next_us == CLOCK_STEADY_US
    assert not clock.read(at(10))
    assert clock.is_steady
    assert not clock.read(at(11, HOUR_US))
    assert not clock.is_steady
    assert clock.wall_us(11 * SECOND_US) == at(11).wall_us
    assert clock.next_us == 21 * SECOND_US
    assert not clock.read(at(20, HOUR_US))
    assert clock.read(at(21, HOUR_US))
    assert clock.is_steady
    assert clock.wall_us(22 * SECOND_US) == at(22, HOUR_US).wall_us
    assert clock.mono_us(at(22, HOUR_US).wall_us) == 22 * SECOND_US


def test_a_jump_that_is_taken_back_was_none() -> None:
    clock = SteadyClock(at(0))
    clock.read(at(10))
    clock.read(at(11, -HOUR_US))
    clock.read(at(12))
    assert clock.is_steady
    # Each of these contradicts the one before.
    for second in range(13, 60):
        assert not clock.read(at(second, second * HOUR_US))
        assert not clock.is_steady
    assert clock.wall_us(60 * SECOND_US) == at(60).wall_us


def test_slewing_is_followed() -> None:
    clock = SteadyClock(at(0))
    for second in range(0, 4_000, 10):
        assert not clock.read(at(second, second * 500))
    assert clock.is_steady
    assert clock.wall_us(3_990 * SECOND_US) == at(3_990, 3_990 * 500).wall_us


def test_dates_without_a_calendar() -> None:
    assert clock_text(0) == "1970-01-01 00:00:00 UTC"
    assert clock_text(951_782_399 * SECOND_US) == "2000-02-28 23:59:59 UTC"
    assert clock_text(951_782_400 * SECOND_US) == "2000-02-29 00:00:00 UTC"
    assert clock_text(1_709_251_199 * SECOND_US) == "2024-02-29 23:59:59 UTC"
    assert clock_text(4_107_542_400 * SECOND_US) == "2100-03-01 00:00:00 UTC"
