"""The order of all nodes, and the choice among them: by the *form* that nodes have.

Two nodes have the same form if they are alike (class, capacity, labels but for those that say where they are, taints)
and have the same left. A node of 30,000 is seldom the only one of its form: idle nodes of a kind have one form, and the
same jobs leave the same behind. So forms are what is asked, and what is remembered: for each kind of task whether it
has room on a form, and what it would cost there. An answer holds for good, since a form never changes: when something
starts or ends on a node, the node gets another form, mostly one that is known already.

Order: nodes without devices first; then those that are good for least (usable capacity, fragmentation.py); then the
fullest; among equals by what they are and have left, then by name. Forms stand in this order, each with its nodes.

Choice: tasks walk along the forms, from the first that may have room for them, until forms with CANDIDATES_MAX nodes
have room: of these the one that loses least usable capacity, in order among equals. Without devices in play the first.
Where a task starts to walk is remembered with its kind, and mended by the forms that have come up since.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hanse.core.scheduling.form_facts import Form, FormFacts, Ids, Rank
from hanse.core.scheduling.nodes import NodeState

if TYPE_CHECKING:
    from hanse.core.scheduling.table import NodeTable, TaskFit

Bools = npt.NDArray[np.bool_]

# Nodes that a task with devices chooses from. On the Alibaba trace more of them allocate no more.
CANDIDATES_MAX = 64
# So many forms that came up are asked one by one; who was away for longer asks all forms at once.
ARRIVALS_MAX = 128
# Forms that no node has any more are kept, because most of them come back: this many, and as many as nodes have.
IDLE_FORMS_MAX = 4096
# What is remembered of each kind of task; some 100 bytes a form. Forgotten and asked anew beyond this.
VERDICTS_MAX = 1024
# So many forms are weighed one by one, for some 3 us each; arrays cost some 30 us.
FEW_FORMS = 8
# Forms at the end of the order that are asked whether they alone have room enough.
IDLE_FORMS_ASKED = 16
# Of the forms that were found to have room, so many are kept: some more than are mostly chosen from.
SURVEYED_MAX = 32
# No room, where a loss would stand.
NO_ROOM = -1
# Neither a loss nor any other verdict.
UNASKED = -2
_FIRST_WITH_DEVICES: Rank = (True,)


class FormRanking:
    """Orders and chooses among the nodes of a table."""

    def __init__(self, table: NodeTable) -> None:
        self.table = table
        self._form_of: list[Form | None] = []
        self._forms: dict[tuple[object, ...], Form] = {}
        # The same by number.
        self.kept: dict[int, Form] = {}
        # Forms that nodes have, in order.
        self.ranks: list[Rank] = []
        self.order: list[Form] = []
        # Their slots, to be read by numpy all at once: an array, since it takes insertions at a tenth of the price.
        self._slots = array("q")
        # These by number, in the order in which they came up, and how often any form did.
        self._arrivals: dict[int, Form] = {}
        self.arrived = 0
        self._numbers = 0
        self._free_slots: list[int] = []
        self._column, self._whole_column = table.layout.column, table.layout.whole_column
        self._seen = -1
        self._version = -1
        self._facts = FormFacts(table.layout, table.workload, table.states)

    # -- questions

    def rank(self, index: int) -> tuple[Rank, int]:
        """The node's place in the order."""
        self.refresh()
        form = self._form_of[index]
        return (LAST if form is None else form.rank), index

    def rank_of(self, state: NodeState) -> tuple[Rank, int]:
        """The place of a state of a node, which may be a trial's."""
        usable = self.table.workload.usable(state)
        alike = self.table.alike_of[state.index]
        return _rank(usable, state.slack, alike, state.columns, state.shares), state.index

    def best(self, fit: TaskFit) -> int | None:
        """The node that one task goes to."""
        self.refresh()
        return self._best_plain(fit) if fit.plain else self._best_liked(fit)

    def in_order(self, fit: TaskFit) -> Iterator[int]:
        """Every node that has room for the task, best liked first, then in order."""
        self.refresh()
        if fit.plain:
            for form in self._open_forms(fit):
                yield from self.nodes_of(form, fit)
            return
        flags, costs = self.table.open_nodes(fit), self.table.costs(fit)
        if costs is None:
            yield from self._flagged_in_order(fit, flags)
            return
        for cost in np.unique(costs[flags]).tolist():
            yield from self._flagged_in_order(fit, flags & (costs == cost))

    # -- choosing

    def _best_plain(self, fit: TaskFit) -> int | None:
        chosen: Form | None = None
        if not fit.need.devices:
            chosen = next(self._open_forms(fit), None)
            if chosen is None or not chosen.shares:
                return None if chosen is None else next(self.nodes_of(chosen, fit))
        candidates = self._candidates(fit)
        if not candidates:
            return None
        return next(self.nodes_of(self.least_loss(fit, candidates), fit))

    def _candidates(self, fit: TaskFit) -> list[Form]:
        """The first forms in order whose nodes have room, until they are enough."""
        found: list[Form] = []
        missing = CANDIDATES_MAX
        for form in self._open_forms(fit):
            found.append(form)
            missing -= len(form.nodes) if fit.mask.all_alike[form.alike] else self.allowed(form, fit)
            if missing <= 0:
                break
        return found

    def least_loss(self, fit: TaskFit, forms: list[Form]) -> Form:
        verdicts = fit.verdicts
        if len(forms) == 1:
            return forms[0]
        unknown = [form for form in forms if verdicts[form.number] is None]
        if unknown:
            self.weigh(fit, unknown)
        least, chosen = verdicts[forms[0].number], forms[0]
        assert least is not None
        for form in forms:
            loss = verdicts[form.number]
            assert loss is not None
            if loss < least:
                least, chosen = loss, form
        return chosen

    def weigh(self, fit: TaskFit, forms: list[Form]) -> None:
        """Find out what the task costs on these."""
        if len(forms) > FEW_FORMS and len(fit.need.devices) == 1:
            for form, loss in zip(forms, self._facts.losses(fit.need, forms), strict=True):
                fit.verdicts[form.number] = loss
            return
        need, workload = fit.need, self.table.workload
        for form in forms:
            usable = form.rank[1]
            if len(need.devices) == 1:
                loss = workload.loss(need, form.columns, form.shares, form.rooms, usable)
            else:
                loss = usable - workload.usable_after(form.columns, form.shares, need)
            fit.verdicts[form.number] = loss

    def _open_forms(self, fit: TaskFit) -> Iterator[Form]:
        """Forms whose nodes have room for the task, in order; the first is where it will start to walk next time."""
        self.mend(fit)
        order, verdicts, all_alike = self.order, fit.verdicts, fit.mask.all_alike
        is_first = True
        for at in range(bisect_left(self.ranks, fit.open_from), len(order)):
            form = order[at]
            verdict = verdicts.get(form.number, UNASKED)
            if verdict == UNASKED:
                verdict = verdicts[form.number] = judged(form, fit)
            if verdict == NO_ROOM:
                continue
            if is_first:
                fit.open_from, is_first = form.rank, False
            # Not passed over for good: another node may have this form soon, on which the task may be.
            if all_alike[form.alike] or self.allowed(form, fit):
                yield form
        if is_first:
            fit.open_from = LAST

    def mend(self, fit: TaskFit) -> list[Form] | None:
        """Bring up to date from where on forms may have room for the task. If that took asking all forms: the first
        SURVEYED_MAX of those that have room."""
        found: list[Form] | None = None
        if len(fit.verdicts) > VERDICTS_MAX:
            fit.verdicts = {}
        if fit.version != self._version or self.arrived - fit.seen > ARRIVALS_MAX:
            found = self._survey(fit)
        elif fit.seen < self.arrived:
            open_from, seen, verdicts = fit.open_from, fit.seen, fit.verdicts
            for form in reversed(self._arrivals.values()):
                if form.arrived <= seen:
                    break
                if form.rank < open_from:
                    verdict = verdicts.get(form.number, UNASKED)
                    if verdict == UNASKED:
                        verdict = verdicts[form.number] = judged(form, fit)
                    if verdict != NO_ROOM:
                        open_from = form.rank
            fit.open_from = open_from
        fit.seen = self.arrived
        return found

    def _survey(self, fit: TaskFit) -> list[Form]:
        found = [self.order[place] for place in self._open_places(fit)[:SURVEYED_MAX].tolist()]
        if fit.version != self._version:
            fit.version, fit.verdicts = self._version, {}
        for form in found:
            fit.verdicts.setdefault(form.number)
        fit.open_from = found[0].rank if found else LAST
        return found

    def _open_places(self, fit: TaskFit) -> Ids:
        """The places in order of the forms that have room."""
        if fit.need.impossible or not self.order:
            return np.zeros(0, dtype=np.intp)
        flags = self._facts.takes(fit.need)
        if not flags.any():
            return np.zeros(0, dtype=np.intp)
        if not fit.mask.everywhere:
            flags &= fit.mask.by_alike.take(self._facts.alike)
        # Not to be kept: an array that numpy looks at can't grow.
        return np.flatnonzero(flags.take(np.frombuffer(self._slots, dtype=np.int64)))

    def count_open(self, fit: TaskFit, wanted: int) -> int:
        """How many nodes have room for one task of a kind of which forms and labels say all; not all are counted if
        there are more than `wanted`. Idle nodes are last in order, and have few forms."""
        self.refresh()
        found, any_alike = 0, fit.mask.any_alike
        for form in self.order[: -IDLE_FORMS_ASKED - 1 : -1]:
            if any_alike[form.alike] and form.takes(fit.need):
                found += len(form.nodes)
                if found >= wanted:
                    return found
        slots = np.frombuffer(self._slots, dtype=np.int64) if self._slots else np.zeros(0, dtype=np.int64)
        return int(self._facts.counts.take(slots.take(self._open_places(fit))).sum())

    def nodes_of(self, form: Form, fit: TaskFit) -> Iterator[int]:
        """The form's nodes on which the task may be, by name."""
        allowed = fit.mask.allowed
        return (-index for index in reversed(form.nodes) if allowed[-index])

    def allowed(self, form: Form, fit: TaskFit) -> int:
        """On how many of the form's nodes the task may be, as far as that matters."""
        found = 0
        for _ in self.nodes_of(form, fit):
            found += 1
            if found == CANDIDATES_MAX:
                break
        return found

    # -- tasks that care about more than a form tells: neighbours, caps, what they would rather avoid

    def _best_liked(self, fit: TaskFit) -> int | None:
        flags, costs = self.table.open_nodes(fit), self.table.costs(fit)
        if costs is not None and flags.any():
            flags &= costs == costs[flags].min()
        candidates: list[tuple[Form, int]] = []
        for index in self._flagged_in_order(fit, flags):
            form = self._form_of[index]
            assert form is not None
            if not form.shares:
                return index
            candidates.append((form, index))
            if len(candidates) == CANDIDATES_MAX:
                break
        if not candidates:
            return None
        first_of: dict[int, int] = {}
        for form, index in candidates:
            first_of.setdefault(form.number, index)
            fit.verdicts.setdefault(form.number, None)
        return first_of[self.least_loss(fit, [form for form, _ in candidates]).number]

    def _flagged_in_order(self, fit: TaskFit, flags: Bools) -> Iterator[int]:
        """The nodes with their flag up, in order; all of them have room."""
        for form in self._open_forms(fit):
            for index in self.nodes_of(form, fit):
                if flags[index]:
                    yield index

    # -- keeping up

    def refresh(self) -> None:
        table = self.table
        table.workload.review()
        if self._seen == table.changes and self._version == table.workload.version:
            return
        changed = table.changed_since(self._seen) if self._seen >= 0 else None
        if changed is None:
            self._build()
        else:
            if self._version != table.workload.version:
                self._order_anew()
            for index in changed if len(changed) == 1 else dict.fromkeys(changed):
                self._move(index, table.states[index])
        self._seen, self._version = table.changes, table.workload.version

    def _build(self) -> None:
        self._form_of = [None] * len(self.table.states)
        self._forms, self.kept = {}, {}
        self._free_slots = []
        self._facts = FormFacts(self.table.layout, self.table.workload, self.table.states)
        self.ranks, self.order, self._arrivals = [], [], {}
        self._slots = array("q")
        # By what the nodes are: most of them are idle, and have one form.
        last: dict[int, Form] = {}
        for state in reversed(self.table.states):
            if state.stranded or state.cordoned:
                continue
            index = state.index
            form = last.get(self.table.alike_of[index])
            if form is None or form.columns != state.columns:
                form = self.form(state)
                if self._columns_say_all(state):
                    last[form.alike] = form
            self._form_of[index] = form
            form.nodes.append(-index)
        for form in self._forms.values():
            self._facts.counts[form.slot] = len(form.nodes)
            self._come_up(form)

    def _move(self, index: int, state: NodeState) -> None:
        """This node may have another form now."""
        self._reseat(index, None if state.closed else self.form(state))

    def _reseat(self, index: int, form: Form | None) -> None:
        former = self._form_of[index]
        if former is form:
            return
        if former is not None:
            self._leave(former, index)
        self._form_of[index] = form
        if form is None:
            return
        if not form.nodes:
            self._come_up(form)
        insort(form.nodes, -index)
        self._facts.counts[form.slot] += 1

    def booked(self, state: NodeState, form: Form) -> None:
        """A task was booked on this node, which has this form now. The ranking was up to date."""
        self._reseat(state.index, form)
        self.table.note_change(state)
        self._seen = self.table.changes

    def _come_up(self, form: Form) -> None:
        """A node has this form that none had."""
        at = bisect_left(self.ranks, form.rank)
        self._slots.insert(at, form.slot)
        self.ranks.insert(at, form.rank)
        self.order.insert(at, form)
        self.arrived += 1
        form.arrived = self.arrived
        self._arrivals[form.number] = form

    def _leave(self, form: Form, index: int) -> None:
        nodes = form.nodes
        self._facts.counts[form.slot] -= 1
        if nodes[-1] == -index:
            nodes.pop()
        else:
            del nodes[bisect_left(nodes, -index)]
        if not nodes:
            at = bisect_left(self.ranks, form.rank)
            del self._slots[at], self.ranks[at], self.order[at], self._arrivals[form.number]

    def form(self, state: NodeState) -> Form:
        """The form that this node has."""
        alike = self.table.alike_of[state.index]
        shares = state.shares
        signature: tuple[object, ...] = (alike, *state.columns)
        for kind, free in shares.items():
            if state.columns[self._column[kind]] != state.columns[self._whole_column[kind]]:
                signature += (*sorted(free),)
        form = self._forms.get(signature)
        if form is None:
            if len(self._forms) > 2 * len(self.order) + IDLE_FORMS_MAX:
                self._forget_idle()
            self._numbers += 1
            slot = self._free_slots.pop() if self._free_slots else len(self._forms)
            copied = {kind: free.copy() for kind, free in shares.items()}
            form = Form(self._numbers, slot, alike, state.columns, copied, state.slack)
            form.rank = _rank(self._facts.note(form), form.slack, alike, form.columns, form.shares)
            self._forms[signature] = self.kept[form.number] = form
        return form

    def _columns_say_all(self, state: NodeState) -> bool:
        """Whether none of its devices is taken in part."""
        columns = state.columns
        return all(columns[self._column[kind]] == columns[self._whole_column[kind]] for kind in state.shares)

    def _forget_idle(self) -> None:
        for signature in [key for key, form in self._forms.items() if not form.nodes]:
            forgotten = self._forms.pop(signature)
            self._free_slots.append(forgotten.slot)
            del self.kept[forgotten.number]

    def _order_anew(self) -> None:
        """What is typical has changed, and with it what every form is good for."""
        self._forget_idle()
        forms = self.order
        for form, usable in zip(forms, self._facts.adopt(forms), strict=True):
            form.rank = _rank(usable, form.slack, form.alike, form.columns, form.shares)
        forms.sort(key=lambda form: form.rank)
        self.ranks = [form.rank for form in forms]
        self._slots = array("q", [form.slot for form in forms])


def judged(form: Form, fit: TaskFit) -> int | None:
    """What is known at first sight: whether there is room."""
    return None if fit.mask.any_alike[form.alike] and form.takes(fit.need) else NO_ROOM


# After every form.
LAST: Rank = (2,)


def _rank(usable: int, slack: int, alike: int, columns: list[int], shares: dict[str, list[int]]) -> Rank:
    """Smaller goes first. What comes after slack only tells apart what is equal."""
    if not shares:
        return (False, 0, slack, alike, columns)
    return (True, usable, slack, alike, columns, [sorted(free) for free in shares.values()])
