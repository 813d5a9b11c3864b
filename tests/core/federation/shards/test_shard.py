"""Three members of one shard, a network between them, and a clock that jumps from deadline to deadline."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from hanse.core.effects import Effects, Send
from hanse.core.federation.shards.lease import member_wait_us
from hanse.core.federation.shards.shard import Shard
from hanse.core.model.regions import Group, Member, RegionConfig, Timings
from hanse.core.model.time import SECOND_US, Now

NAMES = ("north", "east", "west")
TIMINGS = Timings()
GROUP = Group(shard="north", members=NAMES)
# A record of a job that has not ended: as long as there is one, a leader is missed.
OPEN_JOB = "j/north-1"


class Members:
    """Delivers every message at once, unless one of its ends is cut off. `led`: who led each term from when on.

    `rates` are those of the members' clocks, of which `timings` has to know how far they differ.
    """

    def __init__(self, timings: Timings = TIMINGS, rates: dict[str, float] | None = None) -> None:
        self._timings = timings
        self._rates = rates or {}
        self.now = Now(mono_us=100 * SECOND_US, wall_us=0)
        self.cut: set[str] = set()
        self.led: dict[int, tuple[str, int]] = {}
        self.shards = {name: self._shard(name, number) for number, name in enumerate(NAMES)}

    def _shard(self, name: str, number: int) -> Shard:
        config = RegionConfig(
            name=name,
            cluster_id="test",
            members=tuple(Member(name=each) for each in NAMES),
            nodes=(),
            timings=self._timings,
            groups=(GROUP,),
        )
        now = self.clock(name)
        return Shard(config, GROUP, None, [], number + 1, lambda: False, random.Random(number), now)

    def clock(self, name: str) -> Now:
        """What this member's clock says."""
        return Now(mono_us=int(self.now.mono_us * self._rates.get(name, 1.0)), wall_us=0)

    def _world_us(self, name: str, mono_us: int) -> int:
        return math.ceil(mono_us / self._rates.get(name, 1.0))

    @property
    def leader(self) -> Shard:
        """The one that leads in the largest term."""
        leading = [shard for shard in self.shards.values() if shard.leads]
        return max(leading, key=lambda shard: shard.term)

    def run_until_led(self, *names: str) -> None:
        """Let time pass until one of these leads, half a minute at most."""
        deadline_us = self.now.mono_us + 30 * SECOND_US
        while not any(self.shards[name].leads and self.leader is self.shards[name] for name in names):
            assert self.now.mono_us < deadline_us, "nobody leads"
            self.step()

    def run_for(self, us: int) -> None:
        """Let so much time pass."""
        end_us = self.now.mono_us + us
        while self.now.mono_us < end_us:
            self.step(end_us)

    def step(self, until_us: int = 1 << 62) -> None:
        """To the next deadline, and everything that follows from it."""
        for shard in self.shards.values():
            shard.wind()
        shards = [(name, shard) for name, shard in self.shards.items() if name not in self.cut]
        due = [self._world_us(name, shard.due_us) for name, shard in shards]
        at_us = min(max(self.now.mono_us + 1, min(due)), until_us)
        self.now = Now(mono_us=at_us, wall_us=0)
        for name in NAMES:
            if name not in self.cut:
                self._let(name, lambda shard, now, out: shard.on_deadline(now, out))

    def write(self) -> None:
        """The leader adds a job that does not end."""
        leader = self.leader
        leader.log.append(leader.term, OPEN_JOB, b"job")
        (name,) = (name for name, shard in self.shards.items() if shard is leader)
        self._let(name, lambda shard, now, out: None)

    def _let(self, name: str, act: Callable[[Shard, Now, Effects], None]) -> None:
        out = Effects()
        act(self.shards[name], self.clock(name), out)
        self._finish(name, out)

    def _finish(self, name: str, out: Effects) -> None:
        shard = self.shards[name]
        shard.flush(self.clock(name), out)
        shard.collect()
        if shard.leads:
            self.led.setdefault(shard.term, (name, self.now.mono_us))
        for send in out.sends:
            self._deliver(name, send)

    def _deliver(self, sender: str, send: Send) -> None:
        if sender in self.cut or send.to in self.cut:
            return
        out = Effects()
        self.shards[send.to].on_message(self.clock(send.to), sender, send.message, out)  # type: ignore[arg-type]
        self._finish(send.to, out)


def members_with_a_job() -> Members:
    members = Members()
    members.run_until_led("north")
    members.write()
    return members


def test_the_home_founds_its_shard_and_leads_it_as_long_as_it_is_there() -> None:
    members = members_with_a_job()
    members.run_for(20 * SECOND_US)
    assert list(members.led) == [1]
    assert all(OPEN_JOB in shard.log for shard in members.shards.values())


def test_nobody_leads_on_before_every_grant_has_run_out() -> None:
    members = members_with_a_job()
    members.run_for(SECOND_US)
    lost_us = members.now.mono_us
    members.cut.add("north")
    members.run_until_led("east", "west")
    term, (_, led_us) = max(members.led.items())
    assert term > 1
    # The last renewal may be as old as the pause between two.
    assert led_us - lost_us > member_wait_us(TIMINGS) - TIMINGS.lease_us // 10
    assert led_us - lost_us < 12 * SECOND_US
    assert OPEN_JOB in members.leader.log


def test_a_cut_of_three_quarters_of_a_lease_changes_nothing() -> None:
    members = members_with_a_job()
    members.run_for(SECOND_US)
    members.cut.add("north")
    members.run_for(TIMINGS.lease_us * 3 // 4)
    members.cut.clear()
    members.run_for(15 * SECOND_US)
    assert list(members.led) == [1]


def test_a_region_that_gives_a_shard_back_follows_its_home_at_once() -> None:
    members = members_with_a_job()
    members.cut.add("north")
    members.run_until_led("east", "west")
    heir = members.leader
    (heir_name,) = (name for name, shard in members.shards.items() if shard is heir)
    (third,) = set(NAMES) - {"north", heir_name}
    members.cut.clear()
    members.run_for(SECOND_US)
    assert heir.heirs == ("north",)
    heir.hand_back(members.now)
    # Only the heir is left to follow.
    members.cut.add(third)
    given_us = members.now.mono_us
    members.run_until_led("north")
    assert heir.term == members.shards["north"].term
    assert members.now.mono_us - given_us < member_wait_us(TIMINGS) + 4 * TIMINGS.election_spread_us


def test_a_home_with_the_slowest_clock_gets_its_shard_back() -> None:
    """ "uneven clocks" seed 10: each guardian in turn had waited before it, and the shard never came home."""
    members = Members(Timings(drift_ppm=200_000), {"north": 0.8, "east": 1.2, "west": 1.2})
    members.run_until_led("north")
    members.write()
    members.cut.add("north")
    members.run_until_led("east", "west")
    guardian = members.leader
    (name,) = (name for name, shard in members.shards.items() if shard is guardian)
    members.cut.clear()
    members.run_for(SECOND_US)
    assert guardian.heirs == ("north",)
    guardian.hand_back(members.clock(name))
    members.run_until_led(*NAMES)
    assert members.leader is members.shards["north"]
