"""Answers to questions about the core's memory; nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from hanse.core.dependencies import waits_for_text
from hanse.core.events import Ask, Question
from hanse.core.federation.handoff.giver import PeerCounts
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import Now
from hanse.core.replies import (
    Answer,
    Blocker,
    ChannelView,
    Explanation,
    QuarantineView,
    Refused,
    RegionExplanation,
    StatusView,
)
from hanse.core.scheduling.explain import Span

if TYPE_CHECKING:
    from hanse.core.region import Region


class Answers:
    """Reads a Region for its callers."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def answer(self, now: Now, ask: Ask) -> Answer:
        """The answer to one question."""
        region = self._region
        match ask.question:
            case Question.EXPLAIN:
                return self._explain(now, ask.job_id)
            case Question.STATUS:
                return self._status(now)
            case Question.NODES:
                return region.local.capacity.nodes()
            case Question.MEMBERS:
                return region.membership.view(now)
            case Question.INVENTORY:
                return region.inventory.records()
            case Question.RESERVATIONS:
                return region.local.windows.view()
            case Question.QUOTAS:
                return region.escrow.view()
            case Question.LEAGUE_POLICY:
                return region.league_policy.view(region.local.standing.policy.version, region.peers)
            case _:
                assert_never(ask.question)

    def _explain(self, now: Now, job_id: str) -> Explanation | Refused:
        job = self._region.library.find(job_id)
        if job is None:
            return Refused("NOT_FOUND", "job_id", f"{job_id} is not among this region's present jobs")
        if _waits(job):
            return self._explain_queued(now, job)
        held = self._held_back(now, job)
        summary = f"{held.message}; {_summary(job)}" if held is not None else _summary(job)
        return Explanation(job_id=job.id, state=job.state, summary=summary)

    def _held_back(self, now: Now, job: Job) -> Blocker | None:
        """What keeps every job from starting here, whatever there is room for; None: nothing does."""
        region = self._region
        if region.old_disk.is_suspect(job.id):
            waiting = region.waits_for
            return Blocker(
                code="SUSPECT",
                message=f"{region.config.name}'s disk is an old one, and what became of the job since is not known "
                f"here; it waits for {waiting}",
            )
        if not _waits(job):
            return self._asked_for(job)
        if region.config.is_lost:
            return Blocker(code="LOST", message=f"{region.config.name} was declared lost, and starts nothing")
        if region.in_doubt:
            return Blocker(
                code="QUARANTINE" if region.old_disk.active else "STARTING",
                message=f"{region.config.name} launches nothing yet; it waits for {region.waits_for}",
            )
        if region.draining:
            return Blocker(code="DRAINING", message=f"{region.config.name} is being drained")
        if region.local.runs.has_orphans:
            return Blocker(code="STARTING", message="processes of a forgotten life are being ended")
        return self._parked(job) or self._out_of_lease(now, job)

    @staticmethod
    def _parked(job: Job) -> Blocker | None:
        """Who, or what, keeps it from being looked at."""
        if job.reason.code is ReasonCode.HELD:
            return Blocker(code="HELD", message=f"it is held ({job.reason.detail}), until it is released")
        if job.terms.after:
            return Blocker(code="WAITS_FOR_JOBS", message=f"it waits {waits_for_text(job.terms)}")
        if job.array is not None and job.array.at_limit:
            limit = job.array.rules.in_flight_max
            message = (
                f"{limit:,} of its elements hold capacity, as many as may: the next one waits for one to end"
            )
            return Blocker(code="ARRAY_LIMIT", message=message)
        return None

    def _asked_for(self, job: Job) -> Blocker | None:
        """It was with a region that was declared lost."""
        region = self._region
        if job.shard or region.in_doubt or not region.losses.asks_about(job):
            return None
        silent = ", ".join(region.losses.missing()) or "nobody"
        return Blocker(
            code="REGION_LOST",
            message=f"{job.transfer_to} was declared lost, and the members are asked whether one of them got it from "
            f"there; {region.config.name} waits for {silent}",
        )

    def _out_of_lease(self, now: Now, job: Job) -> Blocker | None:
        """Why an adoptable job may not be started here although this region leads its shard."""
        leading = self._region.shards.leading_of(job)
        if leading is None:
            return None
        if leading.is_unheld(job.id):
            return Blocker(code="UNHELD", message=f"no majority of the guardians of {job.shard} holds it yet")
        # After a freeze the lease may be over, and this step has not come to that yet.
        has_lease = leading.shard.leads and leading.shard.renewals.holds(now.mono_us)
        if not (leading.startable and has_lease):
            if leading.heir_since_us is not None:
                return Blocker(code="RETURNING", message=f"{job.shard} is back and is to lead its jobs again")
            return Blocker(
                code="NO_LEASE", message=f"no majority of the guardians of {job.shard} has answered of late"
            )
        if self._region.local.waits_for_ghost(job.id):
            return Blocker(code="STOPPING", message="what ran of it here before is still being ended")
        return None

    def _explain_queued(self, now: Now, job: Job) -> Explanation:
        region = self._region
        here = region.local.explain(job, now)
        abroad: list[RegionExplanation] = region.router.explain(now, job)
        held = self._held_back(now, job)
        blockers = here.region.blockers
        start = here.start
        ahead = (() if held is None else (held,)) + region.escrow.blockers(job)
        if ahead:
            blockers, start = (*ahead, *blockers), Span()
        summary = blockers[0].message if blockers else "it can start now"
        if job.array is not None:
            summary = f"{job.array.counts().text()}; {summary}"
        return Explanation(
            job_id=job.id,
            state=job.state,
            summary=summary,
            regions=(msgspec.structs.replace(here.region, blockers=blockers), *abroad),
            position=here.position,
            predicted_start_wall_us=start.likely_us,
            earliest_wall_us=start.earliest_us,
            latest_wall_us=start.latest_us,
            unblock=(*here.unblock, *region.router.unblock_hints(now, job)),
        )

    def _status(self, now: Now) -> StatusView:
        region = self._region
        counts = {state: sum(books.counts[state] for books in region.library) for state in JobState}
        return StatusView(
            region=region.config.name,
            ledger_id=region.ledger_id,
            incarnation=region.incarnation,
            write_sequence=region.sequence,
            draining=region.draining,
            impairments=self._impairments(),
            jobs_by_state=tuple((state.name, counts[state]) for state in JobState if counts[state]),
            capacity=region.local.capacity.capacity_total(),
            free=region.local.capacity.free_total(),
            channels=tuple(self._channel(peer) for peer in region.peers),
            roster_epoch=region.config.roster_epoch,
            policy_version=region.local.standing.policy.version,
            attainment=region.local.attainment.report(),
            quarantine=self._quarantine(),
            drain=region.moving.view(now, counts[JobState.QUEUED], counts[JobState.XFER]),
            shards=tuple(shard.view(now) for shard in region.shards.shards.values()),
            orphans=region.local.runs.orphans,
            orphans_ended=region.local.runs.orphans_ended,
            jobs_relieved=region.offers.rebalancing.relieved,
            jobs_taken_over=region.shards.jobs_taken_over,
            jobs_let_go=region.shards.jobs_let_go,
            elements_in_flight=region.books.elements.in_flight,
            elements_succeeded=region.books.elements.ended[JobState.SUCCEEDED],
            elements_failed=region.books.elements.ended[JobState.FAILED],
            elements_cancelled=region.books.elements.ended[JobState.CANCELLED],
        )

    def _quarantine(self) -> QuarantineView | None:
        old_disk = self._region.old_disk
        if not old_disk.active:
            return None
        return QuarantineView(
            since_wall_us=old_disk.since_wall_us,
            why=old_disk.why,
            missing=tuple(old_disk.missing()),
            excused=old_disk.excused,
            suspects=old_disk.suspects(),
        )

    def _channel(self, peer: str) -> ChannelView:
        region = self._region
        counts = region.desk.giver.counts.get(peer, PeerCounts())
        return ChannelView(
            peer=peer,
            undecided=region.desk.giver.undecided(peer),
            given=counts.given,
            taken=counts.taken,
            burned=counts.burned,
            session=region.sessions.established(peer),
        )

    def _impairments(self) -> tuple[Reason, ...]:
        region = self._region
        found = []
        if region.draining:
            found.append(Reason(ReasonCode.DRAINING, "drained by an operator"))
        if region.old_disk.active:
            detail = f"{region.old_disk.why}; nothing runs until all have answered, it waits for {region.waits_for}"
            found.append(Reason(ReasonCode.OLD_DISK, detail))
        elif region.in_doubt and not region.config.is_lost:
            detail = f"it has just started; nothing runs yet, it waits for {region.waits_for}"
            found.append(Reason(ReasonCode.OLD_DISK, detail))
        found.extend(region.rosters.impairments())
        if region.losses.active:
            silent = ", ".join(region.losses.missing()) or "nobody"
            detail = f"{region.losses.waiting:,} jobs that were with a lost region are asked for; it waits for {silent}"
            found.append(Reason(ReasonCode.REGION_LOST, detail))
        found.extend(region.escrow.impairments())
        found.extend(region.league_policy.impairments())
        if region.disk_nearly_full:
            found.append(Reason(ReasonCode.NO_CAPACITY, "the disk of the ledger is nearly full"))
        if not region.local.runs.recovered:
            found.append(Reason(ReasonCode.RECOVERED, "waiting for the executor to tell what still runs"))
        for node in region.local.capacity.overcommitted():
            found.append(Reason(ReasonCode.NO_CAPACITY, f"node {node} has less than its jobs hold"))
        return tuple(found)


def _waits(job: Job) -> bool:
    """Whether it, or an element of it, waits for capacity here."""
    if job.array is not None and job.state is JobState.RUNNING:
        return bool(job.array.waiting)
    return job.state is JobState.QUEUED


def _summary(job: Job) -> str:
    """One sentence on a job that is not queued here."""
    if job.array is not None and job.state is JobState.RUNNING:
        return f"it runs here: {job.array.counts().text()}"
    match job.state:
        case JobState.RUNNING:
            return f"it runs here, attempt {job.attempt}: {job.reason.detail}"
        case JobState.STOPPING:
            return f"its tasks are being stopped: {job.reason.detail or job.reason.code}"
        case JobState.XFER:
            return f"it is being handed to {job.transfer_to}, which has not answered yet"
        case JobState.MOVED:
            return f"it was handed to {job.transfer_to}"
        case _:
            return f"it has ended: {job.state.name}"
