"""What a region's record says of a shape: how many such jobs could start there, and whether one ever can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hanse.core.model.jobs import GroupShape, Shape
from hanse.core.model.limits import ROOMS_MEMO_MAX, ROOMS_RECORDS_MAX
from hanse.core.model.regions import CapacityClass, DigestEntry, RegionRecord
from hanse.core.model.resources import Resources, fits, times_fitting
from hanse.core.model.rules import Rules
from hanse.core.model.selectors import parse_selector

# More than any caller asks for.
_ANY = 1 << 62


class Rooms:
    """How many jobs of a shape each region's newest record says could start: worked out once for each record, because
    it is asked about in every step in which something waits."""

    def __init__(self) -> None:
        # By record: of each region those that were asked about last.
        self._known: dict[DigestEntry, tuple[RegionRecord, dict[bytes, int]]] = {}

    def of(self, record: RegionRecord, shape: Shape) -> int:
        """As slots_free, without a limit."""
        known = self._known.get(record.entry)
        if known is None or known[0] is not record:
            known = self._enter(record)
        rooms = known[1]
        room = rooms.get(shape.key)
        if room is None:
            if len(rooms) >= ROOMS_MEMO_MAX:
                rooms.clear()
            room = rooms[shape.key] = slots_free(record, shape, _ANY)
        return room

    def _enter(self, record: RegionRecord) -> tuple[RegionRecord, dict[bytes, int]]:
        if len(self._known) >= ROOMS_RECORDS_MAX:
            del self._known[next(iter(self._known))]
        known = self._known[record.entry] = (record, {})
        return known


def slots_free(record: RegionRecord, shape: Shape, limit: int) -> int:
    """How many jobs of this shape the record says could start now, at most `limit`; an estimate from above."""
    slots = limit
    for group in shape.body.groups:
        tasks = max(
            sum(
                _times(wanted, each.free, each.free_max)
                for each in _matching(record, constraints, group.rules)
            )
            for wanted, constraints in _ways(group)
        )
        slots = min(slots, tasks // group.count_min)
    return slots


def could_ever_fit(record: RegionRecord, shape: Shape) -> str | None:
    """Why the region of this record could not run it even if everything there were idle; None: it could."""
    for number, group in enumerate(shape.body.groups):
        reasons = [_never(record, number, group, *way) for way in _ways(group)]
        if all(reason is not None for reason in reasons):
            return reasons[0]
    return None


def _never(
    record: RegionRecord, number: int, group: GroupShape, wanted: Resources, constraints: tuple[str, ...]
) -> str | None:
    matching = _matching(record, constraints, group.rules)
    if not matching:
        if not constraints:
            return "every node has taints that it does not tolerate" if record.classes else "it has no nodes"
        return f"no node satisfies {' and '.join(constraints)}"
    tasks = 0
    for each in matching:
        per_node = times_fitting(wanted, each.node_capacity) if wanted else group.count_min
        tasks += per_node * each.nodes
    if tasks < group.count_min:
        return f"group {number} needs {group.count_min} places of {_text(wanted)}, it has {tasks}"
    return None


def _matching(
    record: RegionRecord, constraints: tuple[str, ...], rules: Rules | None
) -> Sequence[CapacityClass]:
    tolerations = rules.tolerations if rules is not None else ()
    selectors = [parse_selector(text) for text in constraints]
    return [
        each
        for each in record.classes
        if (not each.taints or all(taint.tolerated(tolerations) for taint in each.taints))
        and (not selectors or all(selector.matches(dict(each.labels)) for selector in selectors))
    ]


def _ways(group: GroupShape) -> Iterator[tuple[Resources, tuple[str, ...]]]:
    """What one task wants, and what it would make do with: resources and constraints."""
    yield group.resources, group.constraints
    if group.rules is not None:
        for each in group.rules.alternatives:
            yield each.resources, group.constraints + each.constraints


def _times(wanted: Resources, free: Resources, free_max: Resources) -> int:
    if not wanted:
        return 1 << 30
    return times_fitting(wanted, free) if fits(wanted, free_max) else 0


def _text(vector: Resources) -> str:
    return " ".join(f"{kind}={quantity}" for kind, quantity in vector) or "nothing"
