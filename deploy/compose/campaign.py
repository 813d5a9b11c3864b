"""What happens to the three regions: jobs from outside, a container killed in the middle of its work, a partition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.compose.books import Death
from deploy.compose.docker import Say
from deploy.compose.league import RECORDS, REGIONS, League
from hanse.client import AsyncClient, WaitTimeoutError
from hanse.client.messages import Job, JobFilter, JobState, RetryPolicy, state_name
from hanse.demo.audit import JobFact
from hanse.demo.plan import PlannedJob, make_plan
from hanse.demo.trace import load_trace
from hanse.demo.workload import TENANT, Acknowledged, CallerBook, job_spec

# The third region only watches: nothing happens to it, so that it can be asked at any time.
KILLED, CUT_OFF, WITNESS = "north", "east", "west"
# Shares of the time in which jobs are submitted.
_KILL_FROM = 0.25
_CUT_FROM = 0.55
_DOWN_S = 3.0
_CUT_S = 20.0
# A kill proves something if it hits work: so many tasks shall run, and this long it is waited for that.
_RUNNING_MIN = 4
_MOMENT_TIMEOUT_S = 30.0
_LOOK_INTERVAL_S = 0.1
_PROGRESS_INTERVAL_S = 10.0
# A task that dies with its container costs its job an attempt; two faults may hit the same job.
_RETRIES_MAX = 3
# After the last submission. The queues drain in seconds on an idle machine.
_DRAIN_TIMEOUT_S = 240.0


@dataclass(slots=True, kw_only=True)
class Campaign:
    """What was done and what came of it."""

    plan: Sequence[PlannedJob]
    book: CallerBook = field(default_factory=CallerBook)
    deaths: list[Death] = field(default_factory=list)
    down_s: list[float] = field(default_factory=list)
    cut_s: list[float] = field(default_factory=list)
    healed_s: list[float] = field(default_factory=list)
    jobs: Mapping[str, Job] = field(default_factory=dict)

    @property
    def facts(self) -> list[JobFact]:
        """The acknowledged jobs and what became of them."""
        return [_fact(each, self.jobs.get(each.job_id)) for each in self.book.acknowledged.values()]


def plan(jobs: int, seed: int) -> list[PlannedJob]:
    """Jobs of the demo's trace; none is cancelled, as a cancelled job proves little about faults."""
    return [replace(job, cancel_s=None) for job in make_plan(load_trace(), REGIONS, jobs, seed)]


async def run(league: League, planned: Sequence[PlannedJob], say: Say) -> Campaign:
    """Submissions and faults at once; then wait until every job has ended."""
    campaign = Campaign(plan=planned)
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell_progress(league, len(planned), say))
        async with asyncio.TaskGroup() as acts:
            for home in REGIONS:
                acts.create_task(_submit(league, home, campaign))
            acts.create_task(_faults(league, campaign, say))
        say(f"{len(campaign.book.acknowledged)} jobs acknowledged; the queues drain")
        await _wait_for_ends(league, campaign)
        telling.cancel()
    return campaign


async def _submit(league: League, home: str, campaign: Campaign) -> None:
    """Each job of a home when it is due. While the home is down the client tries on with the same keys."""
    begin_s = time.monotonic()
    async with league.client(home) as client:
        for job in (job for job in campaign.plan if job.home == home):
            await asyncio.sleep(max(0.0, begin_s + job.submit_s - time.monotonic()))
            sent_us = time.time_ns() // 1000
            spec = job_spec(job, RECORDS)
            spec.retry.CopyFrom(RetryPolicy(retries_max=_RETRIES_MAX))
            (outcome,) = await client.submit_many([spec], client_keys=[job.key], home=home)
            if outcome.error is None:
                now_us = time.time_ns() // 1000
                campaign.book.acknowledged[job.key] = Acknowledged(job, outcome.job_id, sent_us, now_us)
            else:
                campaign.book.refused[job.key] = outcome.error.message


