"""A smaller run that fails in the same way: fewer regions, kinds of faults and jobs, and less time.

Delta debugging (Zeller, Hildebrandt: "Simplifying and Isolating Failure-Inducing Input", 2002) over the parameters of
an order rather than over its events: a run with one event less is another run from there on, so that there is nothing
to keep. Each candidate is tried under its own few seeds for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hanse.sim.campaign import Failure, Order, Told, run_one
from hanse.sim.faults import KINDS

# A smaller run under the same seed draws differently, and may need another seed to fail.
_SEEDS_EACH = 5
_MINUTES_MIN = 0.25
_JOBS_MIN = 2
_TRIALS_MAX = 400


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest that was found."""

    order: Order
    failure: Failure
    trials: int


def shrink(order: Order, failure: Failure, told: Told) -> Shrunk:
    """Take away what can be taken away, until nothing can."""
    order = msgspec.structs.replace(order, jobs=order.jobs_wanted())
    best = Shrunk(order=order, failure=failure, trials=0)
    is_smaller = True
    while is_smaller and best.trials < _TRIALS_MAX:
        is_smaller = False
        for candidate in candidates(best.order, best.failure.seed):
            found, trials = _fails(candidate, best.failure)
            best = msgspec.structs.replace(best, trials=best.trials + trials)
            if found is not None:
                best = Shrunk(order=candidate, failure=found, trials=best.trials)
                told(f"seed {found.seed} {candidate.arguments()}")
                is_smaller = True
                break
    return best


def candidates(order: Order, seed: int) -> Iterator[Order]:
    """Orders that are smaller by one step, the boldest first."""
    replace = msgspec.structs.replace
    present = [kind for kind in KINDS if order.faults_of(seed).has(kind)]
    half = len(present) // 2
    if half > 1:
        for taken in (present[:half], present[half:]):
            yield replace(order, without=(*order.without, *taken))
    if order.minutes / 2 >= _MINUTES_MIN:
        yield replace(order, minutes=order.minutes / 2)
    if order.regions > 1:
        yield replace(order, regions=max(1, order.regions // 2))
        if order.regions > 3:
            yield replace(order, regions=order.regions - 1)
    if order.jobs // 2 >= _JOBS_MIN:
        yield replace(order, jobs=order.jobs // 2)
    for kind in present:
        yield replace(order, without=(*order.without, kind))


def _fails(order: Order, like: Failure) -> tuple[Failure | None, int]:
    """Whether this order fails in the same way under the same seed or one of the next, and after how many trials."""
    for trial in range(_SEEDS_EACH):
        failure = run_one(order, like.seed + trial).failure
        if failure is not None and failure.kind == like.kind:
            return failure, trial + 1
    return None, _SEEDS_EACH
