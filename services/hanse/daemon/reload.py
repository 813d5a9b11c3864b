"""Which parts of a configuration may change while the region runs.

What may is taken up by another life of the Region, over the same ledger and with the same tasks: the way that every
restart of a daemon goes, without the restart. What may not is refused with its keys, and then nothing changes: half of
a configuration is one that nobody wrote.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hanse.daemon.settings import Settings

# Keys, or whole tables, that nothing rests on which a life has promised to anybody: no address, no name, no lease.
LIVE = (
    "nodes",
    "caps",
    "tiers",
    "retention",
    "region.datasets",
    "region.price",
    "region.power",
    "region.resource_kinds",
    "limits.queue_depth_max",
)


class Changes(msgspec.Struct, frozen=True):
    """Keys that differ: those that may change while the region runs, and those that want a restart."""

    live: tuple[str, ...]
    fixed: tuple[str, ...]


def changes(before: Settings, after: Settings) -> Changes:
    """What has changed from one to the other, sorted."""
    differing = _differing(msgspec.to_builtins(before), msgspec.to_builtins(after))
    live = tuple(key for key in differing if is_live(key))
    return Changes(live, tuple(key for key in differing if key not in live))


def is_live(key: str) -> bool:
    """Whether this key may change while the region runs."""
    return any(key == each or key.startswith(f"{each}.") for each in LIVE)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Keys as "table.key"; lists of tables are one key."""
    found = []
    for table in sorted({*before, *after}):
        old, new = before.get(table), after.get(table)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [f"{table}.{key}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        elif old != new:
            found.append(table)
    return found
