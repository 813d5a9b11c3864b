"""How values look."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text

from hanse.cli.display import amount_text, bar_text, duration_text, used_text
from hanse.cli.job_views import job_details
from hanse.cli.tables import Column, make_table
from hanse.client.messages import Durability, Job


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59, "59s"),
        (119, "119s"),
        (120, "2m00s"),
        (7199, "119m59s"),
        (7200, "2h00m"),
        (172_799, "47h59m"),
        (172_800, "2d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        ("cpu", 8000, "8"),
        ("cpu", 250, "0.25"),
        ("gpu/a100", 4000, "4"),
        ("memory", 64 << 30, "64 GiB"),
        ("memory", 3 << 29, "1.5 GiB"),
        ("memory", 0, "0 B"),
        ("licences", 12345, "12,345"),
    ],
)
def test_amounts_are_in_the_unit_that_people_count_in(kind: str, amount: int, text: str) -> None:
    assert amount_text(kind, amount) == text


def test_memory_in_use_has_the_unit_of_the_capacity() -> None:
    assert used_text("memory", 64 << 30, 64 << 30).plain == "0/64 GiB"
    assert used_text("memory", 48 << 30, 64 << 30).plain == "16/64 GiB"


def test_use_is_coloured_by_how_full_it_is() -> None:
    assert [used_text("cpu", free, 8000).style for free in (8000, 4000, 1000, 0)] == [
        "",
        "green",
        "yellow",
        "red",
    ]
    assert bar_text(0, 0).plain == bar_text(1, 1).plain == "━" * 20


COLUMNS = (
    Column("JOB"),
    Column("NAME", drop=2),
    Column("N", drop=1, justify="right"),
    Column("WHY", drop=3, flexible=True),
)
ROWS = [("north-01jd8xk3q7v9t2m4", "a-name", "7", "because of many things"), ("x", "b", "12345", "")]


def drawn(width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(make_table(COLUMNS, ROWS, width), soft_wrap=True)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (100, ["JOB", "NAME", "N", "WHY"]),
        (54, ["JOB", "NAME", "N", "WHY"]),
        (45, ["JOB", "NAME", "N"]),
        (30, ["JOB", "N"]),
        (10, ["JOB"]),
    ],
)
def test_whole_columns_go_when_space_is_short_and_ids_never(width: int, titles: list[str]) -> None:
    lines = drawn(width)
    assert lines[0].split() == titles
    assert lines[1].startswith("north-01jd8xk3q7v9t2m4")
    assert all(len(line) <= max(width, 22) for line in lines)


def test_numbers_are_aligned_at_the_right() -> None:
    lines = drawn(100)
    assert lines[1].index(" 7 ") + 1 == lines[2].index("12345") + 4


def test_columns_that_are_empty_everywhere_are_left_out() -> None:
    table = make_table((Column("A"), Column("B", drop=1)), [("1", ""), ("2", Text())], 80)
    assert [column.header for column in table.columns] == ["A"]


def test_a_job_shows_what_becomes_of_it_and_how_old_a_copy_of_it_is() -> None:
    def shown(job: Job) -> str:
        console = Console(width=120, color_system=None)
        with console.capture() as captured:
            console.print(*job_details(job, 120))
        return captured.get()

    federated = Job(id="north-1", answered_by="east", durability=Durability.DURABILITY_FEDERATED)
    assert "another region goes on with it" in shown(federated)
    assert "as of" not in shown(federated)
    federated.as_of.GetCurrentTime()
    assert "ago: an old copy in east" in shown(federated)
    regional = Job(id="north-1", durability=Durability.DURABILITY_REGIONAL)
    assert "waits for its region" in shown(regional)
