"""Leases: how long a leader's tasks may live, and how long a member waits before it promises anything to another.

Theory of operation. A renewal counts from the instant at which it was *sent*, on the leader's clock; a member that
acknowledges it waits from the instant of *receipt*, on its own. The leader's supervisors kill at the end of the lease
L, and are done G later, whether or not the daemon lives. The member's wait covers that for any two clocks whose rates
differ by at most rho each way, and for a halt F that the member's peer does not count:

    wait = (L + G) (1 + rho) / (1 - rho) + F + one timer tick

So no task of the old leader is alive when a member promises (Gray and Cheriton, "Leases", SOSP 1989). No wall clock is
read. A member that was restarted begins its wait again, in full.

A region that does not hear its guardians for three quarters of a lease shall lose no task. What of the lease is left
for that is spent so: a twentieth may have passed since the last renewal when they fall silent; a tenth before the end
tasks get their SIGTERM (executors/local/supervisor.py); a tenth remains to find each other again.
"""

from __future__ import annotations

from hanse.core.federation.shards.quorum import reached_by_majority
from hanse.core.model.regions import Group, Timings

# The coarsest timer that a shell arms.
_TICK_US = 100_000
_RENEWALS_PER_LEASE = 20
# What is launched may run for this part of a lease at least, if no other renewal is acknowledged.
_LAUNCH_PART = 4
_MILLION = 1_000_000
_LONG_AGO = -(1 << 62)


def member_wait_us(timings: Timings) -> int:
    """How long a member waits after a renewal before it may promise a larger term."""
    length_us = timings.lease_us + timings.kill_us
    slow, fast = _MILLION + timings.drift_ppm, _MILLION - timings.drift_ppm
    return -(-length_us * slow // fast) + timings.halt_us + _TICK_US


def waits_differ_us(timings: Timings) -> int:
    """How much sooner than the slowest clock the fastest one has waited a grant out; on the fastest clock."""
    slow, fast = _MILLION - timings.drift_ppm, _MILLION + timings.drift_ppm
    return -(-member_wait_us(timings) * (fast - slow) // slow)


class Renewals:
    """The leader's side: what was sent when, and until when the lease holds. Mono microseconds."""

    def __init__(self, region: str, timings: Timings) -> None:
        self._region = region
        self._timings = timings
        self._sent_us: dict[int, int] = {}
        self._acked_us: dict[str, int] = {}
        self._number = 0
        self.due_us = _LONG_AGO
        self.until_us = _LONG_AGO

    def holds(self, now_us: int) -> bool:
        """Whether tasks may be launched: enough of the lease is left."""
        return self.until_us - now_us > self._timings.lease_us // _LAUNCH_PART

    def left_us(self, now_us: int) -> int | None:
        """How much is left of the lease; negative: it is over since then. None: there was none yet."""
        return self.until_us - now_us if self.until_us != _LONG_AGO else None

    def lapses_us(self) -> int:
        """When `holds` ends, unless a renewal is acknowledged before."""
        return self.until_us - self._timings.lease_us // _LAUNCH_PART

    def send(self, now_us: int) -> int:
        """The number of the renewal that is sent now."""
        self._number += 1
        self._sent_us[self._number] = now_us
        self.due_us = now_us + self._timings.lease_us // _RENEWALS_PER_LEASE
        oldest_us = now_us - self._timings.lease_us
        self._sent_us = {number: at_us for number, at_us in self._sent_us.items() if at_us >= oldest_us}
        return self._number

    def on_ack(self, group: Group, member: str, number: int) -> bool:
        """A member acknowledged a renewal. Returns whether the lease is longer now."""
        sent_us = self._sent_us.get(number)
        if sent_us is None:
            return False
        self._acked_us[member] = max(sent_us, self._acked_us.get(member, _LONG_AGO))
        reached_us = reached_by_majority(group, self._reached)
        if reached_us == _LONG_AGO or reached_us + self._timings.lease_us <= self.until_us:
            return False
        self.until_us = reached_us + self._timings.lease_us
        return True

    def _reached(self, member: str) -> int:
        if member == self._region:
            return 1 << 61
        return self._acked_us.get(member, _LONG_AGO)
