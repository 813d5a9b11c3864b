"""Tasks of one kind, booked one after another, each on the node that it would get by itself (forms.py).

To place a task the forms with room for it are walked in order, and weighed. For the next task of the same kind nothing
has changed but one node: it has left one form and has another. So these forms are kept while tasks of one kind are
booked, and put right after each. What a node has left once it has taken a task depends on its form alone, unless its
devices stand in islands; so that is remembered with the kind, too, and need not be worked out.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from hanse.core.scheduling.form_facts import Form, Rank
from hanse.core.scheduling.forms import (
    CANDIDATES_MAX,
    LAST,
    NO_ROOM,
    SURVEYED_MAX,
    UNASKED,
    VERDICTS_MAX,
    FormRanking,
    judged,
)
from hanse.core.scheduling.nodes import Devices, NodeState

if TYPE_CHECKING:
    from hanse.core.scheduling.table import TaskFit


def fill(ranking: FormRanking, fit: TaskFit, count: int) -> list[tuple[NodeState, Devices]]:
    """Book up to `count` tasks of a kind of which forms and labels say all; as many as there is room for. The nodes do
    not know whose they are."""
    ranking.refresh()
    filling = _Filling(ranking, fit)
    booked: list[tuple[NodeState, Devices]] = []
    while len(booked) < count:
        form = filling.choose()
        if form is None:
            break
        booked.append(filling.book(form))
    filling.close()
    return booked


class _Filling:
    """See the module's docstring. `_open`: the first forms that have room, in order."""

    def __init__(self, ranking: FormRanking, fit: TaskFit) -> None:
        self._ranking = ranking
        self._fit = fit
        self._all_alike = fit.mask.all_alike
        surveyed = ranking.mend(fit)
        if len(fit.after) > VERDICTS_MAX:
            fit.after = {}
        self._open: list[Form] = []
        # All forms before this place have been asked, and those with room are in `_open`.
        self._asked_to: Rank = fit.open_from
        # No form before this one has room.
        self._lowest: Rank | None = None
        if surveyed:
            self._lowest = surveyed[0].rank
            self._asked_to = LAST if len(surveyed) < SURVEYED_MAX else surveyed.pop().rank
            self._open = [
                form for form in surveyed if self._all_alike[form.alike] or ranking.allowed(form, fit)
            ]

    def choose(self) -> Form | None:
        """The form whose first node the next task gets; None: there is no room."""
        found = self._open
        if not found and not self._extend():
            return None
        if not self._fit.need.devices and not found[0].shares:
            return found[0]
        return self._least_loss()

    def _least_loss(self) -> Form:
        """Of the first forms whose nodes are enough to choose from, the one that loses least."""
        found, verdicts, all_alike = self._open, self._fit.verdicts, self._all_alike
        missing, at = CANDIDATES_MAX, 0
        unknown: list[Form] = []
        while missing > 0 and (at < len(found) or self._extend()):
            form = found[at]
            at += 1
            missing -= len(form.nodes) if all_alike[form.alike] else self._ranking.allowed(form, self._fit)
            if verdicts[form.number] is None:
                unknown.append(form)
        if at == 1:
            return found[0]
        if unknown:
            self._ranking.weigh(self._fit, unknown)
        return min(found[:at], key=lambda form: verdicts[form.number] or 0)

    def _extend(self) -> bool:
        """Ask further forms, until some more nodes have room. False: there are none."""
        ranking, fit = self._ranking, self._fit
        order, verdicts = ranking.order, fit.verdicts
        at, missing = bisect_left(ranking.ranks, self._asked_to), CANDIDATES_MAX
        while missing > 0 and at < len(order):
            form = order[at]
            at += 1
            verdict = verdicts.get(form.number, UNASKED)
            if verdict == UNASKED:
                verdict = verdicts[form.number] = judged(form, fit)
            if verdict == NO_ROOM:
                continue
            if self._lowest is None:
                self._lowest = form.rank
            # Not passed over for good: another node may have this form soon, on which the task may be.
            if self._all_alike[form.alike] or ranking.allowed(form, fit):
                self._open.append(form)
                missing -= len(form.nodes)
        self._asked_to = ranking.ranks[at] if at < len(order) else LAST
        return missing < CANDIDATES_MAX

    def book(self, form: Form) -> tuple[NodeState, Devices]:
        """Book a task on the first node of this form."""
        ranking, fit = self._ranking, self._fit
        state = ranking.table.states[
            -form.nodes[-1] if self._all_alike[form.alike] else next(ranking.nodes_of(form, fit))
        ]
        devices = state.choose(fit.need)
        after = ranking.kept.get(fit.after.get(form.number, 0))
        if after is None:
            state.take(fit.need, devices)
            after = ranking.form(state)
            if not state.node.islands:
                fit.after[form.number] = after.number
        else:
            state.take_to(fit.need, devices, after.columns, after.slack)
        ranking.booked(state, after)
        self._note(form, after)
        return state, devices

    def _note(self, form: Form, after: Form) -> None:
        """A node of `form` has the form `after` now."""
        fit, found = self._fit, self._open
        if not form.nodes or not (self._all_alike[form.alike] or self._ranking.allowed(form, fit)):
            found.remove(form)
        verdict = fit.verdicts.get(after.number, UNASKED)
        if verdict == UNASKED:
            verdict = fit.verdicts[after.number] = judged(after, fit)
        if verdict == NO_ROOM:
            return
        if self._lowest is None or after.rank < self._lowest:
            self._lowest = after.rank
        if after.rank < self._asked_to:
            at = bisect_left(found, after.rank, key=_rank_of)
            if at == len(found) or found[at] is not after:
                found.insert(at, after)

    def close(self) -> None:
        """What was found holds for the next time."""
        self._fit.open_from = self._asked_to if self._lowest is None else self._lowest
        self._fit.seen = self._ranking.arrived


def _rank_of(form: Form) -> Rank:
    return form.rank
