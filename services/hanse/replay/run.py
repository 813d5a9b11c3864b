"""One replay, from its plan to its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from hanse.core.model.time import SECOND_US
from hanse.replay.busy import Busy
from hanse.replay.host import Host
from hanse.replay.league import League, Sizer
from hanse.replay.outcome import Outcome, outcome_of
from hanse.replay.plan import POOL, WARM_UP_US, Mode, Plan
from hanse.replay.shapes import Translator
from hanse.replay.story import Story

# Progress is told after so many turns at most.
_TOLD_EVERY = 2_000
# Around a fault regions probe and gossip as they do in reality; after this long all have noticed.
_STIRRED_US = 60 * SECOND_US

Told = Callable[[int, int], None]


def run(plan: Plan, told: Told | None = None, size: Sizer | None = None) -> Outcome:
    """Replay it. `told` hears, now and then, how many jobs of the window are over, and how many there are."""
    began_s = time.monotonic()
    replay = _Replay(plan, size)
    replay.run(told)
    return outcome_of(plan, replay.league, replay.window, time.monotonic() - began_s)


class _Replay:
    def __init__(self, plan: Plan, size: Sizer | None) -> None:
        self._plan = plan
        stories = [Story(job) for job in plan.trace.jobs]
        self.window = [story for story in stories if plan.from_us <= story.job.submit_us < plan.end_us]
        pools = plan.pools
        together = plan.mode is Mode.POOLED
        self.league = League(
            [self._host(config) for config in plan.configs()],
            stories,
            Translator(pools, together=together, oracle=plan.oracle),
            Busy(pools, plan.from_us + WARM_UP_US, plan.end_us + WARM_UP_US),
            (lambda job: POOL) if together else (lambda job: job.home),
            link_us=plan.link_us,
            gossip_us=plan.gossip_us,
            size=size,
        )
        for story in stories:
            self.league.submit(story, story.job.submit_us + WARM_UP_US)
        if not together:
            for fault in plan.faults:
                self._plan_fault(fault.region, fault.lost_us + WARM_UP_US, fault.back_us + WARM_UP_US)

    def _host(self, config) -> Host:  # type: ignore[no-untyped-def]
        mortal = any(fault.region == config.name for fault in self._plan.faults)
        return Host(config, self._plan.policy, str(self._plan.seed), mortal=mortal)

    def _plan_fault(self, region: str, lost_us: int, back_us: int) -> None:
        league = self.league
        for at_us, action in ((lost_us, league.lose), (back_us, league.restore)):
            league.plan_call(at_us, league.stir)
            league.plan_call(at_us, partial(action, region))
            league.plan_call(at_us + _STIRRED_US, league.rest)

    def run(self, told: Told | None) -> None:
        league = self.league
        league.begin()
        league.plan_call(WARM_UP_US // 2, league.rest)
        turns = 0
        left = _open(self.window)
        while league.agenda and left:
            league.turn()
            turns += 1
            if turns % _TOLD_EVERY == 0:
                left = _open(self.window)
                if told is not None:
                    told(len(self.window) - len(left), len(self.window))
        if told is not None:
            told(len(self.window), len(self.window))


def _open(stories: Iterable[Story]) -> list[Story]:
    return [story for story in stories if story.told_us < 0 and not story.refused]
