"""`hanse sim`: what it prints, how it ends, and that a failure can be run again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from chaos.checkers.one_runner import OneRunner
from hanse.sim import checking
from hanse.sim.errors import Crash, LivenessViolation, SafetyViolation, SimulationFailure
from hanse.sim.record import Acknowledged, Record
from tests.cli.conftest import Ran

SMALL = ("--regions", "2", "--minutes", "0.1", "--jobs", "6")
KEYS = [
    "seeds",
    "violations",
    "jobs",
    "handoffs",
    "crashes",
    "forgotten",
    "virtual_hours",
    "wall_s",
    "virtual_per_wall",
    "events",
    "faults",
    "digest",
]


def finding(failure: type[SimulationFailure]) -> Callable[[], Callable[[Record], None]]:
    """A checker that has something against every acknowledged job."""

    def check(record: Record) -> None:
        for entry in record:
            if isinstance(entry, Acknowledged):
                raise failure("found", at_us=entry.at_us, job_id=entry.job_id)

    return lambda: check


def test_a_run_has_the_keys_that_programs_rely_on(hanse: Callable[..., Ran]) -> None:
    ran = hanse("sim", "run", *SMALL, "--seeds", "0:2", "-j", "1", "-o", "json")
    assert ran.code == 0
    assert list(ran.document) == KEYS
    assert (ran.document["seeds"], ran.document["violations"]) == (2, 0)
    assert ran.document["faults"].keys() >= {"crash", "partition", "swizzle_clog", "mixed_versions"}


@pytest.mark.parametrize(("failure", "code"), [(Crash, 10), (SafetyViolation, 11), (LivenessViolation, 12)])
def test_failures_are_told_apart_and_can_be_run_again(
    hanse: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, failure: type[SimulationFailure], code: int
) -> None:
    monkeypatch.setattr("hanse.sim.campaign.all_checkers", finding(failure))
    monkeypatch.setattr(checking, "all_checkers", finding(failure))
    ran = hanse("sim", "run", *SMALL, "--seeds", "4", "-j", "1")
    assert ran.code == code
    assert re.search(rf"VIOLATION seed 4, commit \S+: {failure.__name__} at [\d.]+ s, job r", ran.err)
    command = re.search(r"hanse (sim replay-seed .*)", ran.err)
    assert command is not None
    again = hanse(*command[1].split())
    assert again.code == code
    assert "acknowledged key-" in again.out


def test_a_region_tells_its_story(hanse: Callable[..., Ran]) -> None:
    ran = hanse("sim", "replay-seed", "1", *SMALL, "--region", "r1")
    assert ran.code == 0
    lines = ran.out.splitlines()[:-1]
    assert lines[0].split(maxsplit=1)[1] == "r1: started, incarnation 1"
    assert all(re.match(r" *\d+\.\d{6} (.*r1|healed|over)", line) for line in lines)


def test_shrinking_needs_a_failure(hanse: Callable[..., Ran]) -> None:
    ran = hanse("sim", "shrink", "0", *SMALL)
    assert ran.code == 2
    assert "nothing to shrink" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "--faults", "gremlins"), "no such kind of fault: gremlins"),
        (("run", "--without", "swarm"), "no such kind of fault: swarm"),
        (("run", "--seeds", "5:5"), "wanted A:B with A < B"),
        (("replay-seed", "0", *SMALL, "--job", "nobody"), "nothing happened to nobody"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    hanse: Callable[..., Ran], arguments: tuple[str, ...], told: str
) -> None:
    ran = hanse("sim", *arguments)
    assert ran.code == 2
    assert told in ran.err


def test_without_a_source_tree_it_says_what_is_missing(
    hanse: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "has_checkers", lambda: False)
    ran = hanse("sim", "run", *SMALL)
    assert ran.code == 2
    assert "part of the source tree" in ran.err
    assert hanse("sim", "run", *SMALL, "--seeds", "0", "--unchecked").code == 0


def test_the_checkers_are_those_of_the_source_tree() -> None:
    assert checking.has_checkers()
    assert checking.all_checkers().__module__ == OneRunner.__module__.rpartition(".")[0]
