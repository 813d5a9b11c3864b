"""When to try again: capped exponential backoff with jitter, within a time budget."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from hanse.client.limits import RETRY_AFTER_MAX_S


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long and how often to try again, in seconds.

    `retry_for_s`: from the first failure to the last try, without success in between; 0: one try only.
    `call_timeout_s` bounds each single try.
    """

    call_timeout_s: float = 10.0
    retry_for_s: float = 30.0
    backoff_s: float = 0.05
    backoff_max_s: float = 5.0


def backoff_s(policy: RetryPolicy, failures: int, retry_after_s: float | None, fraction: float) -> float:
    """Seconds to wait after the `failures`-th failure in a row (from 1).

    `fraction` in [0, 1) spreads clients over the upper half of the interval. A region's hint is a lower bound.
    """
    exponential_s = min(policy.backoff_max_s, policy.backoff_s * 2.0 ** min(failures - 1, 30))
    hint_s = min(retry_after_s or 0.0, RETRY_AFTER_MAX_S)
    return max(exponential_s * (0.5 + fraction / 2), hint_s * (1 + fraction / 10))


class Attempts:
    """Counts the failures of one call or stream and says how long to wait, or that the time is up."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._first_failure_s = 0.0

    def succeeded(self) -> None:
        """Something was received: the budget starts anew."""
        self._failures = 0

    def next_wait_s(self, retry_after_s: float | None = None) -> float | None:
        """Seconds until the next try; None if it would fall outside the budget."""
        if self._failures == 0:
            self._first_failure_s = time.monotonic()
        self._failures += 1
        # Spreading load is all that this needs to be random for.
        wait_s = backoff_s(self._policy, self._failures, retry_after_s, random.random())
        if time.monotonic() + wait_s - self._first_failure_s > self._policy.retry_for_s:
            return None
        return wait_s
