"""Python's garbage collector, while a replay runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# What lives through a replay are jobs and records, which make no cycles: with the default thresholds the collector
# walks them again and again.
THRESHOLDS = (100_000, 50, 1_000)


@contextmanager
def spared() -> Iterator[None]:
    """What is there now is not walked, and what comes seldom; afterwards all is as before."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
