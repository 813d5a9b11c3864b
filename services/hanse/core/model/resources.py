"""Integer vectors over named kinds of capacity.

cpu is counted in millicores, memory in bytes, gpu and npu in thousandths of a device, any other kind in the unit that
its operator chose. Integers only: sums of floats differ between processors, and a difference would decide an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# What every region understands without configuration; a kind may be refined by model, as in "gpu/a100".
BUILTIN_KINDS = ("cpu", "memory", "gpu", "npu", "bandwidth", "power")

# A resource vector: (kind, quantity) pairs, sorted by kind, without zeros. A tuple so that it can be a key.
Resources = tuple[tuple[str, int], ...]

EMPTY: Resources = ()


def resources(quantities: Mapping[str, int] | Iterable[tuple[str, int]]) -> Resources:
    """The canonical vector of these quantities."""
    pairs = quantities.items() if isinstance(quantities, Mapping) else quantities
    return tuple(sorted((kind, quantity) for kind, quantity in pairs if quantity))


def scaled(vector: Resources, factor: int) -> Resources:
    """Every quantity times `factor`."""
    return tuple((kind, quantity * factor) for kind, quantity in vector) if factor else EMPTY


def added(left: Resources, right: Resources) -> Resources:
    """Sum by kind."""
    total = dict(left)
    for kind, quantity in right:
        total[kind] = total.get(kind, 0) + quantity
    return resources(total)


def subtracted(left: Resources, right: Resources) -> Resources:
    """Difference by kind; quantities may become negative, which callers must refuse."""
    return added(left, tuple((kind, -quantity) for kind, quantity in right))


def fits(wanted: Resources, available: Resources) -> bool:
    """Whether `available` has at least `wanted` of every kind."""
    have = dict(available)
    # Half as long as all() with a generator takes, and asked for every class of nodes in every record.
    for kind, quantity in wanted:  # noqa: SIM110
        if have.get(kind, 0) < quantity:
            return False
    return True


def times_fitting(wanted: Resources, available: Resources) -> int:
    """How many times `wanted` fits into `available`, kind by kind; `wanted` must not be empty."""
    have = dict(available)
    return min([max(0, have.get(kind, 0)) // quantity for kind, quantity in wanted])


def is_known_kind(kind: str, declared: frozenset[str]) -> bool:
    """Whether a spec may ask for this kind: built in (plain or by model), or declared by the operator."""
    return kind in declared or kind.split("/", 1)[0] in BUILTIN_KINDS
