"""What a caller's job must satisfy to be admitted, beyond what the shell has checked of its spec."""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.books import Books
from hanse.core.dependencies import with_present_terms
from hanse.core.federation.routing import Router
from hanse.core.model.jobs import Job, Submission
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import Now
from hanse.core.replies import Refused, Submitted
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.local import LocalSide

QUEUE_FULL_RETRY_MS = 1_000
DISK_FULL_RETRY_MS = 10_000
# Not for callers: the shell rules the submission anew.
STALE_POLICY = "STALE_POLICY"


class Admission:
    """Admits submissions, or says which field stands in the way. A refusal writes nothing."""

    def __init__(
        self,
        config: RegionConfig,
        local: LocalSide,
        router: Router,
        queued: Callable[[], int],
        check_plan: Callable[[Now, Submission], Refused | None],
    ) -> None:
        self._config = config
        self._queued = queued
        self._local = local
        self._router = router
        self._check_plan = check_plan
        self._members = frozenset(member.name for member in config.members)
        self.disk_nearly_full = False

    def submit(
        self, submission: Submission, books: Books, enqueue: Callable[[Job], None]
    ) -> Submitted | Refused:
        """One submission into these books: the job that its client key already named, a new one, or a refusal. A new
        one is handed to `enqueue`, to be started when that may be."""
        known = books.keys.get((submission.tenant, submission.client_key))
        if known is not None:
            job_id, sha256 = known
            if sha256 != submission.spec_sha256:
                message = f"client key {submission.client_key!r} was used for {job_id}, with another spec"
                return Refused("KEY_CONFLICT", "client_key", message)
            return Submitted(job_id, existed=True, federated=bool(books.shard))
        refused = (
            self.refusal(submission)
            or self._fits_nowhere(submission)
            or self._check_plan(books.now, submission)
        )
        if refused is not None:
            return refused
        if submission.terms.after:
            present = with_present_terms(submission, books)
            if isinstance(present, Refused):
                return present
            submission = present
        enqueue(books.admit(submission))
        return Submitted(submission.job_id, existed=False, federated=bool(books.shard))

    def refusal(self, submission: Submission) -> Refused | None:
        """Why it would not be taken, wherever it might fit; None: it would."""
        return (
            self._overload()
            or self._ruled_by_another(submission)
            or _refused_by_rule(submission)
            or self._bad_reference(submission)
        )

    def _overload(self) -> Refused | None:
        if self.disk_nearly_full:
            return Refused("EXHAUSTED", "", "this region's disk is nearly full", DISK_FULL_RETRY_MS)
        if self._queued() >= self._config.queue_depth_max:
            message = f"the queue is full ({self._config.queue_depth_max} jobs)"
            return Refused("EXHAUSTED", "", message, QUEUE_FULL_RETRY_MS)
        return None

    def _ruled_by_another(self, submission: Submission) -> Refused | None:
        """The shell ruled it by a policy that was replaced while it was on its way: it has to do so again."""
        version = self._local.standing.policy.version
        if submission.policy_version in (0, version):
            return None
        return Refused(
            STALE_POLICY,
            "",
            f"ruled by policy {submission.policy_version}; {version} is in force",
            QUEUE_FULL_RETRY_MS,
        )

    def _bad_reference(self, submission: Submission) -> Refused | None:
        """Names that must mean something here: the tier, and the regions."""
        body = submission.shape.body
        tiers = self._local.standing.policy.tier_names
        if body.tier not in tiers:
            return Refused("INVALID", "spec.tier", f"no tier {body.tier!r}; there are {', '.join(tiers)}")
        for field, regions in (
            ("allow", body.regions_allow),
            ("deny", body.regions_deny),
            ("prefer", body.regions_prefer),
        ):
            for number, region in enumerate(regions):
                if region not in self._members:
                    return Refused(
                        "INVALID", f"spec.regions.{field}[{number}]", f"no region {region!r} in the roster"
                    )
        return None

    def _fits_nowhere(self, submission: Submission) -> Refused | None:
        """A job that no region could run even if all were idle would wait for ever."""
        blocker = refused_here(self._config.name, submission.shape.body)
        here = blocker.message if blocker is not None else self._local.never_fits(submission.shape)
        here = here or self._local.never_admitted(submission.tenant, submission.shape)
        if here is None:
            return None
        abroad = self._router.never_fits_abroad(submission.shape)
        if abroad is None:
            return None
        return Refused("NEVER_FITS", "spec.groups", f"{self._config.name}: {here}; {abroad}")


def _refused_by_rule(submission: Submission) -> Refused | None:
    """What a rule of the policy has found, which the shell evaluates."""
    if submission.refused is None:
        return None
    field, message = submission.refused
    return Refused("INVALID", field, message)
