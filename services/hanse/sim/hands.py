"""People who give orders about jobs and nodes: hold, release, requeue, reorder, move, cordon, drain. When all has
healed they let go of whatever they held, until nothing is held any more."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hanse.core.events import Event, NodeOrder, Order, OrderJobs, OrderKind, OrderNodes
from hanse.core.model.jobs import Job, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import PRIORITY_MAX
from hanse.core.model.time import SECOND_US
from hanse.sim.host import Host
from hanse.sim.timeline import Timeline

_JOBS_MAX = 3
_LOOK_EVERY_US = SECOND_US
_REQUEST = -2
_KINDS = (OrderKind.HOLD, OrderKind.HOLD, OrderKind.RELEASE, OrderKind.REQUEUE, OrderKind.SET_PRIORITY)
_ABOUT_NODES_SHARE = 0.3


class Hands:
    """Draws by itself, so that a world without orders is the same as before. `may_move`: no region goes for ever, so
    that what is pinned to one can run in the end."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        every_us: int,
        hosts: Sequence[Host],
        count: Callable[[str], None],
        *,
        may_move: bool,
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._every_us = every_us
        self._hosts = hosts
        self._count = count
        self._kinds = (*_KINDS, OrderKind.MOVE) if may_move else _KINDS
        self._healed = False

    def begin(self) -> None:
        """Plan the first order."""
        if self._every_us:
            self._timeline.after(int(self._random.expovariate(1.0) * self._every_us), self._again)

    def heal(self) -> None:
        """From now on everything is let go of."""
        self._healed = True
        if self._every_us:
            self._let_go()

    def _again(self) -> None:
        if self._healed:
            return
        up = [host for host in self._hosts if host.core is not None]
        if up:
            host = self._random.choice(up)
            about_nodes = self._random.random() < _ABOUT_NODES_SHARE
            event = self._about_nodes(host) if about_nodes else self._about_jobs(host)
            if event is not None:
                self._count("order")
                host.post(event)
        self.begin()

    def _about_jobs(self, host: Host) -> Event | None:
        assert host.core is not None
        jobs = sorted(job.id for job in host.core.library.jobs() if _may_be_ordered(job))
        if not jobs:
            return None
        chosen = self._random.sample(jobs, min(len(jobs), self._random.randint(1, _JOBS_MAX)))
        order = Order(
            kind=self._random.choice(self._kinds),
            priority=self._random.randint(-PRIORITY_MAX, PRIORITY_MAX),
            region=self._random.choice(self._hosts).name,
        )
        return OrderJobs(request_id=_REQUEST, job_ids=tuple(chosen), order=order, cause="operator")

    def _about_nodes(self, host: Host) -> Event:
        assert host.core is not None
        nodes = [node.name for node in host.core.config.nodes]
        chosen = self._random.sample(nodes, self._random.randint(1, max(1, len(nodes) // 2)))
        kind = self._random.choice(list(NodeOrder))
        return OrderNodes(request_id=_REQUEST, nodes=tuple(chosen), order=kind, cause="operator")

    def _let_go(self) -> None:
        for host in self._hosts:
            if host.core is None:
                continue
            held = [job.id for job in host.core.library.jobs() if _is_held(job)]
            cordoned = tuple(host.core.local.capacity.cordoned())
            if held:
                order = Order(kind=OrderKind.RELEASE)
                host.post(OrderJobs(request_id=_REQUEST, job_ids=tuple(held), order=order, cause="operator"))
            if cordoned:
                host.post(
                    OrderNodes(
                        request_id=_REQUEST, nodes=cordoned, order=NodeOrder.UNCORDON, cause="operator"
                    )
                )
        self._timeline.after(_LOOK_EVERY_US, self._let_go)


def _may_be_ordered(job: Job) -> bool:
    return job.state in (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)


def _is_held(job: Job) -> bool:
    return job.reason.code is ReasonCode.HELD and job.state is JobState.QUEUED
