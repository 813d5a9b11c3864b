"""Quotas in a tree of cohorts: what a queue may still use, and where what it uses is counted.

Theory of operation, for each pair of flavour and kind. A queue, and each cohort, has a *subtree quota*: its own
nominal quota and what its children lend it. A child keeps to itself what it does not lend (*local quota*); what it
uses beyond that counts at its parent too, and so on up to the root. So the root of a tree holds all that is lent, and
nobody can use what was used already:

    available(root)  = subtree quota - usage
    available(child) = what is left of its local quota
                       + min(available(parent), what is left of what it lends + its borrowing limit)

With no lending limit nothing is local, and with no borrowing limit only the root decides. These are the definitions of
Kueue (its documents on cohorts and quota), with integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hanse.core.policy.model import Quota

# Flavour and kind: what is counted apart.
Cell = tuple[str, str]
# What is used, by (number of the node, cell). Kept apart from the tree, so that a copy is a snapshot.
Usage = dict[tuple[int, Cell], int]


class Bound(msgspec.Struct, frozen=True):
    """Which node of the tree has too little: `short` is what is missing there of `wanted`, for the cell."""

    node: str
    cell: Cell
    wanted: int
    available: int


class _Link(msgspec.Struct, frozen=True, array_like=True):
    """A node on the way from one to its root, for one cell: where what it uses is counted, its subtree quota, its local
    quota, its borrowing limit."""

    key: tuple[int, Cell]
    quota: int
    local: int
    limit: int | None


class QuotaNode:
    """A queue or a cohort. `number` is its own in its tree."""

    __slots__ = (
        "_bounds",
        "_chains",
        "_lends",
        "_limits",
        "_owned",
        "_subtree",
        "children",
        "name",
        "nominal",
        "number",
        "parent",
    )

    def __init__(self, name: str, number: int, parent: QuotaNode | None, quotas: Iterable[Quota]) -> None:
        self.name = name
        self.number = number
        self.parent = parent
        self.children: list[QuotaNode] = []
        if parent is not None:
            parent.children.append(self)
        self.nominal: dict[Cell, int] = {}
        self._limits: dict[Cell, int] = {}
        self._lends: dict[Cell, int] = {}
        self._subtree: dict[Cell, int] = {}
        # Made when they are first asked for; a tree never changes.
        self._chains: dict[Cell, tuple[_Link, ...]] = {}
        # Of these, those that can bound what is used: where something is limited or kept back, and the root.
        self._bounds: dict[Cell, tuple[_Link, ...]] = {}
        # Its own quotas of which there is anything, by the key under which they are used. (As `_chains`.)
        self._owned: list[tuple[tuple[int, Cell], int]] | None = None
        for quota in quotas:
            cell = (quota.flavour, quota.kind)
            self.nominal[cell] = quota.nominal
            if quota.borrowing_limit is not None:
                self._limits[cell] = quota.borrowing_limit
            if quota.lending_limit is not None:
                self._lends[cell] = quota.lending_limit

    def settle(self) -> None:
        """Work out the subtree quotas, once all nodes are there."""
        self._subtree = dict(self.nominal)
        for child in self.children:
            child.settle()
            for cell, quantity in child._subtree.items():
                lent = quantity - child.local_quota(cell)
                self._subtree[cell] = self._subtree.get(cell, 0) + lent

    def subtree_quota(self, cell: Cell) -> int:
        """Its own and what it is lent from below."""
        return self._subtree.get(cell, 0)

    def local_quota(self, cell: Cell) -> int:
        """What it lends to nobody."""
        lends = self._lends.get(cell)
        return 0 if lends is None else max(0, self._subtree.get(cell, 0) - lends)

    def available(self, cell: Cell, usage: Mapping[tuple[int, Cell], int]) -> int:
        """What may still be used here; less than nothing after a quota was lowered."""
        links = self._bounds.get(cell) or self._bounding(cell)
        root = links[0]
        left = root.quota - usage.get(root.key, 0)
        for link in links[1:]:
            used, local = usage.get(link.key, 0), link.local
            if link.limit is not None:
                left = min(left, link.quota - local - max(0, used - local) + link.limit)
            if local > used:
                left += local - used
        return left

    def _bounding(self, cell: Cell) -> tuple[_Link, ...]:
        """The root, and then down to here whatever makes a difference."""
        *below, root = self._chains.get(cell) or self._chain(cell)
        self._bounds[cell] = (
            root,
            *(each for each in reversed(below) if each.local or each.limit is not None),
        )
        return self._bounds[cell]

    def _chain(self, cell: Cell) -> tuple[_Link, ...]:
        """From here up to the root."""
        links: list[_Link] = []
        node: QuotaNode | None = self
        while node is not None:
            key = (node.number, cell)
            quota, local = node._subtree.get(cell, 0), node.local_quota(cell)
            links.append(_Link(key, quota, local, node._limits.get(cell)))
            node = node.parent
        self._chains[cell] = tuple(links)
        return self._chains[cell]

    def open_chain(self, cell: Cell) -> tuple[_Link, ...] | None:
        """From here up to the root, if what is used here counts all the way and only the root bounds it; else None."""
        chain = self._chains.get(cell) or self._chain(cell)
        is_open = all(not link.local and (link.limit is None or link is chain[-1]) for link in chain)
        return chain if is_open else None

    def available_at_most(self, cell: Cell) -> int:
        """What may be used here while nobody else uses anything."""
        return self.available(cell, {})

    def bound(self, cell: Cell, wanted: int, usage: Mapping[tuple[int, Cell], int]) -> Bound | None:
        """Which node keeps it from using so much more; None: it may. The one highest up that has too little, since
        that is the one whose release helps."""
        available = self.available(cell, usage)
        if wanted <= available:
            return None
        name = self.name
        node = self.parent
        beyond = wanted - max(0, self.local_quota(cell) - usage.get((self.number, cell), 0))
        while node is not None:
            if node.available(cell, usage) < beyond:
                name = node.name
            beyond -= max(0, node.local_quota(cell) - usage.get((node.number, cell), 0))
            node = node.parent
        return Bound(name, cell, wanted, available)

    def add(self, cell: Cell, quantity: int, usage: Usage) -> None:
        """Count so much more (or, below zero, less) as used here, and above as far as it is not local."""
        for link in self._chains.get(cell) or self._chain(cell):
            if not quantity:
                return
            before = usage.get(link.key, 0)
            after = before + quantity
            if after:
                usage[link.key] = after
            else:
                usage.pop(link.key, None)
            if link.local:
                quantity = max(0, after - link.local) - max(0, before - link.local)

    def borrows(self, usage: Mapping[tuple[int, Cell], int]) -> bool:
        """Whether it uses more than its own quota of anything."""
        return any(usage.get((self.number, cell), 0) > quota for cell, quota in self._subtree.items())

    def is_full(self, usage: Mapping[tuple[int, Cell], int]) -> bool:
        """Whether it uses all of its own quota of anything, or has none."""
        owned = self._owned
        if owned is None:
            owned = self._owned = [
                ((self.number, cell), quota) for cell, quota in self._subtree.items() if quota
            ]
        for key, quota in owned:
            if usage.get(key, 0) >= quota:
                return True
        return not owned


class QuotaRoot:
    """One tree: its nodes by name, and what is used. `version` grows when anything is given back. `uniform`: nobody
    keeps anything to itself, so that what the root has too little of nobody gets."""

    __slots__ = ("name", "nodes", "uniform", "usage", "version")

    def __init__(self, nodes: Mapping[str, QuotaNode]) -> None:
        self.nodes = nodes
        # That of the node that is above all.
        self.name = next(node.name for node in nodes.values() if node.parent is None)
        self.usage: Usage = {}
        self.version = 0
        self.uniform = not any(node.local_quota(cell) for node in nodes.values() for cell in node.nominal)
