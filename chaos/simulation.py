"""The simulator with every checker on: what tests and campaigns call."""

from __future__ import annotations

from chaos.checkers import check
from hanse.sim.faults import Faults
from hanse.sim.run import Report
from hanse.sim.run import run_seed as run_unchecked


def run_seed(
    seed: int,
    *,
    regions: int = 3,
    minutes: float = 10.0,
    jobs: int = 100,
    faults: Faults | None = None,
    check_every: int = 64,
) -> Report:
    """Run one seed, under its own swarm of faults unless others are given; raise what any checker finds."""
    return run_unchecked(
        seed,
        regions=regions,
        minutes=minutes,
        jobs=jobs,
        faults=faults,
        check_every=check_every,
        checker=check,
    )
