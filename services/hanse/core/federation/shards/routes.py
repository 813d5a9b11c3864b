"""The way to the shards that others lead: who says so, by the records that gossip brings; else who might."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hanse.core.federation.inventory import Inventory
from hanse.core.federation.shards.quorum import participants
from hanse.core.federation.shards.shard import Shard
from hanse.core.model.regions import Group, RegionConfig

# A region, and the term in which it says that it leads; 0: nobody said so, a guess.
Route = tuple[str, int]


class Routes:
    """`reachable` tells whether a region answers at present (a hint). `shards` are those that this region keeps."""

    def __init__(
        self,
        config: RegionConfig,
        inventory: Inventory,
        reachable: Callable[[str], bool],
        shards: Mapping[str, Shard],
    ) -> None:
        self._config = config
        self._inventory = inventory
        self._reachable = reachable
        self._shards = shards
        self.groups: dict[str, Group] = {group.shard: group for group in config.groups}
        self._wanted = {group.shard: group.members for group in reversed(config.groups_wanted)}
        # Where messages to a shard went last.
        self._last: dict[str, Route] = {}

    def leader_elsewhere(self, name: str) -> Route:
        """Who leads a shard, as far as is known here, if not this region, whatever its record still says: the largest
        term wins. Empty: nobody else could."""
        own = self._config.name
        best = (0, "")
        for region, term in self._inventory.leaders_of(name).items():
            if region != own:
                best = max(best, (term, region))
        if best[1] and self._reachable(best[1]):
            return best[1], best[0]
        others = [member for member in self._may_lead(name) if member != own]
        alive = [member for member in others if self._reachable(member)]
        return next((region for region in (*alive, best[1], *others) if region), ""), 0

    def _may_lead(self, name: str) -> tuple[str, ...]:
        """Whom to ask for the leader of a shard, if nobody has said so."""
        group = self._shards[name].group if name in self._shards else self.groups.get(name)
        known = participants(group) if group is not None else (name,)
        members = dict.fromkeys((*known, *self._wanted.get(name, ())))
        return tuple(each for each in members if self._config.member(each) is not None) or (name,)

    def take(self, name: str, route: Route) -> bool:
        """Messages to this shard go there now. Returns whether they went elsewhere before."""
        is_new = self._last.get(name) != route
        self._last[name] = route
        return is_new

    def is_wanted(self, name: str) -> bool:
        """Whether this shard is to have guardians in future."""
        return name in self._wanted

    def names(self) -> Iterable[str]:
        """All shards that are known here."""
        return dict.fromkeys((*self.groups, *self._shards))
