"""The jobs of a campaign: drawn from its seed, and submitted by callers like those of the demo."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from chaos.live.campaign import Campaign, Wave
from chaos.live.stage import Stage
from hanse.client import AsyncClient
from hanse.demo.plan import FAILURE_EXIT_CODE, PlannedJob
from hanse.demo.workload import Acknowledged, cancel_later, submit_all

# When a cancelled job's cancel comes: from before it starts to when it may have ended.
_CANCEL_S = (0.1, 2.0)


def plan(campaign: Campaign) -> list[list[PlannedJob]]:
    """The jobs of each wave, in the order of submission. `submit_s` counts from the wave's begin."""
    randomness = random.Random(campaign.about.seed)
    return [
        _plan_wave(number, wave, campaign.regions, randomness)
        for number, wave in enumerate(campaign.workload)
    ]


def _plan_wave(
    number: int, wave: Wave, regions: Sequence[str], randomness: random.Random
) -> list[PlannedJob]:
    indices = range(wave.jobs)
    ending = randomness.sample(indices, round((wave.fail_share + wave.cancel_share) * wave.jobs))
    failing = round(wave.fail_share * wave.jobs)
    failed, cancelled = set(ending[:failing]), set(ending[failing:])
    gangs = set(randomness.sample(indices, round(wave.gang_share * wave.jobs)))
    staying = set(randomness.sample(indices, round(wave.stay_share * wave.jobs)))
    adopted = set(randomness.sample(indices, round(wave.adopt_share * wave.jobs)))
    weights = [wave.homes.get(region, 0) if wave.homes else 1 for region in regions]
    homes = randomness.choices(regions, weights, k=wave.jobs)
    return [
        PlannedJob(
            key=f"wave-{number}-{index}",
            trace_job=index,
            home=homes[index],
            submit_s=wave.over_s * index / wave.jobs,
            run_s=round(randomness.uniform(*wave.run_s), 2),
            tasks=wave.gang_tasks if index in gangs else 1,
            exit_code=FAILURE_EXIT_CODE if index in failed else 0,
            cancel_s=randomness.uniform(*_CANCEL_S) if index in cancelled else None,
            stays=index in staying,
            adopts=index in adopted,
        )
        for index in indices
    ]


async def submit_waves(stage: Stage, begin_s: float) -> None:
    """Submit every wave when it is due after `begin_s` of the monotonic clock; returns when all is acknowledged."""
    async with stage.client() as canceller, asyncio.TaskGroup() as group:
        for wave, jobs in zip(stage.campaign.workload, plan(stage.campaign), strict=True):
            group.create_task(_submit_wave(stage, wave, jobs, begin_s, canceller, group))


async def _submit_wave(
    stage: Stage,
    wave: Wave,
    jobs: Sequence[PlannedJob],
    begin_s: float,
    canceller: AsyncClient,
    group: asyncio.TaskGroup,
) -> None:
    await asyncio.sleep(max(0.0, begin_s + wave.from_s - time.monotonic()))
    async with stage.quiet:
        stage.say(f"{len(jobs)} jobs are submitted over {wave.over_s:g} s")
    begun_s = time.monotonic()

    def on_acknowledged(taken: Sequence[Acknowledged]) -> None:
        for each in taken:
            if each.planned.cancel_s is not None:
                group.create_task(cancel_later(canceller, each, stage.book))

    async def submit(home: str) -> None:
        at_home = [job for job in jobs if job.home == home]
        async with stage.client(home) as client:
            await submit_all(client, home, at_home, stage.records, begun_s, stage.book, on_acknowledged)

    async with asyncio.TaskGroup() as homes:
        for home in stage.campaign.regions:
            homes.create_task(submit(home))
