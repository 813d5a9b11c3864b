"""Many seeds, over several processes: what `hanse sim run` does.

An Order says all that a run is made of but its seed, so that (order, seed) is what a replay needs.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process

import msgspec

from hanse.core.model.time import SECOND_US
from hanse.sim.checking import all_checkers
from hanse.sim.errors import SimulationFailure
from hanse.sim.faults import KINDS, MINUTE_US, Faults
from hanse.sim.run import Report, run_plan
from hanse.sim.world import Plan

SWARM, NONE = "swarm", "none"
# Jobs grow with the league, but more slowly: most of a large league's messages are gossip anyway.
_JOBS_AT_LEAST = 110
_JOBS_PER_REGION = 10
# Seeds that are handed to a process ahead of time.
_AHEAD = 2
_HOUR_US = 60 * MINUTE_US


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `faults`: "swarm", "none" or one of faults.KINDS; `without`: kinds that are left out of it; `jobs`
    0: as many as the league is large; `checked`: judge what happened (needs the checkers, sim/checking.py)."""

    regions: int = 5
    minutes: float = 10.0
    jobs: int = 0
    faults: str = SWARM
    without: tuple[str, ...] = ()
    checked: bool = True

    def jobs_wanted(self) -> int:
        """How many jobs callers submit."""
        return self.jobs or _JOBS_AT_LEAST + _JOBS_PER_REGION * self.regions

    def faults_of(self, seed: int) -> Faults:
        """What goes wrong under this seed."""
        if self.faults == SWARM:
            drawn = Faults.swarm(seed)
        elif self.faults == NONE:
            drawn = Faults.none()
        else:
            drawn = Faults.only(seed, self.faults)
        for kind in self.without:
            drawn = drawn.without(kind)
        return drawn

    def plan(self, seed: int) -> Plan:
        """The run of this seed."""
        return Plan(
            seed=seed,
            faults=self.faults_of(seed),
            regions=self.regions,
            duration_us=int(self.minutes * MINUTE_US),
            jobs=self.jobs_wanted(),
            watch_convergence=self.faults == NONE,
        )

    def arguments(self) -> str:
        """The options of `hanse sim` that give this order."""
        without = f" --without {','.join(self.without)}" if self.without else ""
        return (
            f"--regions {self.regions} --minutes {self.minutes:g} --jobs {self.jobs_wanted()} "
            f"--faults {self.faults}{without}"
        )


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed found. `kind` is the name of the exception's class."""

    seed: int
    kind: str
    exit_code: int
    message: str
    job_id: str
    at_us: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One seed's run: a report, or what it found."""

    seed: int
    wall_s: float
    report: Report | None = None
    failure: Failure | None = None


def run_one(order: Order, seed: int) -> Outcome:
    """Run one seed and judge it. What it finds is a value; only a fault of the simulator itself is raised."""
    checker = all_checkers() if order.checked else None
    began_s = time.perf_counter()
    try:
        report = run_plan(order.plan(seed), checker)
    except SimulationFailure as failure:
        return Outcome(seed=seed, wall_s=time.perf_counter() - began_s, failure=failure_of(seed, failure))
    return Outcome(seed=seed, wall_s=time.perf_counter() - began_s, report=report)


def failure_of(seed: int, failure: SimulationFailure) -> Failure:
    """The exception as a value that travels between processes."""
    return Failure(
        seed=seed,
        kind=type(failure).__name__,
        exit_code=failure.exit_code,
        message=failure.message,
        job_id=failure.job_id,
        at_us=failure.at_us,
    )


def run_seeds(order: Order, seeds: range, processes: int) -> Iterator[Outcome]:
    """Outcomes as they come, in no order. With one process everything happens in this one."""
    if processes <= 1 or len(seeds) == 1:
        for seed in seeds:
            yield run_one(order, seed)
        return
    left = iter(seeds)
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent) as pool:
        running: set[Future[Outcome]] = set()
        try:
            for seed in left:
                running.add(pool.submit(run_one, order, seed))
                if len(running) >= processes * _AHEAD:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()


def _end_with_parent() -> None:
    """A worker is of no use without whoever waits for its outcomes, and would wait for work for ever."""
    parent = parent_process()
    assert parent is not None, "only workers are initialised"

    def wait_for_its_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_its_end, name="parent", daemon=True).start()


class Totals:
    """Adds up outcomes."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.reports: dict[int, Report] = {}
        self._busy_s = 0.0

    def add(self, outcome: Outcome) -> None:
        """One more seed."""
        if outcome.failure is not None:
            self.failures.append(outcome.failure)
        if outcome.report is not None:
            self.reports[outcome.seed] = outcome.report
            self._busy_s += outcome.wall_s

    @property
    def seeds(self) -> int:
        """How many are over."""
        return len(self.failures) + len(self.reports)

    def worst(self) -> Failure | None:
        """The gravest: safety before crashes before liveness; of those the first seed's."""
        graveness = {"SafetyViolation": 0, "Crash": 1}
        return min(self.failures, key=lambda each: (graveness.get(each.kind, 2), each.seed), default=None)

    def virtual_per_wall(self) -> float:
        """Virtual seconds per second of one process."""
        virtual_us = sum(report.virtual_us for report in self.reports.values())
        return virtual_us / SECOND_US / self._busy_s if self._busy_s else 0.0

    def faults(self) -> dict[str, int]:
        """How often each kind happened; every kind is named."""
        counts = dict.fromkeys(sorted(COUNTED), 0)
        for report in self.reports.values():
            for kind, count in report.faults.items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    def document(self, wall_s: float) -> dict[str, object]:
        """The figures of a campaign. `digest` names what all seeds did."""
        reports = [self.reports[seed] for seed in sorted(self.reports)]
        rounds = [report.convergence_rounds_p99 for report in reports if report.convergence_rounds_p99]
        return {
            "seeds": self.seeds,
            "violations": len(self.failures),
            "jobs": sum(report.jobs for report in reports),
            "handoffs": sum(report.handoffs for report in reports),
            "crashes": sum(report.faults.get("crash", 0) for report in reports),
            "forgotten": sum(report.forgotten for report in reports),
            "virtual_hours": round(sum(report.virtual_us for report in reports) / _HOUR_US, 3),
            "wall_s": round(wall_s, 2),
            "virtual_per_wall": round(self.virtual_per_wall(), 1),
            "events": sum(report.events for report in reports),
            **({"convergence_rounds_p99": round(max(rounds), 1)} if rounds else {}),
            "faults": self.faults(),
            "digest": _digest_of(reports),
        }


def _digest_of(reports: list[Report]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for report in reports:
        digest.update(f"{report.seed} {report.digest}\n".encode())
    return digest.hexdigest()


# What reports count: the kinds that can be drawn, and how some of them come about. A slow network is in every delay.
COUNTED = (KINDS.keys() - {"slow_network"}) | {"reorder", "reboot", "torn", "gone", "declared_lost"}

Told = Callable[[str], None]
