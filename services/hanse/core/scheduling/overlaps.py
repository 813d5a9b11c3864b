"""Whether a new reservation can be honoured: all whose windows overlap at any instant must have room together.

What runs now does not count, since it will have ended or is to make room; what the nodes have does, node by node, and
nodes that are cordoned don't count at all. A reservation has the same nodes in all its windows. At each instant at
which the set of open windows changes, the nodes that it gets must have its places beside those of all others that are
open then: so sets of others are gathered first, and it is placed beside each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hanse.core.model.jobs import Allocation, Shape, TaskPlacement
from hanse.core.model.limits import RESERVATION_OVERLAPS_MAX, RESERVATION_TRIES_MAX
from hanse.core.model.reservations import CapacityReservation, WantedReservation
from hanse.core.scheduling.table import NodeTable
from hanse.core.scheduling.trial import Trial

Together = tuple[CapacityReservation, ...]


def overlapping(wanted: WantedReservation, others: Iterable[CapacityReservation]) -> list[Together]:
    """The sets of others that are open at once with a window of the wanted one; at least one, which may be empty."""
    others = list(others)
    found: dict[tuple[str, ...], Together] = {}
    for begins_us in wanted.starts_wall_us:
        ends_us = begins_us + wanted.duration_us
        meets = [other for other in others if _begins_before(other, begins_us, ends_us)]
        for at_us in sorted({begins_us, *_starts_within(meets, begins_us, ends_us)}):
            open_then = tuple(other for other in meets if _begins_before(other, at_us, at_us + 1))
            found[tuple(other.id for other in open_then)] = open_then
    if len(found) <= RESERVATION_OVERLAPS_MAX:
        return list(found.values())
    met = {other.id: other for together in found.values() for other in together}
    return [tuple(met[reservation_id] for reservation_id in sorted(met))]


def _begins_before(other: CapacityReservation, from_us: int, until_us: int) -> bool:
    """Whether a window of it is open at some instant of these."""
    begins_us = other.window_at(from_us)
    return begins_us is not None and begins_us < until_us


def _starts_within(others: Sequence[CapacityReservation], from_us: int, until_us: int) -> list[int]:
    return [start for other in others for start in other.starts_wall_us if from_us < start < until_us]


def room_beside(
    table: NodeTable, closed: Iterable[str], shape: Shape, sets: Sequence[Together]
) -> Allocation | None:
    """Nodes that have these places beside each of the sets; None: none were found. `table`: with nothing on it. Which
    devices they will be is seen when a window opens."""
    worlds = [_world(table, together) for together in sets]
    away = dict.fromkeys(closed)
    for _ in range(RESERVATION_TRIES_MAX):
        trial = worlds[0].copy()
        for node in away:
            trial.exclude(node)
        allocation = trial.place(shape)
        if allocation is None:
            return None
        full = [node for world in worlds[1:] for node in lacking(world.copy(), shape, allocation.tasks)]
        if not full:
            tasks = tuple(msgspec.structs.replace(task, devices=()) for task in allocation.tasks)
            return Allocation(tasks)
        away |= dict.fromkeys(full)
    return None


def lacking(trial: Trial, shape: Shape, tasks: Iterable[TaskPlacement]) -> list[str]:
    """Book as many of these tasks as there is room for, on whatever devices; the nodes that lack it."""
    full: dict[str, None] = {}
    for task in tasks:
        if not trial.squeeze(task.node, trial.table.fit_of_task(shape, task).need):
            full[task.node] = None
    return list(full)


def _world(table: NodeTable, together: Together) -> Trial:
    """The nodes with the places of these on them. A node that lacks them (it is not what it was) is left alone."""
    trial = Trial(table)
    for reservation in together:
        for node in lacking(trial, reservation.shape, reservation.allocation.tasks):
            trial.exclude(node)
    return trial


def blamed(table: NodeTable, closed: Iterable[str], shape: Shape, sets: Sequence[Together]) -> Together:
    """A set beside which there is no room; empty: it is their combination."""
    closed = tuple(closed)
    return next((each for each in sets if room_beside(table, closed, shape, [each]) is None), ())
