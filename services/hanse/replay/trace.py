"""What is replayed: jobs as they came, and the nodes that they come to. All readers end here.

`duration_us` is what the job really took. It is kept apart from what becomes a submission (shapes.py), because nobody
who decides may see it.
"""

from __future__ import annotations

import msgspec

from hanse.core.model.resources import Resources


class TracedJob(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One job. `tasks` identical tasks start together, each with `wants`; instants count from the trace's beginning, in
    microseconds.

    `home` empty: the trace names none. `device_models` empty: any. `estimate_us`, `deadline_us` 0: none was given.
    """

    id: str
    home: str
    tenant: str
    name: str
    submit_us: int
    duration_us: int
    tasks: int
    wants: Resources
    tier: str
    device_models: tuple[str, ...] = ()
    priority: int = 0
    estimate_us: int = 0
    deadline_us: int = 0


class NodePool(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes of a region that are alike."""

    region: str
    node_class: str
    count: int
    capacity: Resources
    device_model: str = ""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs in order of submission, and all pools. `source` says what it was read from."""

    jobs: tuple[TracedJob, ...]
    pools: tuple[NodePool, ...]
    source: str = ""

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that have nodes, in the order of the file."""
        return tuple(dict.fromkeys(pool.region for pool in self.pools))
