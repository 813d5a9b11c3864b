"""How long the jobs of a region that is lost stand still: trial after trial, by the tasks' own records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from hanse.bench.faults import Fault
from hanse.bench.figures import latencies, load_1min
from hanse.bench.league import league, shape_of
from hanse.bench.losses import Losses
from hanse.bench.proxy import Proxy
from hanse.bench.result import machine_load, versions
from hanse.bench.trials import QUEUED, RUNNING, SLOTS, Outcome, Trial
from hanse.cli.devnet.layout import LEASE_S

# When the region is lost, its last renewal may be as old as the time between two.
_RENEWED_SHARE = 0.05
LATENCY = "seconds from the loss of a region until the last of its adoptable jobs has begun elsewhere, trial by trial"


async def bench_takeover(
    directory: Path,
    trials: int,
    regions: int,
    faults: Sequence[Fault],
    federations: int,
    progress: Callable[[str], None],
    *,
    keep: bool = False,
) -> dict[str, Any]:
    """Run the benchmark: `trials` trials, on `federations` federations side by side, faults and victims in turn."""
    before, begun_s = load_1min(), time.monotonic()
    planned = list(islice(cycle(faults), trials))
    outcomes: list[Outcome] = []

    def say(text: str) -> None:
        progress(f"{len(outcomes)} of {trials} trials; {text}")

    async with asyncio.TaskGroup() as group:
        for number in range(federations):
            share = planned[number::federations]
            group.create_task(_federation(directory, regions, share, outcomes, say, keep=keep))
    return {
        "benchmark": "takeover",
        "trials": len(outcomes),
        "seconds": round(time.monotonic() - begun_s, 1),
        "takeover_s": [each.last_start_s for each in outcomes],
        **latencies(each.last_start_s for each in outcomes),
        "max_s": max(each.last_start_s for each in outcomes),
        "latency_of": LATENCY,
        **_counts(outcomes),
        "by_fault": {fault: _of_fault(fault, outcomes) for fault in dict.fromkeys(planned)},
        "set_up": {
            "regions": regions,
            "federations": federations,
            "lease_s": LEASE_S,
            "slots_per_region": SLOTS,
            "running": RUNNING,
            "queued": QUEUED,
            "counted_from": "lines that the tasks append themselves",
        },
        "versions": versions(),
        "load": machine_load(before, load_1min(), {}),
    }


async def _federation(
    directory: Path,
    regions: int,
    faults: Iterable[Fault],
    outcomes: list[Outcome],
    say: Callable[[str], None],
    *,
    keep: bool,
) -> None:
    """Trial after trial on one federation; each begins when the one before has left no trace."""
    shape = shape_of(SLOTS, {"kind": "local"})
    async with Proxy() as proxy, league(directory, regions, shape, keep=keep, proxy=proxy) as running:
        losses = Losses(running, proxy)
        victims = cycle(region.name for region in running.federation.regions)
        for number, (fault, victim) in enumerate(zip(faults, victims, strict=False)):
            outcomes.append(await Trial(running, losses, fault, victim, number, say).run())


def _counts(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What must not be, and each case of it in words."""
    bound_s = LEASE_S * (1 - _RENEWED_SHARE)
    broken = [
        f"{each.fault} of {each.victim}: {what} {words}"
        for each in outcomes
        for what, all_words in (
            ("lost", each.lost),
            ("run twice", each.run_twice),
            ("disturbed", each.disturbed),
        )
        for words in all_words
    ]
    return {
        "jobs": sum(each.jobs for each in outcomes),
        "lost": sum(len(each.lost) for each in outcomes),
        "run_twice": sum(len(each.run_twice) for each in outcomes),
        "disturbed": sum(len(each.disturbed) for each in outcomes),
        "lease_bound_s": bound_s,
        "before_lease_bound": sum(each.first_start_s < bound_s for each in outcomes),
        "broken": broken,
    }


def _of_fault(fault: Fault, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """One entry a trial."""
    found = [each for each in outcomes if each.fault is fault]
    return {
        "takeover_s": [each.last_start_s for each in found],
        "first_start_s": [each.first_start_s for each in found],
        "ended_s": [each.ended_s for each in found],
        "reconciled_s": [each.reconciled_s for each in found],
    }
