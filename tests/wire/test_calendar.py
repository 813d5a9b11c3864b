"""Recurrences, resolved to instants: by example, against a slow reading of the same words, and when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.wire.calendar import instants
from hanse.wire.checks import FieldRefused


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def texts(recurrence: str, zone: str, first: str, until: str, limit: int = 100) -> list[str]:
    found = instants(recurrence, zone, us(first), us(until), limit)
    return [datetime.fromtimestamp(each // 1_000_000, tz=UTC).strftime("%m-%d %H:%M") for each in found]


def test_weekday_nights() -> None:
    found = texts("0 22 * * 1-5", "", "2026-11-20T12:00+00:00", "2026-11-25T12:00+00:00")
    assert found == ["11-20 22:00", "11-23 22:00", "11-24 22:00"]


def test_the_time_of_day_is_that_of_the_zone_and_a_missing_one_is_left_out() -> None:
    found = texts("30 2 * * *", "Europe/Berlin", "2026-03-27T00:00+00:00", "2026-03-31T00:00+00:00")
    assert found == ["03-27 01:30", "03-28 01:30", "03-30 00:30"]


def test_an_hour_that_comes_twice_counts_once() -> None:
    found = texts("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+00:00", "2026-10-26T12:00+00:00")
    assert found == ["10-25 00:30", "10-26 01:30"]


def test_either_day_will_do_if_both_are_given() -> None:
    found = texts("0 0 13 * 5", "", "2026-02-01T00:00+00:00", "2026-02-21T00:00+00:00")
    assert found == ["02-06 00:00", "02-13 00:00", "02-20 00:00"]


@pytest.mark.parametrize(
    ("recurrence", "part"),
    [
        ("0 22 * *", "4 fields, not five"),
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of the month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day of the week"),
        ("5-1 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("a * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("٣ * * * *", "minute"),
    ],
)
def test_what_is_no_recurrence_is_refused(recurrence: str, part: str) -> None:
    with pytest.raises(FieldRefused, match=part) as refused:
        instants(recurrence, "", 0, 10**15, 1)
    assert refused.value.field == "recurrence"


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("Nowhere/Land", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(FieldRefused) as refused:
            instants("0 0 * * *", zone, 0, 10**15, 1)
        assert refused.value.field == "time_zone"


NUMBERS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


@st.composite
def fields(draw: st.DrawFn, name: str) -> tuple[str, frozenset[int] | None]:
    least, most = NUMBERS[name]
    match draw(st.sampled_from(["*", "one", "range", "step", "list"])):
        case "*":
            return "*", None
        case "one":
            number = draw(st.integers(least, most))
            return str(number), frozenset([number])
        case "range":
            low = draw(st.integers(least, most))
            high = draw(st.integers(low, most))
            return f"{low}-{high}", frozenset(range(low, high + 1))
        case "step":
            step = draw(st.integers(1, 30))
            return f"*/{step}", frozenset(range(least, most + 1, step))
        case _:
            numbers = draw(st.lists(st.integers(least, most), min_size=1, max_size=4))
            return ",".join(map(str, numbers)), frozenset(numbers)


@settings(max_examples=40, deadline=None)
@given(*(fields(name) for name in NUMBERS), st.integers(0, 400 * 86_400))
def test_it_finds_just_the_minutes_that_match(
    minute: tuple[str, frozenset[int] | None],
    hour: tuple[str, frozenset[int] | None],
    day: tuple[str, frozenset[int] | None],
    month: tuple[str, frozenset[int] | None],
    weekday: tuple[str, frozenset[int] | None],
    offset_s: int,
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=offset_s)
    recurrence = " ".join(each[0] for each in (minute, hour, day, month, weekday))
    first = start.replace(second=0) + (timedelta(minutes=1) if start.second else timedelta())
    expected = []
    for number in range(2 * 24 * 60):
        at = first + timedelta(minutes=number)
        if at >= start + timedelta(days=2):
            break
        days = day[1] is None or at.day in day[1]
        weekdays = weekday[1] is None or bool({at.isoweekday() % 7, at.isoweekday()} & weekday[1])
        on_day = (days or weekdays) if day[1] is not None and weekday[1] is not None else days and weekdays
        if (
            (minute[1] is None or at.minute in minute[1])
            and (hour[1] is None or at.hour in hour[1])
            and (month[1] is None or at.month in month[1])
            and on_day
        ):
            expected.append(int(at.timestamp()) * 1_000_000)
    from_us = int(start.timestamp()) * 1_000_000
    assert instants(recurrence, "", from_us, from_us + 2 * 86_400 * 1_000_000, 5_000) == expected
