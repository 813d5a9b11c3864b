"""One replay, from its plan to its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import SECOND_US
from hanse.replay.busy import Busy
from hanse.replay.collector import spared
from hanse.replay.faults import Fault
from hanse.replay.host import Host
from hanse.replay.league import League, Sizer
from hanse.replay.outcome import Result, curves_of, outcome_of, tenants_of
from hanse.replay.plan import POOL, WARM_UP_US, Mode, Plan
from hanse.replay.shapes import Translator
from hanse.replay.story import Story

# Progress is told after so many turns.
_TOLD_EVERY = 2_000
# Regions find each other, and hear of each other's capacity, within seconds.
_ACQUAINTED_US = 20 * SECOND_US
# Around a fault regions probe and gossip as they do in reality; after this long all have noticed.
_STIRRED_US = 60 * SECOND_US

Told = Callable[[int, int], None]


def run(plan: Plan, told: Told | None = None, size: Sizer | None = None) -> Result:
    """Replay it. `told` hears, now and then, how many jobs of the window are over, and how many there are."""
    began_s = time.monotonic()
    league, window = build(plan, size)
    turns = 0
    with spared():
        while league.agenda and league.awaited:
            league.turn()
            turns += 1
            if told is not None and turns % _TOLD_EVERY == 0:
                told(len(window) - league.awaited, len(window))
    league.close()
    outcome = outcome_of(
        window, league.counts, league.busy, WARM_UP_US, time.monotonic() - began_s, league.digest.hexdigest()
    )
    return Result(
        name=plan.name or plan.mode.value,
        outcome=outcome,
        tenants=tenants_of(window, plan.policy, WARM_UP_US),
        regions={region: league.busy.share(region) for region in league.busy.total},
        curves=curves_of(window, league.busy, league.flows.jobs, WARM_UP_US),
    )


def build(plan: Plan, size: Sizer | None = None) -> tuple[League, list[Story]]:
    """The league with all that is to happen, and the jobs of the window."""
    stories = [Story(job) for job in plan.trace.jobs]
    window = [story for story in stories if plan.from_us <= story.job.submit_us < plan.end_us]
    for story in window:
        story.is_awaited = True
    pools = plan.pools
    is_pooled = plan.mode is Mode.POOLED
    league = League(
        [_host(plan, config) for config in plan.configs()],
        stories,
        Translator(pools, together=is_pooled, oracle=plan.oracle),
        Busy(pools, plan.from_us + WARM_UP_US, plan.end_us + WARM_UP_US),
        (lambda job: POOL) if is_pooled else (lambda job: job.home),
        link_us=plan.link_us,
        gossip_us=plan.gossip_us,
        size=size,
    )
    league.begin()
    if not plan.full_gossip:
        league.plan_call(_ACQUAINTED_US, league.rest)
    for story in stories:
        league.submit(story, story.job.submit_us + WARM_UP_US)
    for fault in () if is_pooled else plan.faults:
        _plan_fault(league, fault, is_awake=plan.full_gossip)
    return league, window


def _host(plan: Plan, config: RegionConfig) -> Host:
    is_mortal = any(fault.region == config.name for fault in plan.faults)
    return Host(config, plan.policy, str(plan.seed), mortal=is_mortal)


def _plan_fault(league: League, fault: Fault, *, is_awake: bool) -> None:
    lost_us, region = fault.lost_us + WARM_UP_US, fault.region
    changes = [(lost_us, partial(league.lose, region, for_ever=fault.back_us is None))]
    if fault.back_us is not None:
        changes.append((fault.back_us + WARM_UP_US, partial(league.restore, region)))
    for at_us, change in changes:
        if not is_awake:
            league.plan_call(at_us, league.stir)
            league.plan_call(at_us + _STIRRED_US, league.rest)
        league.plan_call(at_us, change)
