"""How fast a large region places jobs: one Region.step after another, in this process, on one core.

Nothing is committed and nothing launched. What is measured is everything that the core does for a job: order by tier,
quota and shares, quota, placement with its constraints and reasons, backfill and preemption by the default policy, the
rows that it owes, the launch. Seven tenants share the region, each with a queue of its own in one cohort. Times are CPU
times, so that a busy machine counts less.
"""

from __future__ import annotations

import gc
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from hanse.bench.figures import latencies, load_1min
from hanse.bench.machine import BATCH_JOBS, SEED, Machine
from hanse.bench.openb import MIB, TraceJob, read_jobs, read_nodes, shape_of
from hanse.bench.result import versions
from hanse.bench.submit import Progress
from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.resources import resources
from hanse.daemon.collector import GC_THRESHOLDS

# Every so many jobs of the trace want devices of some models only.
CONSTRAINED_EVERY = 4
CONSTRAINT = "model notin (T4, P100)"
LATENCY = "seconds for a step that takes one job in and places it, in a region that runs some already"
PREEMPTION_LATENCY = "seconds for a step that takes in a job without room and stops others for it"
# What runs is left alone for so long (policy: run_min_us).
_SETTLED_S = 20
# Who would start soon by itself stops nobody.
_ESTIMATE_S = 3_600


def bench_placement(
    trace: Path, inventory: Path, nodes: int, jobs: int, allocations: int, progress: Progress
) -> dict[str, Any]:
    """Run the benchmark. Raises UsageOrConfigError for files that are not such a trace."""
    before = load_1min()
    arrivals = _arrivals(read_jobs(trace))
    progress(f"building a region of {nodes:,} nodes")
    machine = Machine(read_nodes(inventory, nodes))
    gc.set_threshold(*GC_THRESHOLDS)
    progress(f"placing {jobs:,} jobs of the trace")
    submit_s = machine.queue(_take(arrivals, jobs))
    placed, mixed_s = machine.place_all()
    machine.cancel_queued()
    progress("placing jobs one by one")
    one_by_one = latencies(_one_by_one(machine, arrivals))
    machine.cancel_queued()
    distinct = max(1, jobs // 4)
    progress(f"placing {distinct:,} jobs of as many shapes")
    machine.queue(_distinct(arrivals, distinct))
    placed_distinct, distinct_s = machine.place_all()
    machine.cancel_queued()
    progress("placing jobs for which others are stopped")
    preempting = latencies(_preempting(machine))
    progress(f"filling up to {allocations:,} allocations")
    held = _fill(machine, arrivals, allocations)
    resident = psutil.Process().memory_info().rss
    cycle_s, pending = _cycle(machine)
    return {
        "benchmark": "placement",
        "nodes": nodes,
        "placements": placed,
        "placements_per_s": round(placed / mixed_s, 1),
        "distinct_placements": placed_distinct,
        "distinct_placements_per_s": round(placed_distinct / distinct_s, 1),
        "submits_per_s": round(jobs / submit_s, 1),
        **one_by_one,
        "latency_of": LATENCY,
        "preemption": preempting,
        "preemption_latency_of": PREEMPTION_LATENCY,
        "cycle_pending_jobs": pending,
        "cycle_s": round(cycle_s, 4),
        "allocations": held,
        "resident_bytes": resident,
        "resident_bytes_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "set_up": {
            "trace": trace.name,
            "inventory": inventory.name,
            "seed": SEED,
            "times": "CPU seconds of this process",
            "constrained_every": CONSTRAINED_EVERY,
            "constraint": CONSTRAINT,
        },
        "versions": versions(),
        "load": {"before_1min": before, "after_1min": load_1min()},
    }


def _arrivals(trace: list[TraceJob]) -> Iterator[Shape]:
    """Jobs of the trace at random, for ever."""
    randomness = random.Random(SEED)
    plain = [shape_of(job) for job in trace]
    constrained = [
        shape_of(job, (CONSTRAINT,)) if job.gpu else shape for job, shape in zip(trace, plain, strict=True)
    ]
    number = 0
    while True:
        number += 1
        chosen = constrained if number % CONSTRAINED_EVERY == 0 else plain
        yield chosen[randomness.randrange(len(trace))]


def _distinct(arrivals: Iterator[Shape], count: int) -> Iterator[Shape]:
    """The same jobs, each a little different from all others."""
    for number, shape in enumerate(_take(arrivals, count)):
        group = shape.body.groups[0]
        wanted = dict(group.resources)
        wanted["memory"] = wanted.get("memory", 0) + 4096 * (number + 1)
        body = type(shape.body)(
            groups=(type(group)(group.count, group.count_min, resources(wanted), group.constraints),)
        )
        yield make_shape(body)


def _one_by_one(machine: Machine, arrivals: Iterator[Shape], count: int = 1_000) -> list[float]:
    seconds = []
    for shape in _take(arrivals, count):
        begun_s = time.process_time()
        started = machine.submit([shape])
        if started:
            seconds.append(time.process_time() - begun_s)
    return seconds


def _fill(machine: Machine, arrivals: Iterator[Shape], allocations: int) -> int:
    """Start jobs of the trace while most of them find room, then small ones, until so many run."""
    started = BATCH_JOBS
    while len(machine.started) < allocations and started > BATCH_JOBS // 4:
        started = machine.submit(list(_take(arrivals, BATCH_JOBS)))
    machine.cancel_queued()
    small = shape_of(TraceJob(resources({"cpu": 250, "memory": 64 * MIB}), 1))
    while len(machine.started) < allocations and machine.submit([small] * BATCH_JOBS):
        pass
    machine.cancel_queued()
    return len(machine.started)


def _cycle(machine: Machine, count: int = 10_000) -> tuple[float, int]:
    """A cycle over so many pending jobs, each of another shape, none of which has room: something has ended, so all are
    looked at again. CPU seconds, and how many there were."""
    machine.queue(_giants(count))
    machine.place_all()
    pending = len(machine.region.local.queue)
    begun_s = time.process_time()
    machine.end(1)
    while machine.region.local.more:
        machine.step()
    return time.process_time() - begun_s, pending


def _preempting(machine: Machine, count: int = 200) -> list[float]:
    """Jobs of the first tier that need two devices come one by one when all are taken."""
    while machine.submit([_gpus("standard", 1, 0)] * BATCH_JOBS):
        pass
    machine.cancel_queued()
    machine.pass_time(_SETTLED_S)
    machine.step()
    seconds = []
    for number in range(count):
        shape = _gpus("premium", 2, number)
        begun_s = time.process_time()
        machine.submit([shape])
        took_s = time.process_time() - begun_s
        if machine.stopped:
            seconds.append(took_s)
            machine.end_stopped()
    machine.cancel_queued()
    return seconds


def _gpus(tier: str, count: int, number: int) -> Shape:
    wanted = resources({"cpu": 10, "memory": 4096 * (number + 1), "gpu": 1_000 * count})
    body = ShapeBody(
        groups=(GroupShape(1, 1, wanted),), tier=tier, runtime_estimate_us=_ESTIMATE_S * 1_000_000
    )
    return make_shape(body)


def _giants(count: int) -> Iterator[Shape]:
    """Jobs that need a large node to themselves, each a little different."""
    for number in range(count):
        wanted = resources({"cpu": 90_000 + number % 5_000, "memory": 4096 * (number + 1), "gpu": 8_000})
        yield shape_of(TraceJob(wanted, 1))


def _take(arrivals: Iterator[Shape], count: int) -> Iterator[Shape]:
    for _ in range(count):
        yield next(arrivals)
