"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from hanse.cli.errors import UsageOrConfigError

_AGO = re.compile(r"-(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def moment_us(text: str, now: datetime | None = None) -> int:
    """Wall-clock microseconds of "14:05", "14:05:10" (today, local time), "2026-11-21T14:05:10", or "-10m" (ago)."""
    now = now or datetime.now().astimezone()
    ago = _AGO.fullmatch(text)
    if ago is not None:
        moment = now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        return round(moment.timestamp() * 1e6)
    clock = _clock(text)
    if clock is not None:
        moment = datetime.combine(now.date(), clock, now.tzinfo)
        return round(moment.timestamp() * 1e6)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageOrConfigError(
            f"{text!r} is no point in time", hint="such as 14:05, 14:05:10, 2026-11-21T14:05:10, or -10m"
        ) from None
    return round((moment if moment.tzinfo is not None else moment.astimezone()).timestamp() * 1e6)


def _clock(text: str) -> time | None:
    try:
        return time.fromisoformat(text) if ":" in text[:3] else None
    except ValueError:
        return None
