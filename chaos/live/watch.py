"""Probes during a campaign: what the tasks' records cannot tell.

P4: a region that returns has forgotten soon what others took over, and in the end every region tells the same of all
adoptable jobs. P6: jobs that wait are sampled, and each must say why. P7: in each region that is cut off, a job is
submitted, must run and end, and the region must answer for itself, before the cut is healed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.live.stage import Stage, wall_us
from hanse.client import AsyncClient, HanseError, RetryPolicy, WaitTimeoutError
from hanse.client.errors import UnreachableError
from hanse.client.messages import ExplainJobResponse, Job, JobFilter, JobState, is_final, state_name
from hanse.core.model.jobs import RunId
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.demo.plan import PlannedJob
from hanse.demo.workload import TENANT, Acknowledged, job_spec
from hanse.executors.local.names import parse_record_name
from hanse.executors.local.records import RECORDS

_SAMPLE_INTERVAL_S = 1.0
_SAMPLE_JOBS = 3
_ONE_TRY = RetryPolicy(call_timeout_s=3.0, retry_for_s=0.0)
_PROBE_RUN_S = 0.2
# Ahead of whatever is queued there.
_PROBE_PRIORITY = 1000
# Of the time that a region is cut off: what is left is for the way there and back.
_PROBE_SHARE = 0.9
_TELL_INTERVAL_S = 5.0
# A region that returns has so long, from when it serves, to end and forget what others took over.
RECONCILE_TIMEOUT_S = 10.0
# After all regions have met again.
_AGREE_TIMEOUT_S = 10.0
_AGREE_INTERVAL_S = 0.2


@dataclass(slots=True)
class Probes:
    """What was asked and what was wrong with the answers."""

    explained: int = 0
    unexplained: list[str] = field(default_factory=list)
    autonomous: int = 0
    not_autonomous: list[str] = field(default_factory=list)


def why_unexplained(answer: ExplainJobResponse) -> str:
    """What is missing in an explanation; empty if nothing is."""
    if answer.state != JobState.JOB_STATE_QUEUED:
        return ""
    if not answer.summary:
        return f"{answer.job_id} waits, and its explanation has no summary"
    blocked = any(region.blockers for region in answer.regions)
    if not blocked and not answer.position and not answer.HasField("predicted_start"):
        return f"{answer.job_id} waits, and nothing is said to be in its way: {answer.summary!r}"
    return ""


async def sample_explanations(stage: Stage, probes: Probes) -> None:
    """For ever: ask one region after another for some of its queued jobs, and why they wait."""
    for name in itertools.cycle(stage.campaign.regions):
        await asyncio.sleep(_SAMPLE_INTERVAL_S)
        try:
            async with stage.client(name, only=True, retry=_ONE_TRY) as client:
                waiting = JobFilter(tenant=TENANT, states=[JobState.JOB_STATE_QUEUED], homes=[name])
                ids = [job.id async for job in client.list(waiting, page_size=_SAMPLE_JOBS)]
                for job_id in ids[:_SAMPLE_JOBS]:
                    answer = await client.explain(job_id)
                    probes.explained += 1
                    if why := why_unexplained(answer):
                        probes.unexplained.append(why)
        except UnreachableError:
            continue  # it is down or frozen: a fault of ours, and nobody's to explain


async def probe_autonomy(stage: Stage, name: str, cut: str, for_s: float, probes: Probes) -> None:
    """Submit a job to a region that is cut off, and see it end there within the cut's time."""
    deadline_s = for_s * _PROBE_SHARE
    key = f"probe-{cut}-{name}-{time.monotonic_ns()}"
    planned = PlannedJob(
        key=key, trace_job=0, home=name, submit_s=0.0, run_s=_PROBE_RUN_S, tasks=1, stays=True
    )
    spec = job_spec(planned, stage.records)
    spec.priority = _PROBE_PRIORITY
    try:
        async with asyncio.timeout(deadline_s), stage.client(name, only=True) as client:
            sent_us = wall_us()
            submitted = await client.submit(spec, client_key=key, home=name)
            stage.book.acknowledged[key] = Acknowledged(planned, submitted.job_id, sent_us, wall_us())
            await client.status(name)
            await client.wait([submitted.job_id], timeout_s=deadline_s)
        probes.autonomous += 1
    except (TimeoutError, WaitTimeoutError, HanseError) as error:
        why = str(error) or f"nothing within {deadline_s:g} s"
        probes.not_autonomous.append(f"{name}, cut off, did not accept, run and answer: {why}")


async def stale_runs(stage: Stage, name: str) -> list[str]:
    """Of a region that has returned: runs of adoptable jobs that are not theirs any more, and are still kept there when
    the time for that is up."""
    adoptable = {each.job_id for each in stage.book.acknowledged.values() if each.planned.adopts}
    records = stage.region(name).data / TASKS_DIRECTORY / RECORDS
    deadline_s = time.monotonic() + RECONCILE_TIMEOUT_S
    while True:
        kept = [named[0] for path in records.iterdir() if (named := parse_record_name(path.name))]
        async with stage.client() as client:
            stale = [run for run in kept if run.job_id in adoptable and await _is_stale(client, run)]
        if not stale or time.monotonic() > deadline_s:
            return [f"{name} has returned, and still keeps {run}" for run in stale]
        await asyncio.sleep(_AGREE_INTERVAL_S)


async def _is_stale(client: AsyncClient, run: RunId) -> bool:
    job = await client.get(run.job_id)
    return is_final(job.state) or (job.epoch, job.attempt) != (run.epoch, run.attempt)


async def disagreements(stage: Stage, jobs: Mapping[str, Job]) -> list[str]:
    """Adoptable jobs that some region still calls unfinished, or finished otherwise, although all have met again."""
    adoptable = [each.job_id for each in stage.book.acknowledged.values() if each.planned.adopts]
    found: list[str] = []
    for name in stage.campaign.regions:
        async with stage.client(name, only=True) as client:
            told = await _told_alike(client, {job_id: jobs[job_id] for job_id in adoptable if job_id in jobs})
        found += [f"{name} says that {job_id} is {state}" for job_id, state in sorted(told.items())]
    return found


async def _told_alike(client: AsyncClient, expected: dict[str, Job]) -> dict[str, str]:
    """Ask again and again for those that are not told as expected; what remains when the time is up."""
    deadline_s = time.monotonic() + _AGREE_TIMEOUT_S
    differing = dict.fromkeys(expected, "")
    while differing and time.monotonic() < deadline_s:
        for job_id in list(differing):
            job = await client.get(job_id)
            differing[job_id] = state_name(job.state)
            if job.state == expected[job_id].state and is_final(job.state):
                del differing[job_id]
        await asyncio.sleep(_AGREE_INTERVAL_S)
    return differing


async def tell_books(stage: Stage) -> None:
    """For ever: the books so far, as a line."""
    while True:
        await asyncio.sleep(_TELL_INTERVAL_S)
        texts = [path.read_text(encoding="utf-8") for path in stage.records.iterdir()]
        begun = sum(text.count('"what":"begin"') for text in texts)
        ended = sum(text.count('"what":"end"') for text in texts)
        book = stage.book
        stage.say(
            f"  books: {len(book.acknowledged)}/{stage.campaign.jobs} jobs acknowledged, {begun} runs begun, "
            f"{ended} ended, {len(book.cancels_taken)} cancelled"
        )
