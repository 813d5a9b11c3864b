"""Which shards a region keeps, is to keep, or has kept: by its configuration, and by what is on its disk."""

from __future__ import annotations

from functools import partial

from hanse.core.federation.ports import LocalWork
from hanse.core.federation.shards.quorum import participants
from hanse.core.federation.shards.shard import Shard
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Group, RegionConfig, unpack_group
from hanse.core.model.time import Now
from hanse.core.rows import ShardStateRow, Snapshot


def open_shards(
    config: RegionConfig, snapshot: Snapshot, boot: int, local: LocalWork, randomness: Randomness, now: Now
) -> dict[str, Shard]:
    """Each as the disk has it. `boot` tells this life of the daemon from its others."""
    states = {state.shard: state for state in snapshot.shard_states}
    found: dict[str, Shard] = {}
    for group in kept_groups(config, states):
        name = group.shard
        rows = [row for row in snapshot.shard_rows if row.shard == name]
        found[name] = Shard(
            config,
            group,
            states.get(name),
            rows,
            boot,
            partial(local.living, name),
            randomness,
            now,
        )
    return found


def kept_groups(config: RegionConfig, states: dict[str, ShardStateRow]) -> list[Group]:
    """Each shard with the group that its log began with, as far as that is known. What is on the disk has been
    promised: it counts also if nobody speaks of that shard any more, unless the region itself is out."""
    begun = {group.shard: group for group in config.groups}
    wanted = [group.shard for group in config.groups_wanted if config.name in group.members]
    kept = [group.shard for group in config.groups if config.name in participants(group)]
    stored = [] if config.removed else sorted(states)
    return [
        begun[shard] if shard in begun else unpack_group(states[shard].group)
        for shard in dict.fromkeys((*kept, *wanted, *stored))
    ]
