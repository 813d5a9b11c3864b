"""Every shortcut is caught at the seed at which the hunt has caught it; the core without it comes through that seed."""

from __future__ import annotations

from functools import cache

import pytest

from chaos.checkers import check
from chaos.mutants import ALL, Mutant
from chaos.mutants.found import Found, read
from chaos.mutants.hunt import HARM, Finding, caught
from chaos.mutants.profiles import PROFILES
from chaos.mutants.schedules import SCHEDULES, Schedule

FOUND = {each.name: each for each in read()}
HARMFUL = [each for each in ALL if not each.harmless]


# How long messages and disks take differs between them.
SCHEDULE_SEEDS = range(4)


@cache
def comes_through(name: str, seed: int) -> bool:
    """The core without a shortcut. Raises what a checker finds."""
    profile = next(each for each in (*PROFILES, *SCHEDULES) if each.name == name)
    profile.run(seed, check)
    return True


def known(mutant: Mutant) -> Found:
    assert mutant.name in FOUND, f"run `make mutants`: {mutant.name} was never hunted"
    return FOUND[mutant.name]


def test_the_last_hunt_was_for_these_mutants() -> None:
    told = [(each.name, each.shortcut, each.profile.name, each.harmless) for each in ALL]
    assert [(each.name, each.shortcut, each.profile, each.harmless) for each in read()] == told, (
        "run `make mutants`"
    )


@pytest.mark.parametrize("mutant", HARMFUL, ids=lambda each: each.name)
def test_a_shortcut_is_caught_where_the_core_is_not(mutant: Mutant) -> None:
    finding = known(mutant).caught
    assert finding is not None, "the hunt did not find it"
    now = caught(mutant, finding.seed)
    assert isinstance(now, Finding), f"nobody noticed at seed {finding.seed}: run `make mutants`"
    assert now.checker == finding.checker
    assert comes_through(mutant.profile.name, finding.seed)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: each.name)
def test_the_core_comes_through_every_schedule(schedule: Schedule) -> None:
    for seed in SCHEDULE_SEEDS:
        schedule.run(seed, check)


@pytest.mark.parametrize("mutant", [each for each in ALL if each.harmless], ids=lambda each: each.name)
def test_what_is_said_to_do_no_harm_does_none(mutant: Mutant) -> None:
    assert caught(mutant, 0, HARM) is None
