"""Recent history under a policy: the real core, virtual time, and jobs that run for as long as they did.

What it replays is what the ledger holds: jobs that ran here to an end, that run, or that wait. Waits under another
policy are compared with waits of the same replay under the policy in force, never with what was measured, so that what
the replay does not know (below) is on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.model.jobs import Job, Shape, Submission
from hanse.core.model.lifecycle import ALLOCATED_STATES, TERMINAL_STATES, JobState
from hanse.core.model.regions import Member, RegionConfig
from hanse.core.policy.model import Policy
from hanse.core.replies import Refused
from hanse.policies.comparison import Compared, Outcome, Plan, moves, refusals, tenant_plans, worst
from hanse.policies.rules import Facts, Rulebook
from hanse.policies.virtual import VirtualJob, VirtualRegion

# A replay ends when so much virtual time has passed since the last submission: what has not started by then is stuck.
_TAIL_US = 7 * 86_400 * 1_000_000
_SECOND_US = 1_000_000


class PastJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job of the ledger. `asked`: its shape as its spec has it, before any rule; None: its home ruled it, or its spec
    cannot be read. `run_us` None: it has not ended."""

    job: Job
    facts: Facts
    asked: Shape | None
    run_us: int | None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed, and what of the ledger is left out: so many jobs ran in other regions, so many were cancelled
    before they started."""

    jobs: tuple[PastJob, ...]
    elsewhere: int
    cancelled: int
    now_wall_us: int


def history_of(
    jobs: Sequence[Job], facts: dict[str, tuple[Facts, Shape | None]], region: str, now_us: int
) -> History:
    """Of jobs as the ledger has them, the part that can be replayed."""
    found: list[PastJob] = []
    elsewhere = cancelled = 0
    for job in jobs:
        if job.state in (JobState.MOVED, JobState.XFER) or (
            job.remote is not None and job.remote.region != region
        ):
            elsewhere += 1
            continue
        if job.state in TERMINAL_STATES and not job.started_wall_us:
            cancelled += 1
            continue
        run_us = None
        if job.state in TERMINAL_STATES:
            run_us = max(1, job.ended_wall_us - job.started_wall_us)
        about, asked = facts[job.id]
        if job.home != region or job.state is JobState.QUEUED:
            # Its home's rules decided, or the rules of the day on which it was submitted: those don't change for it.
            asked = None
        found.append(PastJob(job=job, facts=about, asked=asked, run_us=run_us))
    return History(jobs=tuple(found), elsewhere=elsewhere, cancelled=cancelled, now_wall_us=now_us)


def compared(
    config: RegionConfig, history: History, before: tuple[Policy, Rulebook], after: tuple[Policy, Rulebook]
) -> Plan:
    """The history under both policies."""
    run_us = _run_times(history)
    first, preempted_before = _replayed(config, history, run_us, *before)
    second, preempted_after = _replayed(config, history, run_us, *after)
    jobs = [
        Compared(
            job_id=past.job.id,
            tenant=past.job.tenant,
            name=past.job.name,
            before=first[past.job.id],
            after=second[past.job.id],
        )
        for past in history.jobs
    ]
    measured = [
        past.job.started_wall_us - past.job.submitted_wall_us
        for past in history.jobs
        if past.job.started_wall_us
    ]
    waited = [job.before.wait_us for job in jobs if job.before.wait_us is not None]
    return Plan(
        from_wall_us=min((past.job.submitted_wall_us for past in history.jobs), default=0),
        to_wall_us=max((past.job.submitted_wall_us for past in history.jobs), default=0),
        jobs=len(jobs),
        measured_wait_us=sum(measured) // max(1, len(measured)),
        replayed_wait_us=sum(waited) // max(1, len(waited)),
        tenants=tenant_plans(jobs),
        moves=moves(jobs),
        refusals=refusals(jobs),
        worst=worst(jobs),
        preemptions_before=preempted_before,
        preemptions_after=preempted_after,
        caveats=_caveats(history),
    )


def _replayed(
    config: RegionConfig, history: History, run_us: dict[str, int], policy: Policy, rules: Rulebook
) -> tuple[dict[str, Outcome], int]:
    """What becomes of each job, and how many attempts were stopped for others."""
    alone = msgspec.structs.replace(
        config,
        members=(Member(name=config.name),),
        groups=(),
        groups_wanted=(),
        keepers=(),
        begins=(),
        former=(),
        roster=(),
        queue_depth_max=max(config.queue_depth_max, len(history.jobs) + 1),
        tiers=policy.tier_names,
    )
    region = VirtualRegion(alone.nodes, policy, config=alone)
    begin_us = min((past.job.submitted_wall_us for past in history.jobs), default=0)
    ruled = {past.job.id: _ruled(past, rules) for past in history.jobs}
    taken: list[VirtualJob] = []
    for past in history.jobs:
        shape = ruled[past.job.id]
        if isinstance(shape, Shape):
            taken.append(_virtual(past, shape, begin_us, run_us[past.job.id]))
    region.add(taken)
    region.run(until_us=max((job.at_us for job in taken), default=0) + _TAIL_US)
    refused = dict(region.refused)
    started = {start.job_id: start.at_us for start in reversed(region.starts)}
    at_us = {job.id: job.at_us for job in taken}
    outcomes: dict[str, Outcome] = {}
    for past in history.jobs:
        shape = ruled[past.job.id]
        answer = shape if isinstance(shape, Refused) else refused.get(past.job.id)
        if answer is not None or isinstance(shape, Refused):
            outcomes[past.job.id] = Outcome(refused=answer)
            continue
        start_us = started.get(past.job.id)
        outcomes[past.job.id] = Outcome(
            tier=shape.body.tier,
            queue=region.queue_name(past.job.tenant, shape),
            wait_us=None if start_us is None else start_us - at_us[past.job.id],
        )
    return outcomes, len(region.starts) - len(started)


def _ruled(past: PastJob, rules: Rulebook) -> Shape | Refused:
    """The job's shape under these rules."""
    if past.asked is None or not rules.rules:
        return past.asked or past.job.shape
    job = past.job
    submission = Submission(
        job_id=job.id,
        client_key=job.client_key,
        tenant=job.tenant,
        name=job.name,
        spec=b"",
        spec_sha256=b"",
        shape=past.asked,
        grace_us=job.grace_us,
        retries_max=job.retries_max,
    )
    result = rules.rule(submission, past.facts, job.submitted_wall_us)
    return result if isinstance(result, Refused) else result.shape


