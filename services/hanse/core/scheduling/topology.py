"""How the nodes of a region lie to each other: domains of each level, and what a domain may use together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hanse.core.model.regions import Node, Topology
from hanse.core.model.rules import NODE_LEVEL
from hanse.core.scheduling.nodes import CapState, NodeError

Ids = npt.NDArray[np.intp]


class Domains:
    """The domains of one level: `of_node` gives each node's (-1: it is in none), `names` each one's name."""

    def __init__(self, of_node: Ids, names: list[str]) -> None:
        self.of_node = of_node
        self.names = names


class TopologyIndex:
    """Domains by level, narrowest last, and the caps of each node's domains. A domain is named by the labels of all
    levels down to its own: rack 1 of pod a is not rack 1 of pod b."""

    def __init__(self, topology: Topology, nodes: list[Node]) -> None:
        self.levels: tuple[str, ...] = (*topology.levels, NODE_LEVEL)
        self._domains: dict[str, Domains] = {}
        labels = [dict(node.labels) for node in nodes] if topology.levels else []
        for depth, level in enumerate(topology.levels):
            self._domains[level] = _domains(labels, topology.levels[: depth + 1])
        every = np.arange(len(nodes), dtype=np.intp)
        self._domains[NODE_LEVEL] = Domains(every, [node.name for node in nodes])
        self.caps = [
            CapState(index, cap.level, cap.domain, dict(cap.capacity))
            for index, cap in enumerate(topology.caps)
        ]
        self.capped_kinds = frozenset(kind for cap in topology.caps for kind, _ in cap.capacity)
        self.caps_of = self._caps_of_nodes(len(nodes))

    def domains(self, level: str) -> Domains | None:
        """The domains of a level; None: the region has no such level."""
        return self._domains.get(level)

    def _caps_of_nodes(self, count: int) -> list[tuple[CapState, ...]]:
        of_node: list[tuple[CapState, ...]] = [()] * count
        for cap in self.caps:
            domains = self._domains.get(cap.level)
            if domains is None:
                raise NodeError(f"a cap names the level {cap.level!r}; there are {', '.join(self.levels)}")
            if cap.domain not in domains.names:
                raise NodeError(f"a cap names {cap.level} {cap.domain!r}, in which no node is")
            for index in np.flatnonzero(domains.of_node == domains.names.index(cap.domain)).tolist():
                of_node[index] = (*of_node[index], cap)
        return of_node


def _domains(labels: list[dict[str, str]], keys: tuple[str, ...]) -> Domains:
    """Numbered by name, so that the order of nodes decides nothing."""
    named = [
        "/".join(each[key] for key in keys) if all(key in each for key in keys) else None for each in labels
    ]
    names = sorted({name for name in named if name is not None})
    number = {name: at for at, name in enumerate(names)}
    of_node = [-1 if name is None else number[name] for name in named]
    return Domains(np.array(of_node, dtype=np.intp), names)
