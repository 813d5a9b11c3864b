"""Where the jobs of each tenant run, for jobs that want to be near them or apart from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from hanse.core.model.rules import Affinity
from hanse.core.scheduling.topology import TopologyIndex

Bools = npt.NDArray[np.bool_]
# (tenant, name) of a job.
Owner = tuple[str, str]
OwnerOf = Callable[[str], Owner]


def nobody(job_id: str) -> Owner:
    """For regions that know their jobs by id only, as in tests."""
    return ("", "")


class Neighbours:
    """How many tasks of each tenant, and of each of its jobs' names, are on each node."""

    def __init__(self, topology: TopologyIndex, nodes: int) -> None:
        self._topology = topology
        self._nodes = nodes
        # Nothing is counted until somebody asks: most regions never do. Then what runs is told by this.
        self.counts = False
        self.seated: Callable[[], Iterable[tuple[Owner, int]]] = tuple
        # (tenant, name), and (tenant, "") for all its jobs -> node -> tasks.
        self._tasks: dict[Owner, dict[int, int]] = {}

    def count(self, owner: Owner, node: int, sign: int) -> None:
        """A task of this owner's job is on this node (1), or is not any more (-1)."""
        tenant, name = owner
        for key in ((tenant, ""), (tenant, name)):
            tasks = self._tasks.setdefault(key, {})
            tasks[node] = tasks.get(node, 0) + sign
            if not tasks[node]:
                del tasks[node]
                if not tasks:
                    del self._tasks[key]

    def satisfied(self, affinity: Affinity) -> Bools:
        """The nodes on which a task would be near them, or apart from them. Near jobs of which none runs is anywhere:
        the first of several that want to be together must start somewhere."""
        if not self.counts:
            self.counts = True
            for owner, node in self.seated():
                self.count(owner, node, 1)
        near = self._near(affinity)
        if affinity.apart:
            return ~near
        return near if near.any() else np.ones(self._nodes, dtype=np.bool_)

    def _near(self, affinity: Affinity) -> Bools:
        flags = np.zeros(self._nodes, dtype=np.bool_)
        where = self._tasks.get((affinity.tenant, affinity.name))
        domains = self._topology.domains(affinity.level)
        if not where or domains is None:
            return flags
        # One more, for the nodes that are in no domain (-1): they are near nobody.
        found = np.zeros(len(domains.names) + 1, dtype=np.bool_)
        found[domains.of_node[list(where)]] = True
        found[-1] = False
        near: Bools = found[domains.of_node]
        return near
