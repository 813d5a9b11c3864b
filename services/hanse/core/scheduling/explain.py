"""Why a job that is queued here does not run, or would not if it were queued now.

The blockers hold together: if everything that they name were out of the way (the jobs ahead, the jobs on the named
nodes, what is short of a quota, what others are kept room for), the job would start in the next cycle. The hints stand
alone: each one would do. No blockers: it is about to start.
"""

from __future__ import annotations

import msgspec

from hanse.core.model.jobs import Job
from hanse.core.model.limits import PRIORITY_MAX
from hanse.core.model.time import DAY_US, SECOND_US, Now
from hanse.core.replies import Blocker, RegionExplanation
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.grounds import grounds, quota_left, reserved
from hanse.core.scheduling.hints import unblock_hints
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.shortfall import never_blocker
from hanse.core.scheduling.wait import WaitPredictor
from hanse.core.scheduling.whatif import Outcome, Prospect, in_tier, of_priority, prospect, starts_as

PRIORITY = "PRIORITY"
# Jobs ahead that are named; the rest is a number.
AHEAD_NAMED_MAX = 3


class Span(msgspec.Struct, frozen=True):
    """When a job will probably start, by the wall clock in microseconds; 0: never here, or nobody can tell.

    `earliest_us`: when the first of what runs now is expected to end. `latest_us`: if all that runs had only just
    begun. Predictions of run times may be wrong by more than that.
    """

    likely_us: int = 0
    earliest_us: int = 0
    latest_us: int = 0


class LocalExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """This region's part of an Explanation. `position` counts from 1."""

    region: RegionExplanation
    prospect: Prospect
    position: int
    unblock: tuple[str, ...] = ()
    start: Span = Span()


