"""Job ids name their home, sort by age, and never repeat."""

from __future__ import annotations

import random

import pytest

from hanse.daemon import ids
from hanse.daemon.ids import JobIds, home_of


def test_ids_name_their_home_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_us = iter([5_000_000, 5_000_000, 1_000_000, 9_000_000])
    monkeypatch.setattr(ids, "wall_us", lambda: next(clock_us))
    drawn = JobIds("north-2", random.Random(1))

    made = [job_id for _ in range(4) for job_id in drawn.draw(3)]

    assert made == sorted(set(made)), "also within a millisecond, and when the clock goes back"
    assert {home_of(job_id) for job_id in made} == {"north-2"}
    assert {len(job_id) for job_id in made} == {len("north-2-") + 26}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "north",
        "north-1",
        "-01k9z3v6q2w8x4m5n7p0r1s2t3",
        "NORTH-01k9z3v6q2w8x4m5n7p0r1s2t3",
        "north-01k9z3v6q2w8x4m5n7p0r1s2tu",
    ],
)
def test_what_is_no_job_id(text: str) -> None:
    assert home_of(text) is None
