"""What one process of the hunt does at a time."""

from __future__ import annotations

from chaos.checkers import check
from chaos.mutants import ALL
from chaos.mutants.found import Found
from chaos.mutants.hunt import HARM, SEEDS_MAX, hunt
from chaos.mutants.profiles import PROFILES
from chaos.mutants.schedules import SCHEDULES, Schedule


def find(name: str) -> Found:
    """What the hunt for this mutant brings, with every checker, and by harm alone."""
    mutant = next(each for each in ALL if each.name == name)
    return Found(
        name=name,
        shortcut=mutant.shortcut,
        profile=mutant.profile.name,
        by_hand=isinstance(mutant.profile, Schedule),
        harmless=mutant.harmless,
        caught=hunt(mutant),
        harm=hunt(mutant, kinds=HARM),
    )


def stand(name: str) -> None:
    """The core comes through every seed of a profile or a schedule. Raises what a checker finds."""
    profile = next(each for each in (*PROFILES, *SCHEDULES) if each.name == name)
    for seed in range(SEEDS_MAX):
        profile.run(seed, check)
