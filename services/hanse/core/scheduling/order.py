"""In which order nodes are looked at: those that are good for least first, then the fullest, then by name.

The order does not depend on the task: what is left of two nodes after a task compares as what is left before it, as
far as slack goes. So it is kept once for all kinds of tasks, and mended where a node changed. Nodes without devices
come first of all for tasks that need none, and never for others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hanse.core.scheduling.nodes import SLACK_UNIT, Layout

Int64s = npt.NDArray[np.int64]

# Bits of a node's number: more than NODES_MAX. Above it slack, and above that usable capacity (fragmentation.py).
INDEX_BITS = 17
SLACK_BITS = 17
INDEX_MASK = (1 << INDEX_BITS) - 1
USABLE_SHIFT = INDEX_BITS + SLACK_BITS
# Usable capacity beyond this is not told apart: that takes 250 devices on a node.
USABLE_MAX = (1 << 28) - 1
# Nodes looked at in one go: few at first, where most tasks find enough candidates.
CHUNK_NODES_MIN = 256
CHUNK_NODES_MAX = 4096
# More moves than this at once are made by sorting.
MOVES_MAX = 128


def order_key(layout: Layout, usable: int, slack: int, index: int) -> int:
    """Smaller goes first. `slack`: NodeState.slack; `usable`: see fragmentation.py."""
    most = SLACK_UNIT * max(1, len(layout.kinds))
    scaled = max(0, slack) * ((1 << SLACK_BITS) - 1) // most
    return min(usable, USABLE_MAX) << USABLE_SHIFT | scaled << INDEX_BITS | index


def order_keys(layout: Layout, usable: Int64s, slack: Int64s) -> Int64s:
    """The same for all nodes."""
    most = SLACK_UNIT * max(1, len(layout.kinds))
    scaled = np.maximum(slack, 0) * ((1 << SLACK_BITS) - 1) // most
    index = np.arange(len(slack), dtype=np.int64)
    keys: Int64s = np.minimum(usable, USABLE_MAX) << USABLE_SHIFT | scaled << INDEX_BITS | index
    return keys


class NodeOrder:
    """The keys of some nodes, ascending; each has its node's index in its low bits."""

    def __init__(self, keys: Int64s) -> None:
        self._keys = np.sort(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def chunks(self, from_key: int = 0) -> Iterator[npt.NDArray[np.intp]]:
        """The nodes in order, some at a time, from that key on. The order must not change meanwhile."""
        keys = self._keys
        start = int(keys.searchsorted(from_key)) if from_key else 0
        size = CHUNK_NODES_MIN
        while start < len(keys):
            yield keys[start : start + size] & INDEX_MASK
            start += size
            size = min(CHUNK_NODES_MAX, 4 * size)

    def move(self, old: int, new: int) -> None:
        """A node's key is another one now."""
        if old == new:
            return
        keys = self._keys
        start, end = keys.searchsorted((old, new)).tolist()
        if end > start:
            keys[start : end - 1] = keys[start + 1 : end]
            keys[end - 1] = new
        else:
            keys[end + 1 : start + 1] = keys[end:start]
            keys[end] = new
