"""In which order nodes are looked at: those that are good for least first, then the fullest, then by name.

The order does not depend on the task: what is left of two nodes after a task compares as what is left before it, as
far as slack goes. So it is kept once for all kinds of tasks, and mended where a node changed. Nodes without devices
come first of all for tasks that need none, and never for others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hanse.core.scheduling.nodes import SLACK_UNIT, Layout

Int64s = npt.NDArray[np.int64]

# Bits of a node's number: more than NODES_MAX. Above it slack, and above that usable capacity (fragmentation.py).
INDEX_BITS = 17
SLACK_BITS = 17
INDEX_MASK = (1 << INDEX_BITS) - 1
USABLE_SHIFT = INDEX_BITS + SLACK_BITS
# More moves than this at once are made by sorting.
MOVES_MAX = 128


def order_key(layout: Layout, usable: int, slack: int, index: int) -> int:
    """Smaller goes first. `slack`: NodeState.slack; `usable` up to USABLE_MAX."""
    most = SLACK_UNIT * max(1, len(layout.kinds))
    scaled = max(0, slack) * ((1 << SLACK_BITS) - 1) // most
    return usable << USABLE_SHIFT | scaled << INDEX_BITS | index


class NodeOrder:
    """The keys of some nodes, ascending; each has its node's index in its low bits."""

    def __init__(self, keys: Int64s) -> None:
        self._keys = np.sort(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def nodes(self, first: int, last: int) -> npt.NDArray[np.intp]:
        """The nodes from position `first` to before `last`."""
        return (self._keys[first:last] & INDEX_MASK).astype(np.intp, copy=False)

    def move(self, old: int, new: int) -> None:
        """A node's key is another one now."""
        if old == new:
            return
        keys = self._keys
        start, end = keys.searchsorted(np.array((old, new), dtype=np.int64)).tolist()
        if end > start:
            keys[start : end - 1] = keys[start + 1 : end]
            keys[end - 1] = new
        else:
            keys[end + 1 : start + 1] = keys[end:start]
            keys[end] = new
