"""`hanse region`: what it shows of a region in quarantine, how an operator overrides it, and drains."""

from __future__ import annotations

from collections.abc import Callable

from hanse.cli.exits import ExitCode
from tests.cli.conftest import Ran


def test_status_tells_why_a_region_is_in_quarantine_and_who_has_not_answered(
    hanse: Callable[..., Ran], server: str
) -> None:
    ran = hanse("region", "status", "restored", "--server", server)
    assert ran.code == ExitCode.OK
    for told in ("nothing runs", "the anchor is ahead", "west", "7 jobs"):
        assert told in ran.out


def test_trusting_a_disk_without_yes_spells_out_the_risk_and_does_nothing(
    hanse: Callable[..., Ran], server: str
) -> None:
    ran = hanse("region", "trust-disk", "restored", "--without", "west", "--server", server)
    assert ran.code == ExitCode.USAGE
    assert "7 jobs of restored" in ran.err
    assert "run a second time" in ran.err
    assert "--yes" in ran.err


def test_trusting_the_disk_of_a_region_that_is_not_in_quarantine_is_a_mistake(
    hanse: Callable[..., Ran], server: str
) -> None:
    ran = hanse("region", "trust-disk", "north", "--without", "west", "--server", server)
    assert ran.code == ExitCode.USAGE
    assert "not in quarantine" in ran.err


def test_members_to_go_on_without_must_be_named(hanse: Callable[..., Ran], server: str) -> None:
    assert hanse("region", "trust-disk", "restored", "--yes", "--server", server).code == ExitCode.USAGE


def test_trusting_a_disk_tells_for_whom_it_still_waits(hanse: Callable[..., Ran], server: str) -> None:
    ran = hanse("region", "trust-disk", "restored", "--without", "east", "--yes", "--server", server)
    assert ran.code == ExitCode.OK
    assert "still waits for west" in ran.out


def test_status_tells_how_far_a_drain_is_and_what_keeps_the_rest(
    hanse: Callable[..., Ran], server: str
) -> None:
    ran = hanse("region", "status", "emptied", "--server", server)
    assert ran.code == ExitCode.OK
    for told in (
        "12 wait",
        "3 on their way",
        "4 being stopped",
        "5 stopped so far",
        "6 not restartable",
        "7 until another region has room",
        "8 LATER",
    ):
        assert told in ran.out


def test_a_drain_says_what_becomes_of_running_jobs(hanse: Callable[..., Ran], server: str) -> None:
    assert "finish" in hanse("region", "drain", "north", "--server", server).out
    assert "move" in hanse("region", "drain", "north", "--running", "move", "--server", server).out
    assert hanse("region", "drain", "north", "--running", "fly", "--server", server).code == ExitCode.USAGE
