"""What jobs need of the quotas in force."""

from __future__ import annotations

from hanse.core.model.jobs import Job, Shape
from hanse.core.model.limits import RIGHTS_NEEDS_MEMO_MAX
from hanse.core.model.quota import NO_RIGHTS, QuotaKey, Rights, rights_needed


class Needs:
    """`limits`: what is limited, and to how much. Worked out once for each tenant and shape."""

    def __init__(self) -> None:
        self.limits: dict[QuotaKey, int] = {}
        self._found: dict[tuple[str, bytes], Rights] = {}

    def go_by(self, limits: dict[QuotaKey, int]) -> None:
        """Other quotas are in force."""
        self.limits, self._found = limits, {}

    def of(self, job: Job) -> Rights:
        """What this job needs of the quotas that apply to it."""
        return self.of_shape(job.tenant, job.shape) if self.limits else NO_RIGHTS

    def of_shape(self, tenant: str, shape: Shape) -> Rights:
        """What a job of this tenant and shape needs."""
        found = self._found.get((tenant, shape.key))
        if found is None:
            if len(self._found) >= RIGHTS_NEEDS_MEMO_MAX:
                self._found = {}
            found = rights_needed(self.limits, tenant, shape.total)
            self._found[(tenant, shape.key)] = found
        return found

    def are_hopeless(self, needs: Rights) -> bool:
        """Whether so much is more than a limit."""
        return any(amount > self.limits.get(key, amount) for key, amount in needs)
