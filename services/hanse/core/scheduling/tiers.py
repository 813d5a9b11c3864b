"""Tiers as scheduling asks about them: ranks, promises, and whose capacity whose jobs may take."""

from __future__ import annotations

from hanse.core.policy.model import Policy, Tier


class Tiers:
    """The tiers of a policy. One that it does not know promises nothing and comes last."""

    def __init__(self, policy: Policy) -> None:
        self._tiers = {tier.name: tier for tier in policy.tiers}
        self._ranks = {tier.name: rank for rank, tier in enumerate(policy.tiers)}

    def rank(self, name: str) -> int:
        """0 is served first."""
        return self._ranks.get(name, len(self._ranks))

    def tier(self, name: str) -> Tier:
        """Its promises."""
        return self._tiers.get(name) or Tier(name=name)

    def may_preempt(self, name: str, victim: str) -> bool:
        """Whether jobs of one tier may take the capacity of jobs of another."""
        return name in self.tier(victim).preemptible_by

    def victims_of(self, name: str) -> tuple[str, ...]:
        """Tiers whose capacity jobs of this one may take, last served first."""
        return tuple(tier.name for tier in reversed(self._tiers.values()) if name in tier.preemptible_by)
