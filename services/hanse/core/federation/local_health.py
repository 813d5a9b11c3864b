"""How well this region itself is doing: before it accuses another, it doubts itself.

Theory of operation. A slow region misses acks that were sent in time and would call everybody dead. Two measures
against that:

- A score, after Lifeguard (Dadgar, Phillips, Currey: "Lifeguard: Local Health Awareness for More Accurate Failure
  Detection", 2018): an ack that we missed of a peer that turns out to live raises it, each timely one lowers it. All
  timeouts are multiplied by 1 + score. Lifeguard has helpers say that the target did not answer them either; here any
  other voice will do: whoever hears others is not deaf, and a peer that nobody reaches does not count against us.
- An attentive clock: it stands still for as long as this region did not serve its own deadlines (frozen, suspended,
  starved). Silence and suspicion are counted on it, so that hours under SIGSTOP are not hours of the others' silence.
"""

from __future__ import annotations

from hanse.core.model.limits import LOCAL_HEALTH_MULTIPLIER_MAX


class LocalHealth:
    """The score and the attentive clock. A deadline served `tolerance_us` late is still served in time."""

    def __init__(self, tolerance_us: int) -> None:
        self._tolerance_us = tolerance_us
        self._score = 0
        self._deaf_us = 0

    @property
    def multiplier(self) -> int:
        """What timeouts are multiplied by: 1 (well) to LOCAL_HEALTH_MULTIPLIER_MAX."""
        return 1 + self._score

    def on_missed_ack(self) -> None:
        """A peer's ack did not come in time, and yet it lives: it may be us."""
        self._score = min(self._score + 1, LOCAL_HEALTH_MULTIPLIER_MAX - 1)

    def on_nobody_heard(self) -> None:
        """Nobody at all speaks to us. Either they are all gone or we are cut off: patience is doubled, once."""
        self._score = max(self._score, 1)

    def on_timely_ack(self) -> None:
        """A peer answered in time."""
        self._score = max(self._score - 1, 0)

    def on_late(self, late_us: int) -> None:
        """A deadline was served this much too late: meanwhile nothing was heard, whoever spoke."""
        self._deaf_us += late_us
        self._score = min(self._score + late_us // self._tolerance_us, LOCAL_HEALTH_MULTIPLIER_MAX - 1)

    def attentive_us(self, mono_us: int) -> int:
        """The attentive clock: like mono, less the time in which this region was deaf."""
        return mono_us - self._deaf_us