class Explainer:
    """Explains by asking what decides. Takes milliseconds; changes nothing."""

    def __init__(
        self, scheduler: Scheduler, queue: JobQueue, capacity: Capacity, waits: WaitPredictor, region: str
    ) -> None:
        self._scheduler = scheduler
        self._queue = queue
        self._capacity = capacity
        self._waits = waits
        self._region = region

    def explain(self, job: Job, now: Now) -> LocalExplanation:
        """A job that is in the queue of this region, or one that might be."""
        self._scheduler.at(now)
        position = self._queue.place_of(job)
        refused = refused_here(self._region, job.shape.body) or self._never(job)
        if refused is not None:
            return LocalExplanation(
                region=RegionExplanation(region=self._region, blockers=(refused,)),
                prospect=Prospect(outcome=Outcome.NEVER),
                position=position,
            )
        expected = prospect(self._scheduler, self._region, job)
        blockers: tuple[Blocker, ...] = ()
        if expected.outcome is not Outcome.START:
            blockers = grounds(self._scheduler, self._capacity, job)
        elif self._is_planned_later(job, now):
            # There is room now, as it turns out; the plan has not come to that yet.
            expected, blockers = Prospect(outcome=Outcome.WAIT), reserved(self._scheduler, job)
        ahead = self._jobs_ahead(job, position)
        start = self._span(job, expected, now)
        hints = self._hints(job, expected, start, now) if blockers or ahead else ()
        return LocalExplanation(
            region=RegionExplanation(region=self._region, blockers=blockers + ahead),
            prospect=expected,
            position=position,
            unblock=hints,
            start=start,
        )

    def _never(self, job: Job) -> Blocker | None:
        """It could not run here if the region were idle: for want of nodes, or of quota."""
        never = self._capacity.never_fits(job.shape)
        if never is not None:
            return never_blocker(self._capacity.table, job.shape, never)
        standing = self._scheduler.standing
        unheld = standing.never_admitted(job.tenant, job.shape, self._capacity.never_fits)
        if unheld is None:
            return None
        return Blocker(
            code="QUOTA",
            message=f"can never run in this region under policy {standing.policy.version}: {unheld}",
        )

    def _is_planned_later(self, job: Job, now: Now) -> bool:
        planned_us = self._scheduler.reserved_start_us(job)
        return planned_us is not None and planned_us > now.mono_us

    # --- who goes first

    def _jobs_ahead(self, job: Job, position: int) -> tuple[Blocker, ...]:
        if position <= 1:
            return ()
        named = [f"{other.id} ({other.name})" for other in self._queue.before(job, AHEAD_NAMED_MAX)]
        more = position - 1 - len(named)
        names = ", ".join(named) + (f" and {more} more" if more else "")
        ahead = "1 job goes" if position == 2 else f"{position - 1} jobs go"
        return (Blocker(code=PRIORITY, message=f"{ahead} first, by tier, priority and age: {names}"),)

    # --- when

    def _span(self, job: Job, expected: Prospect, now: Now) -> Span:
        if expected.outcome is Outcome.START:
            return Span(now.wall_us, now.wall_us, now.wall_us)
        reserved_us = self._scheduler.reserved_start_us(job)
        span_us = self._waits.predicted_span_us(job)
        likely_us = span_us[0] if reserved_us is None else max(0, reserved_us - now.mono_us)
        if reserved_us is None and len(self._scheduler.windows):
            foreseen_us = self._scheduler.foreseen_us(job)
            likely_us = max(likely_us, 0 if foreseen_us is None else foreseen_us - now.mono_us)
        if expected.outcome is Outcome.PREEMPT:
            likely_us = max(victim.job.grace_us for victim in expected.victims)
        ends = self._scheduler.standing.running.ends.first(1)
        first_us = max(0, ends[0][0] - now.mono_us) if ends else 0
        return Span(
            now.wall_us + likely_us,
            now.wall_us + min(first_us, likely_us),
            now.wall_us + max(likely_us, span_us[1]),
        )

    # --- what would help

    def _hints(self, job: Job, expected: Prospect, start: Span, now: Now) -> tuple[str, ...]:
        if expected.starts or self._scheduler.claimed(job.id):
            return ()
        hints = unblock_hints(
            self._capacity,
            job.shape,
            starts_as(self._scheduler, job),
            lambda kind: quota_left(self._scheduler, job, kind),
        )
        later = (
            (f"after {_clock_text(start.likely_us)}, as predicted",) if start.likely_us > now.wall_us else ()
        )
        reserved = self._scheduler.reservation_grounds.hints(job, now.mono_us)
        return (*hints, *self._better_tier(job), *self._better_priority(job), *reserved, *later)

    def _better_tier(self, job: Job) -> tuple[str, ...]:
        """The nearest tier above its own in which it would not wait."""
        names = self._scheduler.standing.policy.tier_names
        own = job.shape.body.tier
        above = names[: names.index(own)] if own in names else names
        for tier in reversed(above):
            hint = self._hint_of(f"tier {tier}", in_tier(job, tier))
            if hint:
                return (hint,)
        return ()

    def _better_priority(self, job: Job) -> tuple[str, ...]:
        """Just above the highest of its tier that it waits behind."""
        body = job.shape.body
        ahead = self._queue.before(job, AHEAD_NAMED_MAX)
        ranked = [other.shape.body.priority for other in ahead if other.shape.body.tier == body.tier]
        wanted = max(ranked, default=body.priority) + 1
        if not body.priority < wanted <= PRIORITY_MAX:
            return ()
        hint = self._hint_of(f"priority {wanted} (instead of {body.priority})", of_priority(job, wanted))
        return (hint,) if hint else ()

    def _hint_of(self, text: str, changed: Job) -> str:
        """The hint, if the changed job would not wait; else nothing."""
        found = prospect(self._scheduler, self._region, changed)
        if found.outcome is Outcome.PREEMPT:
            count = len(found.victims)
            return f"{text}, which stops {count} other job{'s' if count > 1 else ''}"
        return text if found.starts else ""


def _clock_text(wall_us: int) -> str:
    """The time of day, without a library that knows time zones."""
    seconds = wall_us % DAY_US // SECOND_US
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d} UTC"
