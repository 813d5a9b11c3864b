"""Small traces, drawn from a seed."""

from __future__ import annotations

import random

from hanse.core.model.resources import resources
from hanse.core.model.time import SECOND_US
from hanse.replay.trace import NodePool, Trace, TracedJob

_DEVICES = 8


def drawn(
    jobs: int = 150, regions: int = 3, nodes: int = 3, load: float = 0.9, seed: int = 1, skew: float = 2.0
) -> Trace:
    """Jobs with one GPU to two nodes full of them, most of them at the first regions, heavy-tailed."""
    randomness = random.Random(seed)
    capacity = resources({"gpu": 1_000 * _DEVICES})
    pools = tuple(
        NodePool(region=f"r{number}", node_class="gpu", count=nodes, capacity=capacity)
        for number in range(regions)
    )
    found = [_job(number, regions, randomness, skew) for number in range(jobs)]
    work_us = sum(job.duration_us * job.tasks * dict(job.wants)["gpu"] for job in found)
    span_us = work_us / (load * regions * nodes * _DEVICES * 1_000)
    instants = sorted(randomness.random() for _ in found)
    return Trace(
        jobs=tuple(_at(job, round(instant * span_us)) for job, instant in zip(found, instants, strict=True)),
        pools=pools,
        source="drawn",
    )


def _job(number: int, regions: int, randomness: random.Random, skew: float) -> TracedJob:
    devices = randomness.choice([1, 1, 1, 2, 4, 8])
    return TracedJob(
        id=f"j{number:04}",
        home=f"r{min(regions - 1, int(randomness.random() ** skew * regions))}",
        tenant=f"t{number % 3}",
        name="train",
        submit_us=0,
        duration_us=min(40_000, max(1, int(randomness.lognormvariate(6.5, 1.2)))) * SECOND_US,
        tasks=2 if devices == _DEVICES and number % 5 == 0 else 1,
        wants=resources({"gpu": 1_000 * devices}),
        tier="standard",
    )


def _at(job: TracedJob, submit_us: int) -> TracedJob:
    return TracedJob(
        id=job.id,
        home=job.home,
        tenant=job.tenant,
        name=job.name,
        submit_us=submit_us,
        duration_us=job.duration_us,
        tasks=job.tasks,
        wants=job.wants,
        tier=job.tier,
    )
