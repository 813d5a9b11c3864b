"""The members of one shard, driven by hand: every message, crash and second is the test's. No jobs, only the log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import msgspec

from hanse.core.effects import Effects
from hanse.core.federation.shards.seat import Role
from hanse.core.federation.shards.shard import GroupMessage, Shard
from hanse.core.model.regions import Group, Member, RegionConfig, Timings
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now
from hanse.core.rows import NO_WRITES, ShardRow, ShardStateRow

SHARD = "a"
FIRST = Group(shard=SHARD, members=("a", "b", "c"))
TIMINGS = Timings(lease_us=2 * SECOND_US, kill_us=SECOND_US // 2, election_spread_us=200 * MILLISECOND_US)
_STEP_US = 20 * MILLISECOND_US


class Place:
    """One region's part: its disk, and the daemon's Shard on it (None: it is down). `living`: its tasks live."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: ShardStateRow | None = None
        self.rows: dict[str, ShardRow] = {}
        self.shard: Shard | None = None
        self.life = 0
        self.living = False

    def write(self) -> None:
        """What the step changed goes to disk."""
        assert self.shard is not None
        state, rows, gone = self.shard.collect()
        self.state = state or self.state
        self.rows.update({row.key: row for row in rows})
        for _, key in gone:
            self.rows.pop(key, None)


class Circle:
    """Regions a to e; the first three keep the log of a's shard. `wanted` is what the roster says."""

    def __init__(self, *names: str, wanted: tuple[str, ...] = FIRST.members) -> None:
        self.now_us = 1_000 * SECOND_US
        self.wanted = wanted
        self.begins: dict[str, tuple[str, ...]] = {}
        self.keepers: tuple[str, ...] = ()
        self.places = {name: Place(name) for name in names or ("a", "b", "c", "n", "m")}
        self.wire: list[tuple[str, str, GroupMessage]] = []
        self.sent: list[tuple[str, str, GroupMessage]] = []
        self.lost: Callable[[str, str, GroupMessage], bool] = lambda sender, to, message: False
        for name in self.places:
            self.boot(name)

    def __getitem__(self, name: str) -> Shard:
        shard = self.places[name].shard
        assert shard is not None, f"{name} is down"
        return shard

    @property
    def now(self) -> Now:
        return Now(mono_us=self.now_us, wall_us=0)

    def want(self, *members: str) -> None:
        """Another roster comes into force: every daemon that runs is rebuilt with it."""
        newcomers = [name for name in members if name not in self.wanted]
        self.begins |= dict.fromkeys(newcomers, (SHARD,))
        self.wanted = members
        for place in self.places.values():
            if place.shard is not None:
                self.boot(place.name)

    def boot(self, name: str) -> None:
        """A life begins from what is on the disk."""
        place = self.places[name]
        place.life += 1
        config = RegionConfig(
            name=name,
            cluster_id="test",
            members=tuple(Member(name=each) for each in self.places),
            nodes=(),
            timings=TIMINGS,
            groups=(FIRST,),
            groups_wanted=(msgspec.structs.replace(FIRST, members=self.wanted),),
            begins=self.begins.get(name, ()),
            keepers=self.keepers,
        )
        rows = sorted(place.rows.values(), key=lambda row: row.sequence)
        place.shard = Shard(
            config, FIRST, place.state, rows, place.life, lambda: place.living, random.Random(1), self.now
        )

    def stop(self, *names: str) -> None:
        """These daemons are gone, until they boot."""
        for name in names:
            self.places[name].shard = None

    def lose_disk(self, name: str) -> None:
        """The daemon comes back with an empty one."""
        place = self.places[name]
        place.state, place.rows = None, {}
        self.boot(name)

    def tell(self, sender: str, to: str, message: GroupMessage) -> list[GroupMessage]:
        """Deliver this now; what the receiver answers to the sender."""
        out = Effects(writes=NO_WRITES)
        shard = self[to]
        shard.on_message(self.now, sender, message, out)
        self._leave(to, out)
        return (
            [each for source, target, each in self.sent[-len(out.sends) :] if target == sender]
            if out.sends
            else []
        )

    def append(self, leader: str, key: str, value: bytes = b"x") -> int:
        """The leader adds a record; returns its sequence."""
        shard = self[leader]
        assert shard.leads
        shard.log.append(shard.term, key, value)
        self._settle(leader)
        return shard.log.end.sequence

    def run(self, seconds: float) -> None:
        """Let time pass, and deliver what is sent."""
        until_us = self.now_us + int(seconds * SECOND_US)
        while self.now_us < until_us:
            self.now_us += _STEP_US
            for name, place in self.places.items():
                if place.shard is not None:
                    self._settle(name)
            self._deliver()

    def run_until(self, condition: Callable[[], bool], within_s: float = 60) -> None:
        """Let time pass until it is so."""
        until_us = self.now_us + int(within_s * SECOND_US)
        while not condition():
            assert self.now_us < until_us, "not within the time given"
            self.run(_STEP_US / SECOND_US)

    def leader(self) -> str:
        """Who leads, in the largest term."""
        leading = [
            place.shard for place in self.places.values() if place.shard is not None and place.shard.leads
        ]
        return max(leading, key=lambda shard: shard.term).seat.region if leading else ""

    def groups(self, names: Iterable[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """The group as each of these knows it."""
        return [(self[name].group.members, self[name].group.joining) for name in names]

    def _settle(self, name: str) -> None:
        out = Effects(writes=NO_WRITES)
        shard = self[name]
        shard.wind()
        if shard.due_us <= self.now_us:
            shard.on_deadline(self.now, out)
        if shard.heirs and name not in self.wanted and not self.places[name].living:
            shard.hand_back(self.now)
        self._leave(name, out)

    def _leave(self, name: str, out: Effects) -> None:
        """A step ends: the disk, then the wire."""
        self[name].flush(self.now, out)
        self.places[name].write()
        for send in out.sends:
            entry = (name, send.to, send.message)
            self.sent.append(entry)  # type: ignore[arg-type]
            self.wire.append(entry)  # type: ignore[arg-type]

    def _deliver(self) -> None:
        batch, self.wire = self.wire, []
        for sender, to, message in batch:
            if self.places[to].shard is None or self.lost(sender, to, message):
                continue
            out = Effects(writes=NO_WRITES)
            self[to].on_message(self.now, sender, message, out)
            self._leave(to, out)


def led(circle: Circle) -> bool:
    """Whether somebody leads."""
    return bool(circle.leader())


__all__ = ["FIRST", "SHARD", "TIMINGS", "Circle", "Role", "led"]