def _virtual(past: PastJob, shape: Shape, begin_us: int, run_us: int) -> VirtualJob:
    job = past.job
    return VirtualJob(
        id=job.id,
        shape=shape,
        at_us=job.submitted_wall_us - begin_us,
        run_us=run_us,
        tenant=job.tenant,
        name=job.name,
        grace_us=0,
    )


def _run_times(history: History) -> dict[str, int]:
    """How long each job runs: as it did; else as its user says; else as its tenant's jobs, or all jobs, did."""
    ended = [(past.job.tenant, past.run_us) for past in history.jobs if past.run_us is not None]
    by_tenant: dict[str, list[int]] = {}
    for tenant, run_us in ended:
        by_tenant.setdefault(tenant, []).append(run_us)
    every = [run_us for _, run_us in ended] or [60 * _SECOND_US]
    found: dict[str, int] = {}
    for past in history.jobs:
        if past.run_us is not None:
            found[past.job.id] = past.run_us
            continue
        usual = by_tenant.get(past.job.tenant) or every
        assumed = past.job.shape.body.runtime_estimate_us or sum(usual) // len(usual)
        sofar = history.now_wall_us - past.job.started_wall_us if past.job.state in ALLOCATED_STATES else 0
        found[past.job.id] = max(1, assumed, sofar)
    return found


def _caveats(history: History) -> tuple[str, ...]:
    """What the replay cannot know, for this history."""
    waiting = sum(1 for past in history.jobs if past.job.state is JobState.QUEUED)
    running = sum(1 for past in history.jobs if past.run_us is None) - waiting
    retried = sum(1 for past in history.jobs if past.job.attempt > 1)
    said = [
        "It begins with an empty region: what ran before the first of these jobs is not there, so the first waits are "
        "too short on both sides.",
        "People would ask for other things under other rules; here they ask for the same.",
        "Jobs that were refused, or that retention has deleted, left nothing behind to replay.",
    ]
    if history.elsewhere:
        said.append(
            f"Left out, because they ran in other regions: {_jobs(history.elsewhere)}. Here none is handed on."
        )
    if history.cancelled:
        said.append(f"Left out, because they were cancelled before they started: {_jobs(history.cancelled)}.")
    if waiting or running:
        said.append(
            f"Not ended yet: {waiting:,} waiting, {running:,} running. How long they will run is taken from their "
            "estimates, or from what their tenant's jobs took."
        )
    if waiting:
        said.append(
            "Jobs that wait now keep the tier and queue that they were given when they were submitted."
        )
    if retried:
        said.append(
            f"Started more than once: {_jobs(retried)}. Each runs once here, for as long as its last attempt."
        )
    return tuple(said)


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"
