"""Shortcuts of reservations: what is reserved twice, and what is reserved and not kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import JOINT_RESERVATIONS, RESERVATIONS
from hanse.core.federation.joint import JointReservations
from hanse.core.model.jobs import Allocation, GroupShape, Shape
from hanse.core.model.reservations import CapacityReservation
from hanse.core.model.time import SECOND_US
from hanse.core.scheduling import reserving
from hanse.core.scheduling.nodes import NodeState
from hanse.core.scheduling.overlaps import Together, room_beside
from hanse.core.scheduling.table import NodeTable
from hanse.core.scheduling.windows import Window, Windows


def _by_the_first(patches: ExitStack) -> None:
    def shortcut(
        table: NodeTable, closed: Iterable[str], shape: Shape, sets: Sequence[Together]
    ) -> Allocation | None:
        return room_beside(table, closed, shape, sets[:1])

    replace(patches, reserving, "room_beside", shortcut)


def _hold_nothing(patches: ExitStack) -> None:
    def shortcut(self: Windows, window: Window, state: NodeState, group: GroupShape) -> None:
        return None

    replace(patches, Windows, "_hold", shortcut)


def _kept_by_one(patches: ExitStack) -> None:
    def shortcut(self: JointReservations, own: CapacityReservation) -> bool:
        return bool(self._agreed[own.id])

    replace(patches, JointReservations, "_all_have_taken", shortcut)


def _given_up(patches: ExitStack) -> None:
    """on_deadline drops a part whose patience is over, whoever has that."""
    honest = JointReservations._take

    def shortcut(self: JointReservations, taken: CapacityReservation) -> None:
        honest(self, taken)
        self._patience.set(taken.id, self._books.now.mono_us + SECOND_US // 10)

    replace(patches, JointReservations, "_take", shortcut)


MUTANTS = (
    Mutant(
        name="overlaps at the start alone",
        shortcut="a reservation is judged beside those that are open when it begins, not those that begin later in it",
        profile=RESERVATIONS,
        install=_by_the_first,
    ),
    Mutant(
        name="reserved and not held",
        shortcut="an open window is offered to its tenant first, and then what is left of it to everybody",
        profile=RESERVATIONS,
        install=_hold_nothing,
    ),
    Mutant(
        name="kept by the first",
        shortcut="a reservation over several regions is kept as soon as one of them has taken its part",
        profile=JOINT_RESERVATIONS,
        install=_kept_by_one,
    ),
    Mutant(
        name="a part is given up",
        shortcut="a region drops its part of a reservation if its owner says nothing for a while",
        profile=JOINT_RESERVATIONS,
        install=_given_up,
    ),
)
