"""How much of a region's GPUs can be allocated before what is left is in pieces that nobody can use.

The method is that of the FGD paper (Weng et al., USENIX ATC 2023): the trace's jobs arrive in random order, each
stays, those that find no room are dropped, until the GPUs asked for are 130 % of those that there are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hanse.bench.figures import load_1min
from hanse.bench.openb import TraceJob, read_jobs, read_nodes, shape_of
from hanse.bench.packing import Cluster, best_fit, dot_product
from hanse.bench.result import versions
from hanse.bench.submit import Progress
from hanse.core.model.regions import Node
from hanse.core.scheduling.placement import Capacity

# Of all GPUs, how many have been asked for when it is counted, and when it ends.
ASKED_PERMILLE = (1000, 1300)
# Percent of GPUs allocated in the end, mean of ten runs: what the authors' simulator is published with
# (github.com/hkust-adsl/kubernetes-scheduler-simulator, experiments/analysis/expected_results, openb_pod_list_default).
PUBLISHED = {"random": 87.47, "dot_product": 90.85, "best_fit": 93.08, "fgd": 95.39}

Place = Callable[[TraceJob], bool]


def bench_fragmentation(trace: Path, inventory: Path, runs: int, progress: Progress) -> dict[str, Any]:
    """Run the benchmark. Raises UsageOrConfigError for files that are not such a trace."""
    before = load_1min()
    jobs, nodes = read_jobs(trace), read_nodes(inventory)
    methods: dict[str, Callable[[], Place]] = {
        "default": lambda: _region(nodes),
        "best_fit": lambda: Cluster(nodes, best_fit).place,
        "dot_product": lambda: Cluster(nodes, dot_product).place,
    }
    found: dict[str, list[dict[str, float]]] = {}
    for name, method in methods.items():
        found[name] = []
        for seed in range(1, runs + 1):
            progress(f"{name}, run {seed} of {runs}")
            found[name].append(_allocated(jobs, nodes, method(), seed))
    allocated = {name: _mean(results) for name, results in found.items()}
    last = f"at_{ASKED_PERMILLE[-1] // 10}"
    return {
        "benchmark": "fragmentation",
        "gpus": sum(dict(node.capacity).get("gpu", 0) for node in nodes) // 1000,
        "runs": runs,
        "allocated_percent": allocated,
        "allocated_percent_worst": {
            name: min(result[last] for result in results) for name, results in found.items()
        },
        "published_percent": PUBLISHED,
        "set_up": {
            "trace": trace.name,
            "inventory": inventory.name,
            "seeds": f"1 to {runs}",
            "default": "the policy of every region: Capacity.place and take",
        },
        "versions": versions(),
        "load": {"before_1min": before, "after_1min": load_1min()},
    }


def _region(nodes: tuple[Node, ...]) -> Place:
    """What a region does."""
    capacity = Capacity(nodes)
    placed = 0

    def place(job: TraceJob) -> bool:
        nonlocal placed
        shape = shape_of(job)
        allocation = capacity.place(shape)
        if allocation is None:
            return False
        placed += 1
        capacity.take(f"job-{placed}", shape, allocation)
        return True

    return place


def _allocated(jobs: list[TraceJob], nodes: tuple[Node, ...], place: Place, seed: int) -> dict[str, float]:
    """Percent of all GPUs allocated, by percent asked for."""
    there = sum(dict(node.capacity).get("gpu", 0) for node in nodes)
    asked = allocated = 0
    found: dict[str, float] = {}
    for job in _arrivals(jobs, seed):
        asked += job.gpu
        if place(job):
            allocated += job.gpu
        for permille in ASKED_PERMILLE:
            name = f"at_{permille // 10}"
            if name not in found and asked * 1000 >= there * permille:
                found[name] = round(100 * allocated / there, 2)
        if len(found) == len(ASKED_PERMILLE):
            break
    return found


def _arrivals(jobs: list[TraceJob], seed: int) -> Iterator[TraceJob]:
    """The trace in random order, again and again."""
    randomness = random.Random(seed)
    order = list(jobs)
    while True:
        randomness.shuffle(order)
        yield from order


def _mean(results: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(result[name] for result in results) / len(results), 2) for name in results[0]}
