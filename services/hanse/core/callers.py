"""What callers ask of a Region: to take jobs, to cancel and order them, to plan, and to change what it goes by.

Each call has one answer, given with the step in which all of it is written; where jobs of shards are concerned, once a
majority of their guardians holds it as well. A refusal is a value, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from hanse.core.effects import Effects
from hanse.core.events import (
    ApplyLeaguePolicy,
    ApplyQuotas,
    Ask,
    CancelJobs,
    CancelReservation,
    OrderJobs,
    OrderNodes,
    PlanJob,
    PolicyChanged,
    PolicyUnfit,
    Reserve,
    Submit,
)
from hanse.core.federation.shards.leading import Leading
from hanse.core.model.jobs import OnLoss, Submission
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import Now
from hanse.core.policy.problems import PolicyRefused, checked
from hanse.core.replies import (
    Answer,
    CancelOutcome,
    Done,
    JobPlan,
    JointReply,
    OrdersOutcome,
    PolicyAdopted,
    Refused,
    Reply,
    SubmitOutcome,
    Submitted,
)

if TYPE_CHECKING:
    from hanse.core.region import Region

# When a caller may ask again about a job that the region may have forgotten.
DOUBT_RETRY_MS = 1_000
# When a caller may ask again for what needs a leader: about an election.
NOT_LEADER_RETRY_MS = 1_000

CallersEvent = (
    Submit
    | PlanJob
    | CancelJobs
    | Ask
    | OrderJobs
    | OrderNodes
    | PolicyChanged
    | ApplyQuotas
    | ApplyLeaguePolicy
    | PolicyUnfit
    | Reserve
    | CancelReservation
)


class Callers:
    """Takes in what callers of one Region want."""

    def __init__(self, region: Region, *, policy_is_kept: bool) -> None:
        self._region = region
        self._config, self._library, self._books = region.config, region.library, region.books
        self._local, self._shards, self._escrow = region.local, region.shards, region.escrow
        self._league_policy = region.league_policy
        self._router, self._planning = region.router, region.planning
        self._hands, self._admission = region.hands, region.admission
        # Whether the ledger has the policy in force: the first one is of the configuration.
        self._policy_is_kept = policy_is_kept

    def take_in(self, now: Now, event: CallersEvent, out: Effects) -> None:
        """Carry it out, and answer."""
        match event:
            case Submit():
                self._submit(now, event, out)
            case CancelJobs():
                self._cancel_jobs(now, event, out)
            case OrderJobs():
                self._order_jobs(now, event, out)
            case ApplyQuotas():
                self._apply_quotas(now, event, out)
            case Reserve() | CancelReservation():
                self._change_reservations(now, event, out)
            case PlanJob():
                out.replies.append(Reply(event.request_id, self._plan(now, event, out)))
            case Ask():
                out.replies.append(Reply(event.request_id, self._region.answers.answer(now, event)))
            case OrderNodes():
                out.replies.append(Reply(event.request_id, self._order_nodes(event, out)))
            case PolicyChanged():
                self._take_policy(now, event, out)
            case ApplyLeaguePolicy():
                self._apply_league_policy(event, out)
            case PolicyUnfit():
                if self._league_policy.awaits(event.league):
                    self._league_policy.note_unfit(event.why)
            case _:
                assert_never(event)

    def _submit(self, now: Now, event: Submit, out: Effects) -> None:
        """Answered when all of it is durable: here, and if any of it is adoptable, at a majority of guardians too."""
        home = event.home or self._config.name
        results: list[Submitted | Refused] = []
        for submission in event.submissions:
            if submission.check_index:
                self._serve_queue(now, event.cause, out)
            results.append(self._submit_one(now, home, submission))
        reply = Reply(event.request_id, SubmitOutcome(tuple(results)))
        leading = self._shards.leading.get(home)
        if leading is not None and any(isinstance(each, Submitted) and each.federated for each in results):
            leading.out.replies.append(reply)
        else:
            out.replies.append(reply)

    def _plan(self, now: Now, event: PlanJob, out: Effects) -> JobPlan | Refused:
        if event.home == self._config.name:
            refused = self._admission.refusal(event.submission)
            if refused is not None:
                return refused
        self._serve_queue(now, event.cause, out)
        return self._planning.plan(now, event.submission, event.home)

    def _serve_queue(self, now: Now, cause: str, out: Effects) -> None:
        """Whoever asks what would become of a job comes after those that wait already."""
        if self._local.queue.depth:
            self._library.set_cause("schedule")
            self._local.cycle(now, out)
            self._library.set_cause(cause)

    def _submit_one(self, now: Now, home: str, submission: Submission) -> Submitted | Refused:
        """Into the shard of its home, if it is adoptable and this region leads that shard; else into this ledger.

        A key means one job, wherever it went: what may have been taken elsewhere is not taken again.
        """
        own = home == self._config.name
        key = (submission.tenant, submission.client_key)
        if submission.array is not None and submission.on_loss is not OnLoss.WAIT:
            return Refused("UNIMPLEMENTED", "spec.on_region_loss", "arrays can't be adopted yet; use WAIT")
        if submission.on_loss is OnLoss.WAIT:
            if own and self._shards.has_key(home, key):
                # Its tier's rules were others when it was taken.
                return self._admit_adoptable(self._shards.leading[home], submission)
            if own:
                return self._admit(submission)
            return Refused("INVALID", "home", f"{home} takes its `wait` jobs itself")
        if own and key in self._books.keys:
            return self._admit(submission)
        if submission.on_loss is OnLoss.ADOPT_OR_WAIT and not own:
            message = f"{home} may have taken it as a `wait` job already: only it can tell"
            return Refused("NOT_LEADER", "spec.on_region_loss", message, NOT_LEADER_RETRY_MS, home)
        leading = self._shards.leading.get(home)
        known = self._shards.has_key(home, key)
        if leading is not None and leading.admits(now) and (known or self._shards.takes(home)):
            return self._admit_adoptable(leading, submission)
        self._shards.demand(now, home)
        taken = leading is None or known
        may_wait = submission.on_loss is OnLoss.ADOPT_OR_WAIT and own
        if may_wait and not (taken and self._shards.has_group(home)):
            return self._admit(submission)
        return self._not_leading(home)

    def _change_reservations(self, now: Now, event: Reserve | CancelReservation, out: Effects) -> None:
        """Answered with the step in which it is written; one over several regions once all have written it."""
        answer: Answer
        joint, reserving = self._region.joint, self._local.reserving
        if self._region.in_doubt:
            message = f"{self._config.name} waits for {self._region.waits_for}"
            answer = Refused("UNREACHABLE", "", message, DOUBT_RETRY_MS)
        elif isinstance(event, CancelReservation):
            answer = joint.cancel(now, event, out) or reserving.cancel(event)
        elif event.elsewhere:
            joint.reserve(now, event, out)
            return
        else:
            answer = reserving.reserve(now, event)
        self._local.heed_windows(now)
        out.replies.append(Reply(event.request_id, answer))

    def _apply_quotas(self, now: Now, event: ApplyQuotas, out: Effects) -> None:
        if self._region.in_doubt:
            message = f"{self._config.name} waits for {self._region.waits_for}"
            out.replies.append(Reply(event.request_id, Refused("UNREACHABLE", "", message, DOUBT_RETRY_MS)))
        else:
            self._escrow.apply(now, event, out)

    def _admit(self, submission: Submission) -> Submitted | Refused:
        return self._admission.submit(submission, self._books, self._local.enqueue)

    def _admit_adoptable(self, leading: Leading, submission: Submission) -> Submitted | Refused:
        return self._admission.submit(submission, leading.books, leading.enqueue_when_held)

    def _not_leading(self, home: str) -> Refused:
        if not self._shards.takes(home):
            message = f"nobody guards the jobs of {home} in this federation; use WAIT or ADOPT_OR_WAIT"
            return Refused("INVALID", "spec.on_region_loss", message)
        leader = self._shards.leader_of(home)
        known = leader if leader != self._config.name else ""
        message = f"no majority of the guardians of {home} can be had here" + (
            f"; ask {known}" if known else ""
        )
        return Refused("NOT_LEADER", "spec.on_region_loss", message, NOT_LEADER_RETRY_MS, known)

    def _cancel_jobs(self, now: Now, event: CancelJobs, out: Effects) -> None:
        """Wishes for jobs of shards are answered when a majority holds them; one answer for all of the call."""
        results: list[JobState | Refused] = []
        waits_for: dict[str, Leading] = {}
        for job_id in event.job_ids:
            job = self._library.find(job_id)
            if job is None and self._region.in_doubt:
                message = f"{self._config.name} may have forgotten it, and waits for {self._region.waits_for}"
                results.append(Refused("UNREACHABLE", "job_ids", message, DOUBT_RETRY_MS))
                continue
            if job is None:
                results.append(Refused("NOT_FOUND", "job_ids", f"no such job: {job_id}"))
                continue
            leading = self._shards.leading_of(job)
            if leading is None:
                results.append(self._region.desk.cancel(now, job, event.cause, out))
            else:
                results.append(leading.desk.cancel(now, job, event.cause, leading.out))
                waits_for[leading.shard.name] = leading
        self._answer_jointly(event.request_id, CancelOutcome(tuple(results)), waits_for, out)

    def _order_jobs(self, now: Now, event: OrderJobs, out: Effects) -> None:
        """Orders about jobs of shards are answered when a majority holds them; one answer for all of the call."""
        results: list[JobState | Refused] = []
        waits_for: dict[str, Leading] = {}
        for job_id in event.job_ids:
            job = self._library.find(job_id)
            if job is None:
                results.append(Refused("NOT_FOUND", "job_ids", f"{self._config.name} has no job {job_id}"))
                continue
            result = self._hands.carry_out(now, job, event.order, out)
            results.append(result)
            leading = self._shards.leading_of(job)
            if leading is not None and not isinstance(result, Refused):
                waits_for[leading.shard.name] = leading
        self._answer_jointly(event.request_id, OrdersOutcome(tuple(results)), waits_for, out)

    @staticmethod
    def _answer_jointly(request_id: int, answer: Answer, waits_for: dict[str, Leading], out: Effects) -> None:
        """Once a majority of each of these holds its part."""
        if not waits_for:
            out.replies.append(Reply(request_id, answer))
            return
        joint = JointReply(request_id, answer, set(waits_for))
        for leading in waits_for.values():
            leading.out.replies.append(joint)

    def _order_nodes(self, event: OrderNodes, out: Effects) -> Done | Refused:
        unknown = [name for name in event.nodes if not self._local.has_node(name)]
        if unknown:
            return Refused("NOT_FOUND", "nodes", f"{self._config.name} has no node {unknown[0]!r}")
        self._local.order_nodes(event, out)
        return Done()

    def _apply_league_policy(self, event: ApplyLeaguePolicy, out: Effects) -> None:
        if self._region.in_doubt:
            message = f"{self._config.name} waits for {self._region.waits_for}"
            out.replies.append(Reply(event.request_id, Refused("UNREACHABLE", "", message, DOUBT_RETRY_MS)))
        else:
            self._league_policy.apply(event, out)

    def _take_policy(self, now: Now, event: PolicyChanged, out: Effects) -> None:
        """One that is meant for this region, or what the league's document says."""
        league, digest = self._league_policy, event.text.digest
        if not event.league:
            answer = self._change_policy(now, event)
            if isinstance(answer, PolicyAdopted):
                league.note_policy(digest)
            out.replies.append(Reply(event.request_id, answer))
        elif league.awaits(event.league):
            changed = None if league.is_running(digest) else self._change_policy(now, event)
            if isinstance(changed, Refused):
                league.note_unfit(changed.message)
            else:
                league.put_in_force(digest)

    def _change_policy(self, now: Now, event: PolicyChanged) -> Answer:
        """Put everything onto the new policy, or refuse it whole."""
        version = self._local.standing.policy.version
        if event.expected_version not in (0, version):
            message = f"the policy in force is version {version}, not {event.expected_version}"
            return Refused("VERSION_CONFLICT", "expected_version", message)
        try:
            policy = checked(msgspec.structs.replace(event.policy, version=version + 1))
        except PolicyRefused as refusal:
            return Refused("INVALID", "policy", str(refusal))
        if not self._policy_is_kept:
            self._books.keep_policy(version, event.former, 0)
            self._policy_is_kept = True
        self._books.keep_policy(policy.version, event.text, now.wall_us)
        self._escrow.go_by_tiers(policy.tier_names)
        self._local.adopt(policy, now)
        self._router.objective = policy.objective
        return PolicyAdopted(policy.version)
