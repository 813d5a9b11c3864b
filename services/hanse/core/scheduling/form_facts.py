"""What is known of forms (forms.py), side by side, for asking many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.scheduling.fragmentation import Workload
from hanse.core.scheduling.nodes import Layout, NodeState, TaskNeed

Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.intp]
Int64s = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
# Compared from the left: whether there are devices, usable capacity, slack, then what tells forms apart.
Rank = tuple[Any, ...]

_SLOTS_MIN = 256
# Kinds of tasks whose charges are kept; some 200 bytes each.
_CHARGES_MAX = 1024
# More than the free share of any device.
_NO_SHARE = 2 * DEVICE_UNIT


class Form:
    """What nodes that are alike have left. `nodes` are indices below zero, ascending: the first by name is last. `slot`
    is its row of facts."""

    __slots__ = ("alike", "arrived", "columns", "nodes", "number", "rank", "rooms", "shares", "slack", "slot")

    def __init__(
        self, number: int, slot: int, alike: int, columns: list[int], shares: dict[str, list[int]], slack: int
    ) -> None:
        self.number = number
        self.slot = slot
        self.alike = alike
        self.columns = columns
        self.shares = shares
        self.slack = slack
        self.nodes: list[int] = []
        # When it last came up, among all forms.
        self.arrived = 0
        self.rank: Rank = ()
        # For each typical task, how many its devices take.
        self.rooms: list[int] = []

    def takes(self, need: TaskNeed) -> bool:
        """Whether one more task has room; labels, caps and neighbours are not looked at."""
        if need.impossible:
            return False
        columns = self.columns
        # Half as long as all() with a generator takes, and asked for every form.
        for column, quantity in need.checks:  # noqa: SIM110
            if columns[column] < quantity:
                return False
        return True


class FormFacts:
    """By slot. `alike`: what the nodes are; `counts`: how many have the form; columns as in nodes.py. Of forms with
    devices, a row each: for each typical task how many its devices take, what it has free of the host's kinds, its
    usable capacity; then for each device kind what it has free in whole devices, and the free share of each device (0
    where it has fewer devices than others)."""

    def __init__(self, layout: Layout, workload: Workload, states: Sequence[NodeState]) -> None:
        self._workload = workload
        self._layout = layout
        self._devices_max = {
            kind: max((len(state.shares.get(kind, ())) for state in states), default=0)
            for kind in layout.device_kinds
        }
        self._lay_out()
        self._rows: Doubles = np.zeros((_SLOTS_MIN, self._width))
        self._columns: Int64s = np.zeros((layout.width, _SLOTS_MIN), dtype=np.int64)
        self.alike: Ids = np.zeros(_SLOTS_MIN, dtype=np.intp)
        self.counts: Int64s = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._charges: dict[tuple[tuple[int, int], ...], Doubles] = {}

    def _lay_out(self) -> None:
        """Where in a row stands what, for these typical tasks."""
        workload = self._workload
        self._host = slice(len(workload.tasks), len(workload.tasks) + len(workload.columns))
        self._usable = self._host.stop
        at = self._usable + 1
        self._whole: dict[str, int] = {}
        self._shares: dict[str, slice] = {}
        for kind, most in self._devices_max.items():
            self._whole[kind] = at
            self._shares[kind] = slice(at + 1, at + 1 + most)
            at += 1 + most
        self._width = at

    def takes(self, need: TaskNeed) -> Bools:
        """By slot, whether forms have room for one more task."""
        flags: Bools | None = None
        for column, quantity in need.checks:
            enough = self._columns[column] >= quantity
            flags = enough if flags is None else np.logical_and(flags, enough, out=flags)
        return np.ones(len(self.alike), dtype=np.bool_) if flags is None else flags

    def note(self, form: Form) -> int:
        """Keep the facts of a new form; returns its usable capacity."""
        while form.slot >= len(self.alike):
            self._grow()
        self._columns[:, form.slot] = form.columns
        self.alike[form.slot] = form.alike
        return self._note_devices(form)

    def _grow(self) -> None:
        self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
        self._columns = np.concatenate((self._columns, np.zeros_like(self._columns)), axis=1)
        self.alike = np.concatenate((self.alike, np.zeros_like(self.alike)))
        self.counts = np.concatenate((self.counts, np.zeros_like(self.counts)))

    def _note_devices(self, form: Form) -> int:
        if not form.shares:
            return 0
        workload, columns = self._workload, form.columns
        rooms = form.rooms = workload.rooms_of(form.shares)
        usable = workload.usable_with(rooms, columns)
        self._put(form, [*rooms, *[columns[column] for column in workload.columns], usable])
        return usable

    def adopt(self, forms: list[Form]) -> list[int]:
        """Work out all facts of these forms, and of no others, for what is typical now; their usable capacities."""
        self._lay_out()
        self._charges = {}
        self._rows = np.zeros((len(self.alike), self._width))
        return [self._note_devices(form) for form in forms]

    def _put(self, form: Form, known: list[int]) -> None:
        whole_column = self._layout.whole_column
        for kind, most in self._devices_max.items():
            free = form.shares.get(kind, ())
            known.append(form.columns[whole_column[kind]])
            known += free
            known += [0] * (most - len(free))
        self._rows[form.slot] = known

    def losses(self, need: TaskNeed, forms: list[Form]) -> list[int]:
        """The usable capacity that each of these forms loses to a task that needs devices of one kind."""
        workload = self._workload
        # A row for each fact, so that what is done to all forms is done to numbers side by side.
        facts = self._rows.take([form.slot for form in forms], axis=0).T.copy()
        rooms = facts[: self._host.start]
        free = facts[self._host] - self._charged(need)
        kind, quantity, _ = need.devices[0]
        state = facts[self._whole[kind]] / DEVICE_UNIT
        if quantity < DEVICE_UNIT:
            shares = facts[self._shares[kind]]
            np.putmask(shares, shares < quantity, _NO_SHARE)
            share = shares.min(axis=0)
            state = share + state * (share == DEVICE_UNIT)
        rooms -= workload.costs(kind, quantity).take(state.astype(np.intp), axis=1)
        losses: list[int] = (facts[self._usable] - workload.usable_of(rooms, free)).astype(np.int64).tolist()
        return losses

    def _charged(self, need: TaskNeed) -> Doubles:
        """What the task takes of each of the typical tasks' columns."""
        known = self._charges.get(need.charges)
        if known is None:
            if len(self._charges) >= _CHARGES_MAX:
                self._charges.clear()
            charged = dict(need.charges)
            charges = np.array(
                [[charged.get(column, 0)] for column in self._workload.columns], dtype=np.float64
            )
            known = self._charges[need.charges] = charges.reshape(-1, 1)
        return known
