"""Traced jobs as submissions, and pools as nodes: all that a region is told.

How long a job really took is not among it, unless an oracle is asked for; then it stands where the user's estimate
would.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, Submission, make_shape
from hanse.core.model.limits import GRACE_US_DEFAULT, RUNTIME_ESTIMATE_US_MAX
from hanse.core.model.regions import Node
from hanse.core.model.resources import Resources
from hanse.core.model.rules import Within
from hanse.replay.trace import NodePool, TracedJob

REGION_LABEL = "region"
_MODEL_LABEL = "device-model"


class Translator:
    """Writes submissions for regions with these pools. `together`: all pools are one region's, and the tasks of a job
    have to be in one of the regions that they came from."""

    def __init__(self, pools: Sequence[NodePool], *, together: bool = False, oracle: bool = False) -> None:
        self._kinds = frozenset(kind for pool in pools for kind, _ in pool.capacity)
        self._models = frozenset(pool.device_model for pool in pools if pool.device_model)
        self._together = together
        self._oracle = oracle
        self._shapes: dict[tuple[object, ...], Shape] = {}

    def submission(self, job: TracedJob, job_id: str) -> Submission:
        """What the region of its home is handed, under this id."""
        return Submission(
            job_id=job_id,
            client_key=job_id,
            tenant=job.tenant,
            name=job.name,
            spec=b"",
            spec_sha256=b"",
            shape=self._shape(job),
            grace_us=GRACE_US_DEFAULT,
            retries_max=0,
        )

    def _shape(self, job: TracedJob) -> Shape:
        known_us = job.duration_us if self._oracle else job.estimate_us
        estimate_us = max(1, min(known_us, RUNTIME_ESTIMATE_US_MAX)) if known_us or self._oracle else 0
        key = (job.tasks, job.wants, job.device_models, job.tier, job.priority, estimate_us)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = make_shape(self._body(job, estimate_us))
        return shape

    def _body(self, job: TracedJob, estimate_us: int) -> ShapeBody:
        group = GroupShape(job.tasks, job.tasks, self._wanted(job), self._constraints(job))
        is_gang = self._together and job.tasks > 1
        return ShapeBody(
            groups=(group,),
            tier=job.tier,
            priority=job.priority,
            runtime_estimate_us=estimate_us,
            within=Within(REGION_LABEL) if is_gang else None,
        )

    def _wanted(self, job: TracedJob) -> Resources:
        """Kinds that no node tells of cannot decide anything."""
        return tuple((kind, quantity) for kind, quantity in job.wants if kind in self._kinds)

    def _constraints(self, job: TracedJob) -> tuple[str, ...]:
        models = [model for model in job.device_models if model in self._models]
        return (f"{_MODEL_LABEL} in ({', '.join(models)})",) if models else ()


def nodes_of(pools: Sequence[NodePool]) -> tuple[Node, ...]:
    """Every node of these pools, under names that tell region and class."""
    nodes: list[Node] = []
    for pool in pools:
        labels = {REGION_LABEL: pool.region}
        if pool.device_model:
            labels[_MODEL_LABEL] = pool.device_model
        nodes += [
            Node(
                name=f"{pool.region}.{pool.node_class}.{number}",
                node_class=pool.node_class,
                capacity=pool.capacity,
                labels=tuple(sorted(labels.items())),
            )
            for number in range(pool.count)
        ]
    return tuple(nodes)


def scaled(pools: Sequence[NodePool], factor: float) -> tuple[NodePool, ...]:
    """As many times the nodes, region by region: rounded so that each region keeps its share, and at least one."""
    kept: list[NodePool] = []
    carried: dict[str, float] = {}
    for pool in pools:
        exact = pool.count * factor + carried.get(pool.region, 0.0)
        count = int(exact + 0.5)
        carried[pool.region] = exact - count
        if count:
            kept.append(msgspec.structs.replace(pool, count=count))
    present = {pool.region for pool in kept}
    lost = {pool.region: pool for pool in pools if pool.region not in present}
    return (*kept, *(msgspec.structs.replace(pool, count=1) for pool in lost.values()))
