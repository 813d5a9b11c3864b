"""The door of the simulator: one seed in, one report out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from hanse.sim.errors import SimulationFailure
from hanse.sim.faults import MINUTE_US, Faults
from hanse.sim.record import Record
from hanse.sim.world import Plan, World

# Judges a record: raises a SimulationFailure if something in it is wrong.
Checker = Callable[[Record], None]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. Equal seeds, plans and code give equal reports, digest included; wall time is not in it."""

    seed: int
    digest: str
    virtual_us: int
    jobs: int
    handoffs: int
    # Acknowledged jobs that only a disk knew which was replaced by an older one.
    forgotten: int
    steps: int
    envelopes: int
    entries: int
    # Callbacks of the virtual clock.
    events: int
    faults: dict[str, int]
    # 0.0: not measured (Plan.watch_convergence).
    convergence_rounds_p99: float = 0.0


def run_seed(
    seed: int,
    *,
    regions: int = 3,
    minutes: float = 10.0,
    jobs: int = 100,
    faults: Faults | None = None,
    check_every: int = 64,
    checker: Checker | None = None,
) -> Report:
    """Run one seed under `faults` (default: its own swarm) and judge it. Raises Crash, SafetyViolation or
    LivenessViolation with the seed in its notes."""
    plan = Plan(
        seed=seed,
        faults=Faults.swarm(seed) if faults is None else faults,
        regions=regions,
        duration_us=int(minutes * MINUTE_US),
        jobs=jobs,
        check_every=check_every,
    )
    return run_plan(plan, checker)


def run_plan(plan: Plan, checker: Checker | None = None) -> Report:
    """Run this plan and judge it."""
    world = World(plan)
    with _without_collector():
        try:
            world.run()
            if checker is not None:
                checker(world.record)
        except SimulationFailure as failure:
            failure.add_note(
                f"seed {plan.seed}, {plan.regions} regions, {plan.duration_us / MINUTE_US:g} min"
            )
            raise
    return report_of(world)


def report_of(world: World) -> Report:
    """What this world has done so far."""
    return Report(
        seed=world.plan.seed,
        digest=world.digest.hexdigest(),
        virtual_us=world.timeline.now_us,
        jobs=world.progress.jobs,
        handoffs=world.progress.handoffs,
        forgotten=world.progress.forgotten,
        steps=sum(host.steps for host in world.hosts),
        envelopes=world.network.envelopes,
        entries=len(world.record),
        events=world.timeline.events,
        convergence_rounds_p99=world.convergence.percentile(0.99),
        faults=dict(sorted(world.injector.counts.items())),
    )


@contextmanager
def _without_collector() -> Iterator[None]:
    """A run makes millions of small values and few cycles: the collector would only walk them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
