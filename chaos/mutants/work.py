"""What one process of the hunt does at a time."""

from __future__ import annotations

from chaos.checkers import check
from chaos.mutants import ALL
from chaos.mutants.found import Found
from chaos.mutants.hunt import HARM, SEEDS_MAX, hunt
from chaos.mutants.profiles import PROFILES
from hanse.sim.run import run_plan


def find(name: str) -> Found:
    """What the hunt for this mutant brings, with every checker, and by harm alone."""
    mutant = next(each for each in ALL if each.name == name)
    return Found(
        name=name,
        shortcut=mutant.shortcut,
        profile=mutant.profile.name,
        harmless=mutant.harmless,
        caught=hunt(mutant),
        harm=hunt(mutant, kinds=HARM),
    )


def stand(profile_name: str) -> None:
    """The core comes through every seed of the profile. Raises what a checker finds."""
    profile = next(each for each in PROFILES if each.name == profile_name)
    for seed in range(SEEDS_MAX):
        run_plan(profile.plan(seed), check)
