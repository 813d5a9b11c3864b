"""What tiers promise, and what was kept: per job while it is open, per tenant and tier for good.

A job is *admitted* when it first starts. From then on its attainment is the part of the last hour (or of its life, if
that is shorter) in which it held what it asked for; its slack is how far that is above its tier's promise. The worst
hour of a job ends where an interruption ends, so that is where it is measured, and at the job's end.
"""

from __future__ import annotations

import msgspec

from hanse.core.model.limits import ATTAINMENT_GAPS_MAX, ATTAINMENT_TENANTS_MAX
from hanse.core.model.time import SECOND_US, Now
from hanse.core.policy.model import Tier
from hanse.core.replies import Kept

HOUR_US = 3_600 * SECOND_US
WHOLE_PERMILLE = 1_000


class _Life:
    """One job since it was admitted; mono microseconds."""

    __slots__ = ("admitted_us", "gaps", "off_since_us", "worst_permille")

    def __init__(self, admitted_us: int) -> None:
        self.admitted_us = admitted_us
        # Newest last.
        self.gaps: tuple[tuple[int, int], ...] = ()
        self.off_since_us: int | None = None
        self.worst_permille = WHOLE_PERMILLE

    def resume(self, now_us: int) -> None:
        if self.off_since_us is not None:
            self.gaps = (*self.gaps, (self.off_since_us, now_us))[-ATTAINMENT_GAPS_MAX:]
            self.off_since_us = None
            self.worst_permille = min(self.worst_permille, self.attained_permille(now_us))

    @property
    def is_whole(self) -> bool:
        return not self.gaps and self.off_since_us is None

    def attained_permille(self, now_us: int) -> int:
        if self.is_whole:
            return WHOLE_PERMILLE
        begin_us = max(self.admitted_us, now_us - HOUR_US)
        gaps = self.gaps if self.off_since_us is None else (*self.gaps, (self.off_since_us, now_us))
        off_us = sum(max(0, end_us - max(from_us, begin_us)) for from_us, end_us in gaps)
        whole_us = now_us - begin_us
        return WHOLE_PERMILLE if whole_us <= 0 else (whole_us - off_us) * WHOLE_PERMILLE // whole_us


class Attainment:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}
        # Those of them that were ever interrupted: few, and so they are asked in no time.
        self._interrupted: dict[str, _Life] = {}
        self._kept: dict[tuple[str, str], Kept] = {}

    def started(self, job_id: str, tenant: str, tier: Tier, waited_us: int, now: Now) -> None:
        """An attempt starts. `waited_us` since the job was submitted; counts if it is the first."""
        life = self._lives.get(job_id)
        if life is not None:
            life.resume(now.mono_us)
            return
        self._lives[job_id] = _Life(now.mono_us)
        kept = self._of(tenant, tier.name)
        if not tier.wait_max_us or waited_us <= tier.wait_max_us:
            kept.wait_kept += 1
        else:
            kept.wait_broken += 1

    def recovered(self, job_id: str, began_us: int) -> None:
        """It ran already when the daemon started; nothing older is known."""
        self._lives[job_id] = _Life(began_us)
        self._interrupted.pop(job_id, None)

    def interrupted(self, job_id: str, tenant: str, tier: Tier, now: Now) -> None:
        """The attempt is over and the job waits for another."""
        life = self._lives.get(job_id)
        if life is not None and life.off_since_us is None:
            life.off_since_us = now.mono_us
            self._interrupted[job_id] = life
            self._of(tenant, tier.name).interruptions += 1

    def ended(self, job_id: str, tenant: str, tier: Tier, now: Now) -> None:
        """It is not this region's any more."""
        life = self._lives.pop(job_id, None)
        if life is None:
            return
        self._interrupted.pop(job_id, None)
        worst = min(life.worst_permille, life.attained_permille(now.mono_us))
        kept = self._of(tenant, tier.name)
        kept.worst_permille = min(kept.worst_permille, worst)
        if worst >= tier.share_permille:
            kept.share_kept += 1
        else:
            kept.share_broken += 1

    def attained_permille(self, job_id: str, now_us: int) -> int:
        """Of the last hour, in permille; whole for a job that was never admitted."""
        life = self._lives.get(job_id)
        return WHOLE_PERMILLE if life is None else life.attained_permille(now_us)

    def slack_permille(self, job_id: str, tier: Tier, now_us: int) -> int:
        """How far the job is above its tier's promise."""
        life = self._interrupted.get(job_id)
        attained = WHOLE_PERMILLE if life is None else life.attained_permille(now_us)
        return attained - tier.share_permille

    def report(self) -> tuple[Kept, ...]:
        """By tenant and tier, sorted."""
        return tuple(msgspec.structs.replace(self._kept[key]) for key in sorted(self._kept))

    def _of(self, tenant: str, tier: str) -> Kept:
        key = (tenant, tier)
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= ATTAINMENT_TENANTS_MAX:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[key] = Kept(tenant, tier)
        return kept
