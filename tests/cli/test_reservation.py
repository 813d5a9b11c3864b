"""`hanse reservation`: what is asked for becomes what the contract says, and answers are shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Ran

CREATE = [
    "reservation",
    "create",
    "nightly",
    "--tenant",
    "lab",
    "--place",
    "4xgpu=8 devices, cpu=64000",
    "--place",
    "memory=1GiB",
    "--where",
    "model = a100",
    "--start",
    "2026-12-01T22:00+01:00",
    "--duration",
    "8h",
]


def test_create_sends_what_was_asked_for(hanse: Callable[..., Ran], server: str) -> None:
    more = [
        "--every",
        "0 22 * * *",
        "--until",
        "2027-01-01T00:00+00:00",
        "--before",
        "preempt",
        "--release-idle",
        "30m",
    ]
    document = hanse(
        *CREATE, "--place", "west: 2xgpu/a100=1000", *more, "-o", "json", "--server", server
    ).document
    wanted = document["reservation"]["reservation"]
    assert [each["count"] for each in wanted["groups"]] == [4, 1, 2]
    assert (wanted["groups"][2]["region"], wanted["groups"][2]["resources"]) == ("west", {"gpu/a100": 1_000})
    assert wanted["groups"][0]["resources"] == {"cpu": 64_000, "gpu": 8_000}
    assert wanted["groups"][1] == {
        "count": 1,
        "resources": {"memory": 1 << 30},
        "constraints": ["model = a100"],
        "region": "",
    }
    assert wanted["start"] == "2026-12-01T21:00:00Z"
    assert (wanted["duration"], wanted["idle_release"], wanted["before"]) == ("28800s", "1800s", "PREEMPT")


def test_list_and_show_say_what_is_missing(hanse: Callable[..., Ran], server: str) -> None:
    listed = hanse("reservation", "list", "--server", server).out
    assert "nightly" in listed
    assert "OPEN" in listed
    shown = hanse("reservation", "show", "nightly", "--server", server).out
    assert "missing     gpu 8" in shown
    assert "0 22 * * 1-5 (Europe/Berlin)" in shown
    assert "1 x gpu 4 in west" in shown
    assert "with west, decided and cancelled in north; not confirmed yet" in shown
    assert "cancelled" in hanse("reservation", "cancel", "nightly", "--server", server).out


@pytest.mark.parametrize(
    ("option", "text"),
    [("--place", "gpu"), ("--start", "tomorrow"), ("--duration", "long"), ("--until", "never")],
)
def test_what_cannot_be_read_is_refused_before_anybody_is_asked(
    hanse: Callable[..., Ran], option: str, text: str
) -> None:
    ran = hanse(*CREATE, option, text, "--server", "127.0.0.1:1")
    assert ran.code == 2
    assert option in ran.err
