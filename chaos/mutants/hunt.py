"""Looks for the first seed at which a mutant is caught, and says by whom."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from types import TracebackType

import msgspec

from chaos.checkers import ALL, Kind, check
from chaos.checkers.base import Checker
from chaos.checkers.majority import Majority
from chaos.checkers.write_ahead import WriteAhead
from chaos.mutants.mutant import Mutant, applied
from chaos.mutants.stage import ScheduleError
from hanse.sim.errors import Crash, SimulationFailure

# A shortcut that needs more runs than this is one that its profile does not look for.
SEEDS_MAX = 60
# What is left when no rule is judged by itself: only what has become of jobs.
HARM = tuple(kind for kind in ALL if kind not in (WriteAhead, Majority))
Kinds = Iterable[Kind]


class Finding(msgspec.Struct, frozen=True):
    """The first seed that fails (seeds count from 0), who noticed, and what it said."""

    seed: int
    checker: str
    message: str


def caught(mutant: Mutant, seed: int, kinds: Kinds = ALL) -> Finding | None:
    """Run one seed with the shortcut; None: nobody noticed."""
    try:
        with applied(mutant):
            mutant.profile.run(seed, lambda record: check(record, kinds))
    except Crash as crash:
        if crash.__cause__ is None:
            return Finding(seed, _judge(crash.__traceback__), crash.message)
        if not isinstance(crash.__cause__, AssertionError):
            raise  # the mutant itself is broken
        return Finding(seed, _asserted(crash.__cause__.__traceback__), crash.message)
    except SimulationFailure as failure:
        return Finding(seed, _judge(failure.__traceback__), failure.message)
    except ScheduleError:
        return None  # The shortcut led away from what the schedule is about.
    return None


def hunt(mutant: Mutant, seeds: Iterable[int] = range(SEEDS_MAX), kinds: Kinds = ALL) -> Finding | None:
    """The first of these seeds that fails; None: none does."""
    for seed in seeds:
        finding = caught(mutant, seed, kinds)
        if finding is not None:
            return finding
    return None


def _judge(trace: TracebackType | None) -> str:
    """The checker that raised; else the part of the simulated world that did."""
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    judges = [frame.f_locals["self"] for frame in frames if isinstance(frame.f_locals.get("self"), Checker)]
    return type(judges[-1]).__name__ if judges else type(frames[-1].f_locals["self"]).__name__


def _asserted(trace: TracebackType | None) -> str:
    """Where an assertion of the core, or of its ledger, has failed."""
    frame = [frame for frame, _ in traceback.walk_tb(trace)][-1]
    return f"assertion in {frame.f_code.co_qualname}"
