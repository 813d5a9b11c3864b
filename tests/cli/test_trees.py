"""Trees that people read: explanations and plans. HANSE_REWRITE=1 rewrites the golden files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.canned import QUEUED_RUNNING_ENDED
from tests.cli.conftest import Ran

GOLDEN = Path(__file__).parent / "golden"
QUEUED = QUEUED_RUNNING_ENDED[0]


def check(name: str, text: str) -> None:
    # How long ago the known moments were depends on the day.
    found = re.sub(r"\b\d+d\b", "<days>", text)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HANSE_REWRITE"):
        path.write_text(found)
    assert found == path.read_text(), "what people read has changed"


def test_an_explanation(hanse: Callable[..., Ran], server: str) -> None:
    check("explanation", hanse("job", "explain", QUEUED, "--server", server).out)


def test_a_plan(hanse: Callable[..., Ran], server: str, spec_file: Callable[..., str]) -> None:
    ran = hanse("job", "plan", spec_file("train"), "--server", server)
    assert ran.code == 0
    assert "no answer from south" in ran.err
    check("plan", ran.out)


def test_an_index_is_about_one_job(
    hanse: Callable[..., Ran], server: str, spec_file: Callable[..., str]
) -> None:
    ran = hanse("job", "submit", spec_file("a", "b"), "--check-index", "x", "--server", server)
    assert (ran.code, "about one job" in ran.err) == (2, True)


@pytest.mark.parametrize("order", ["hold", "release", "requeue"])
def test_orders_say_who_took_them(hanse: Callable[..., Ran], server: str, order: str) -> None:
    ran = hanse("job", order, QUEUED, "north-nope", "--server", server)
    assert ran.code == 1
    taken, refused = ran.out.splitlines()[1:3]
    assert QUEUED in taken
    assert "refused" in refused
