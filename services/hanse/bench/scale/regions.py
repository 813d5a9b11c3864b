"""A league of n regions under virtual time, message by message: all start, gossip, and hand jobs over.

Nothing is written to a disk; what is measured is the core of all regions, and the little that carries their messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hanse.bench.scale.axes import Work
from hanse.core.model.regions import Group, Member, RegionConfig, Topology
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import DEFAULT_POLICY
from hanse.replay.busy import Busy
from hanse.replay.host import Host
from hanse.replay.league import League
from hanse.replay.plan import LINK_US_DEFAULT
from hanse.replay.shapes import REGION_LABEL, Translator, nodes_of
from hanse.replay.story import Story
from hanse.replay.trace import NodePool, TracedJob

_CPU = 1_000
# Jobs that a region has room for, and as many come on top to each that is full.
_SLOTS = 48
# One region in three is full.
_FULL_EVERY = 3
_GROUP_SIZE = 3
_SEED = "1"
# All start within so long; what is new about that has been told by then.
_STARTED_US = 15 * SECOND_US
_SETTLED_US = 30 * SECOND_US
_GOSSIP_US = 10 * SECOND_US
_MINUTE_US = 60 * SECOND_US
_NEWS_US = SECOND_US
# Long after every job has found its place.
_PLACED_US = 120 * SECOND_US
_RUN_US = 3_600 * SECOND_US


def measure(n: int) -> Iterator[Work]:
    """Work by work, in an order in which each finds what it needs."""
    names = [f"r{number:03}" for number in range(n)]
    full = names[::_FULL_EVERY]
    occupants = _stories(full, "occupant")
    guests = _stories(full, "guest")
    league = _league(names, [*occupants, *guests])
    league.begin()
    started = _until_s(league, _STARTED_US)
    apart = [host.name for host in league.hosts.values() if host.core and not host.core.sessions.complete]
    assert not apart, f"{len(apart)} of {n} regions have not met all others after {_STARTED_US} us"
    yield Work("start", "a region starts and meets the n others", started / n)
    _until_s(league, _SETTLED_US)
    gossip = _until_s(league, _SETTLED_US + _GOSSIP_US)
    yield Work("gossip", "a region gossips for a minute", gossip / n * _MINUTE_US / _GOSSIP_US)
    league.plan_call(league.agenda.now_us, league.rest)
    _hand_in(league, occupants)
    _run_until(league, lambda: all(story.started_us >= 0 for story in occupants))
    _hand_in(league, guests)
    moved = _run_until(league, lambda: league.counts.handoffs >= len(guests))
    yield Work("handoff", "a job of a region that is full comes and is handed over", moved / len(guests))


def _league(names: list[str], stories: list[Story]) -> League:
    pools = tuple(
        NodePool(region=name, node_class="cpu", count=1, capacity=(("cpu", _SLOTS * _CPU),)) for name in names
    )
    members = tuple(Member(name=name) for name in names)
    groups = tuple(Group(shard=name, members=_guardians(names, at)) for at, name in enumerate(names))
    hosts = [
        Host(
            RegionConfig(
                name=name,
                cluster_id="bench",
                members=members,
                nodes=nodes_of((pool,)),
                topology=Topology(levels=(REGION_LABEL,)),
                groups=groups,
            ),
            DEFAULT_POLICY,
            _SEED,
            mortal=False,
        )
        for name, pool in zip(names, pools, strict=True)
    ]
    return League(
        hosts,
        stories,
        Translator(pools),
        Busy(pools, 0, _PLACED_US),
        lambda job: job.home,
        link_us=LINK_US_DEFAULT,
        gossip_us=_NEWS_US,
    )


def _guardians(names: list[str], at: int) -> tuple[str, ...]:
    return tuple(names[(at + step) % len(names)] for step in range(_GROUP_SIZE))


def _stories(homes: list[str], what: str) -> list[Story]:
    return [
        Story(
            TracedJob(
                id=f"{what}-{home}-{number}",
                home=home,
                tenant="bench",
                name=what,
                submit_us=0,
                duration_us=_RUN_US,
                tasks=1,
                wants=(("cpu", _CPU),),
                tier="standard",
            )
        )
        for home in homes
        for number in range(_SLOTS)
    ]


def _hand_in(league: League, stories: list[Story]) -> None:
    """Callers hand these in now."""
    for story in stories:
        league.submit(story, league.agenda.now_us)


def _until_s(league: League, at_us: int) -> float:
    """CPU seconds until it is so late."""
    return _run_until(league, lambda: league.agenda.now_us >= at_us)


def _run_until(league: League, is_over: Callable[[], bool]) -> float:
    end_us = league.agenda.now_us + _PLACED_US
    begun_s = time.process_time()
    while not is_over():
        league.turn()
        assert league.agenda.now_us < end_us, "the league does not come to an end"
    return time.process_time() - begun_s
