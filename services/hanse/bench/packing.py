"""Packing methods to compare with, from the literature: best fit and dot product, on nodes and tasks as they are,
without a region around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from hanse.bench.openb import TraceJob
from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.regions import Node

Int64s = npt.NDArray[np.int64]
# What is free on the nodes that have room (cpu, memory, gpu), and what one task wants, both in thousandths of the
# largest node; the smallest result is taken.
Score = Callable[[Int64s, Int64s], Int64s]


def best_fit(free: Int64s, wanted: Int64s) -> Int64s:
    """The node that has least left afterwards."""
    total: Int64s = (free - wanted[:, None]).sum(axis=0)
    return total


def dot_product(free: Int64s, wanted: Int64s) -> Int64s:
    """The node whose free vector, along the task's own, is shortest (Panigrahy et al., Heuristics for Vector Bin
    Packing, as the FGD paper uses it)."""
    product: Int64s = (free * wanted[:, None]).sum(axis=0)
    return product


class Cluster:
    """Nodes of which tasks take processors, memory and GPUs, whole or a share of one."""

    def __init__(self, nodes: Sequence[Node], score: Score) -> None:
        self._score = score
        capacities = [dict(node.capacity) for node in nodes]
        self._free = np.array(
            [[capacity.get(kind, 0) for capacity in capacities] for kind in ("cpu", "memory", "gpu")],
            dtype=np.int64,
        )
        self._peaks = np.maximum(1, self._free.max(axis=1))
        devices = self._free[2] // DEVICE_UNIT
        self._shares = np.where(np.arange(devices.max(initial=0)) < devices[:, None], DEVICE_UNIT, 0)

    def place(self, job: TraceJob) -> bool:
        """Place a job of one task; False: nowhere is room."""
        wanted = dict(job.wanted)
        vector = np.array([wanted.get(kind, 0) for kind in ("cpu", "memory", "gpu")], dtype=np.int64)
        gpu = int(vector[2])
        feasible = (self._free[:2] >= vector[:2, None]).all(axis=0)
        if gpu >= DEVICE_UNIT:
            feasible &= (self._shares == DEVICE_UNIT).sum(axis=1) * DEVICE_UNIT >= gpu
        elif gpu:
            feasible &= self._shares.max(axis=1) >= gpu
        nodes = np.flatnonzero(feasible)
        if not nodes.size:
            return False
        peaks = self._peaks[:, None]
        scores = self._score(self._free[:, nodes] * 1000 // peaks, vector * 1000 // self._peaks)
        self._take(int(nodes[scores.argmin()]), vector, gpu)
        return True

    def _take(self, node: int, vector: Int64s, gpu: int) -> None:
        self._free[:, node] -= vector
        shares = self._shares[node]
        if gpu >= DEVICE_UNIT:
            shares[np.flatnonzero(shares == DEVICE_UNIT)[: gpu // DEVICE_UNIT]] = 0
        elif gpu:
            shares[np.where(shares >= gpu, shares, 2 * DEVICE_UNIT).argmin()] -= gpu
