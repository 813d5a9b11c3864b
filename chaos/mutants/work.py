"""What one process of the hunt does at a time."""

from __future__ import annotations

from chaos.checkers import ALL as ALL_CHECKERS
from chaos.checkers import check
from chaos.mutants import ALL
from chaos.mutants.found import Found
from chaos.mutants.hunt import HARM, SEEDS_MAX, Finding, Kinds, caught, hunt
from chaos.mutants.mutant import Mutant
from chaos.mutants.profiles import PROFILES
from chaos.mutants.schedules import SCHEDULES, Schedule
from hanse.sim.errors import SimulationFailure


def find(name: str) -> Found:
    """What the hunt for this mutant brings, with every checker, and by harm alone."""
    mutant = _named(name)
    return Found(
        name=name,
        shortcut=mutant.shortcut,
        profile=mutant.profile.name,
        by_hand=isinstance(mutant.profile, Schedule),
        harmless=mutant.harmless,
        caught=hunt(mutant),
        harm=hunt(mutant, kinds=HARM),
    )


def holds_still(found: Found) -> bool:
    """Whether the mutant is what it was, and its first seeds still bring what they brought. (What no seed brought is
    taken on trust: seeing that again takes a whole hunt.)"""
    mutant = _named(found.name)
    told = (found.shortcut, found.profile, found.harmless)
    return (
        told == (mutant.shortcut, mutant.profile.name, mutant.harmless)
        and _brings(mutant, found.caught, ALL_CHECKERS)
        and _brings(mutant, found.harm, HARM)
    )


def _brings(mutant: Mutant, finding: Finding | None, kinds: Kinds) -> bool:
    if finding is None:
        return True
    now = caught(mutant, finding.seed, kinds)
    return now is not None and now.checker == finding.checker


def _named(name: str) -> Mutant:
    return next(each for each in ALL if each.name == name)


def stand(name: str) -> str:
    """Whether the core comes through every seed of a profile or a schedule; else what a checker has found."""
    profile = next(each for each in (*PROFILES, *SCHEDULES) if each.name == name)
    for seed in range(SEEDS_MAX):
        try:
            profile.run(seed, check)
        except SimulationFailure as failure:
            return f"seed {seed}: {failure}"
    return ""
