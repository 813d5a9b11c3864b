"""Recurrences, as in a crontab, resolved to instants. The core counts in microseconds and knows no calendar.

Five fields: minute, hour, day of the month, month, day of the week (0 or 7: Sunday). Each is `*`, or a list of numbers
and ranges, each with a step if need be: `1-5`, `*/15`, `0,30`. As in cron, a day has to match both day fields, unless
neither of them is `*`: then one will do.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator

from hanse.wire.checks import FieldRefused, echo

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
_SUNDAY = 7
# A century of days is more than any recurrence may last, and its bound is checked by whoever asks.
_DAYS_MAX = 36_525


def instants(
    recurrence: str, time_zone: str, from_us: int, until_us: int, limit: int, field: str = "recurrence"
) -> list[int]:
    """The first instants (microseconds since the Unix epoch) of a recurrence from `from_us` on and before `until_us`,
    at most `limit`. Raises FieldRefused."""
    zone = _zone(time_zone)
    found: list[int] = []
    for at_us in _all(_parsed(recurrence, field), zone, from_us, until_us):
        if len(found) == limit:
            break
        found.append(at_us)
    return found


def _all(
    fields: list[frozenset[int] | None], zone: zoneinfo.ZoneInfo, from_us: int, until_us: int
) -> Iterator[int]:
    minutes, hours, days, months, weekdays = fields
    day = _local(from_us, zone).date()
    for _ in range(_DAYS_MAX):
        if _matches(day, days, months, weekdays):
            # Where clocks are put back an hour comes twice, and the first one counts: instants of a day may be out of
            # order, so they are sorted.
            of_day = sorted(
                instant
                for hour in sorted(hours if hours is not None else range(24))
                for minute in sorted(minutes if minutes is not None else range(60))
                if (instant := _instant(day, hour, minute, zone)) is not None
            )
            for at_us in of_day:
                if at_us >= until_us:
                    return
                if at_us >= from_us:
                    yield at_us
        try:
            day += datetime.timedelta(days=1)
        except OverflowError:
            return
        if _epoch_us(datetime.datetime(day.year, day.month, day.day, tzinfo=zone)) >= until_us:
            return


def _matches(
    day: datetime.date,
    days: frozenset[int] | None,
    months: frozenset[int] | None,
    weekdays: frozenset[int] | None,
) -> bool:
    if months is not None and day.month not in months:
        return False
    in_month = days is None or day.day in days
    in_week = weekdays is None or day.isoweekday() in weekdays
    return (in_month or in_week) if days is not None and weekdays is not None else (in_month and in_week)


def _instant(day: datetime.date, hour: int, minute: int, zone: zoneinfo.ZoneInfo) -> int | None:
    """None: the day lacks that time, because clocks were put forward."""
    local = datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    there_and_back = local.astimezone(datetime.UTC).astimezone(zone)
    if (there_and_back.hour, there_and_back.minute) != (hour, minute):
        return None
    return _epoch_us(local)


def _epoch_us(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _local(wall_us: int, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(wall_us // 1_000_000, tz=zone)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FieldRefused("time_zone", f"no time zone {echo(name)!r} is known here") from error


def _parsed(recurrence: str, field: str) -> list[frozenset[int] | None]:
    """Each field's values; None: all."""
    texts = recurrence.split()
    if len(texts) != len(_FIELDS):
        names = ", ".join(name for name, _, _ in _FIELDS)
        raise FieldRefused(field, f"{echo(recurrence)!r} has {len(texts)} fields, not five: {names}")
    parsed = [
        _values(text, name, least, most, field)
        for text, (name, least, most) in zip(texts, _FIELDS, strict=True)
    ]
    weekdays = parsed[4]
    if weekdays is not None:
        parsed[4] = frozenset(_SUNDAY if day == 0 else day for day in weekdays)
    return parsed


def _values(text: str, name: str, least: int, most: int, field: str) -> frozenset[int] | None:
    if text == "*":
        return None
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first, dash, last = span.partition("-")
        numbers = [step_text or "1", *((first, last or first) if span != "*" else ())]
        if not all(each.isascii() and each.isdigit() and len(each) <= 2 for each in numbers):
            raise FieldRefused(field, f"{name}: {echo(part)!r} is not a number, a range, or a step of one")
        low, high = (least, most) if span == "*" else (int(first), int(last) if dash else int(first))
        if slash and span != "*" and not dash:
            high = most
        step = int(step_text or "1")
        if not (least <= low <= high <= most) or not step:
            raise FieldRefused(field, f"{name}: {echo(part)!r} is outside {least} to {most}")
        found.update(range(low, high + 1, step))
    return frozenset(found)
