"""What each kind of fault does to a stage, and how it is undone: one small class each.

processes.py   daemons, supervisors, tasks, launchers: killed, frozen
network.py     ways between regions: cut, dropped, delayed, swallowed
disks.py       a disk that fills up, a ledger that is damaged
operators.py   a wall clock that jumps, a region that is drained
"""

from __future__ import annotations

from chaos.live import faults
from chaos.live.faults import Fault
from chaos.live.injectors.base import Injector
from chaos.live.injectors.disks import DiskFiller, LedgerCorrupter
from chaos.live.injectors.network import DelayingLink, DroppingLink, HalfOpenLink, OneWayCut, Partitioning
from chaos.live.injectors.operators import ClockJumping, Draining
from chaos.live.injectors.processes import (
    DaemonFreezer,
    DaemonKiller,
    RegionDestroyer,
    SupervisorKiller,
    TaskKiller,
    ZygoteKiller,
)
from chaos.live.stage import Stage

INJECTORS: dict[type[Fault], type[Injector]] = {
    faults.KillDaemon: DaemonKiller,
    faults.DestroyRegion: RegionDestroyer,
    faults.FreezeDaemon: DaemonFreezer,
    faults.Partition: Partitioning,
    faults.CutOneWay: OneWayCut,
    faults.DropPackets: DroppingLink,
    faults.DelayLink: DelayingLink,
    faults.HalfOpen: HalfOpenLink,
    faults.FillDisk: DiskFiller,
    faults.ClockJump: ClockJumping,
    faults.KillSupervisor: SupervisorKiller,
    faults.KillTask: TaskKiller,
    faults.KillZygote: ZygoteKiller,
    faults.CorruptLedger: LedgerCorrupter,
    faults.DrainRegion: Draining,
}


def injector(fault: Fault, stage: Stage) -> Injector:
    """Who does it."""
    return INJECTORS[type(fault)](fault, stage)
