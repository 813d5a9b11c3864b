"""Points in time as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hanse.cli.errors import UsageOrConfigError
from hanse.cli.moments import moment_us

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:05", NOW.replace(hour=14, minute=5)),
        ("09:05:10", NOW.replace(hour=9, minute=5, second=10)),
        ("09:05:10.25", NOW.replace(hour=9, minute=5, second=10, microsecond=250_000)),
        ("-90s", NOW - timedelta(seconds=90)),
        ("-1.5h", NOW - timedelta(minutes=90)),
        ("2026-03-01T10:00:00+00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert moment_us(text, NOW) == round(moment.timestamp() * 1e6)


@pytest.mark.parametrize("text", ["", "now", "25:00", "14:5x", "-10", "10m"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageOrConfigError, match="no point in time"):
        moment_us(text, NOW)
