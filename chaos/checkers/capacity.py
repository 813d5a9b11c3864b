"""P5: the processes on a node never need more than it has, device by device."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.model.jobs import RunId
from hanse.sim.record import RegionJoined, TaskBegan, TaskFinished

_DEVICE = 1000


class CapacityHeld(Checker):
    """Adds up what living processes were given."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._capacity: dict[tuple[str, str], dict[str, int]] = {}
        self._used: dict[tuple[str, str], dict[str, int]] = {}
        self._devices: dict[tuple[str, str, str, int], int] = {}
        self._living: dict[tuple[str, RunId, int], TaskBegan] = {}

    def handlers(self) -> Handlers:
        return {RegionJoined: self._on_joined, TaskBegan: self._on_began, TaskFinished: self._on_finished}

    def _on_joined(self, entry: RegionJoined) -> None:
        for node in entry.nodes:
            self._capacity[(entry.region, node.name)] = dict(node.capacity)
            self._used[(entry.region, node.name)] = {}

    def _on_began(self, entry: TaskBegan) -> None:
        self._living[(entry.region, entry.run, entry.task)] = entry
        self._add(entry, 1)
        capacity, used = self._capacity[(entry.region, entry.node)], self._used[(entry.region, entry.node)]
        for kind, _ in entry.resources:
            if used[kind] > capacity.get(kind, 0):
                raise violated(
                    f"{entry.node} oversold: {used[kind]} of {capacity.get(kind, 0)} {kind}",
                    entry.at_us,
                    entry.run.job_id,
                )
        for kind, index in entry.devices:
            share = self._devices[(entry.region, entry.node, kind, index)]
            if share > _DEVICE:
                raise violated(
                    f"{entry.node}: {kind} {index} oversold: {share}", entry.at_us, entry.run.job_id
                )

    def _on_finished(self, entry: TaskFinished) -> None:
        self._add(self._living.pop((entry.region, entry.run, entry.task)), -1)

    def _add(self, entry: TaskBegan, sign: int) -> None:
        used = self._used[(entry.region, entry.node)]
        for kind, quantity in entry.resources:
            used[kind] = used.get(kind, 0) + sign * quantity
        wanted = dict(entry.resources)
        for kind, index in entry.devices:
            key = (entry.region, entry.node, kind, index)
            self._devices[key] = self._devices.get(key, 0) + sign * min(_DEVICE, wanted[kind])