async def _faults(league: League, campaign: Campaign, say: Say) -> None:
    begin_s, span_s = time.monotonic(), campaign.plan[-1].submit_s
    await asyncio.sleep(_KILL_FROM * span_s)
    await _kill_and_restart(league, campaign, say)
    await asyncio.sleep(max(0.0, begin_s + _CUT_FROM * span_s - time.monotonic()))
    await _cut_off(league, campaign, say)


async def _kill_and_restart(league: League, campaign: Campaign, say: Say) -> None:
    async with league.client(KILLED) as client:
        running = await _moment(client)
    begun_s = time.monotonic()
    died_us = await league.kill(KILLED)
    campaign.deaths.append(Death(region=KILLED, died_us=died_us, unended=await league.unended(KILLED)))
    say(f"docker kill {KILLED}: {running} running jobs had tasks in it, and they died with it")
    await asyncio.sleep(_DOWN_S)
    await league.start(KILLED)
    await league.wait_until_all_know_all()
    campaign.down_s.append(time.monotonic() - begun_s)
    say(
        f"docker start {KILLED}: it serves from its volume; all see it again after {campaign.down_s[-1]:.1f} s"
    )


async def _cut_off(league: League, campaign: Campaign, say: Say) -> None:
    begun_s = time.monotonic()
    await league.disconnect(CUT_OFF)
    say(f"docker network disconnect {CUT_OFF}: {{{CUT_OFF}}} | {{the others}} for {_CUT_S:.0f} s")
    await asyncio.sleep(_CUT_S)
    await league.connect(CUT_OFF)
    campaign.cut_s.append(time.monotonic() - begun_s)
    campaign.healed_s.append(await league.wait_until_all_know_all())
    say(f"docker network connect {CUT_OFF}: all see each other again after {campaign.healed_s[-1]:.1f} s")


async def _moment(client: AsyncClient) -> int:
    """Wait until enough jobs run in the region that is to be killed; how many."""
    deadline_s = time.monotonic() + _MOMENT_TIMEOUT_S
    running = JobFilter(tenant=TENANT, states=[JobState.JOB_STATE_RUNNING])
    while True:
        count = len([job async for job in client.list(running) if job.region == KILLED])
        if count >= _RUNNING_MIN or time.monotonic() > deadline_s:
            return count
        await asyncio.sleep(_LOOK_INTERVAL_S)


async def _tell_progress(league: League, total: int, say: Say) -> None:
    async with league.client(WITNESS) as client:
        while True:
            await asyncio.sleep(_PROGRESS_INTERVAL_S)
            parts, silent = await _progress(client)
            absent = f"; no answer from {', '.join(silent)}" if silent else ""
            say(f"  of {total} jobs: {parts}{absent}")


async def _progress(client: AsyncClient) -> tuple[str, list[str]]:
    counts: dict[str, int] = {}
    silent: list[str] = []
    async for page in client.list_pages(JobFilter(tenant=TENANT)):
        silent = list(page.unreachable)
        for job in page.jobs:
            name = state_name(job.state)
            counts[name] = counts.get(name, 0) + 1
    return ", ".join(
        f"{count} {name.lower()}" for name, count in sorted(counts.items())
    ) or "none yet", silent


async def _wait_for_ends(league: League, campaign: Campaign) -> None:
    """The outcomes as the homes tell them; jobs that have not ended in time are told as they are."""
    ids = [each.job_id for each in campaign.book.acknowledged.values()]
    async with league.client() as client:
        try:
            campaign.jobs = await client.wait(ids, timeout_s=_DRAIN_TIMEOUT_S)
        except WaitTimeoutError:
            campaign.jobs = {job.id: job async for job in client.list(JobFilter(tenant=TENANT))}


def _fact(acknowledged: Acknowledged, job: Job | None) -> JobFact:
    planned = acknowledged.planned
    return JobFact(
        job_id=acknowledged.job_id,
        home=planned.home,
        tasks=planned.tasks,
        expected_exit_code=planned.exit_code,
        state=state_name(job.state) if job else "",
        region=job.region if job else "",
        epoch=job.epoch if job else 0,
        attempt=job.attempt if job else 0,
    )
