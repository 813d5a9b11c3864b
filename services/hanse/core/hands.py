"""What people do to jobs by hand: hold, release, requeue, set the priority, move.

An order is carried out by the region that has the job, and is durable when it is answered: it is in the job's row (its
reason, its shape), so it survives restarts, hand-overs and takeovers like everything else that a row says. An order
that finds the job on its way between two states is refused, to be given again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.events import Order, OrderKind
from hanse.core.federation.room import could_ever_fit
from hanse.core.model.jobs import Job, Reason, ReasonCode, Ruled, Shape, ShapeBody, make_shape
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import PRIORITY_MAX
from hanse.core.model.time import Now
from hanse.core.replies import Refused
from hanse.core.scheduling.arrays import left_of, positions_of

if TYPE_CHECKING:
    from hanse.core.region import Region

NOT_NOW_RETRY_MS = 1_000


class Hands:
    """Carries orders out in one Region."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def carry_out(self, now: Now, job: Job, order: Order, out: Effects) -> JobState | Refused:
        """The state in which the order was taken, or why it was not."""
        state = job.state
        refused = self._refusal(job) or self._bad_order(now, job, order)
        if refused is not None:
            return refused
        match order.kind:
            case OrderKind.HOLD:
                self._hold(job, order, out)
            case OrderKind.RELEASE:
                self._release(job, order)
            case OrderKind.REQUEUE:
                self._stop(job, ReasonCode.REQUESTED, order.why or "queued again by hand", out)
            case OrderKind.SET_PRIORITY:
                text = f"priority {order.priority} instead of {job.shape.body.priority}"
                body = msgspec.structs.replace(job.shape.body, priority=order.priority)
                self._reshape(job, make_shape(_ruled(body)), text, order)
            case OrderKind.MOVE:
                self._move(job, order, out)
            case OrderKind.CANCEL_ELEMENTS:
                self._cancel_elements(job, order, out)
            case _:
                assert_never(order.kind)
        return state

    def _refusal(self, job: Job) -> Refused | None:
        """Of whatever order, now."""
        if job.state in TERMINAL_STATES:
            return Refused("TERMINAL", "job_ids", f"{job.id} is {job.state.name} already")
        if job.state is JobState.MOVED:
            return Refused("NOT_FOUND", "job_ids", f"{job.id} was handed to {job.transfer_to}")
        if job.state is JobState.XFER:
            message = f"{job.id} is being handed to {job.transfer_to}"
            return Refused("NOT_NOW", "job_ids", message, NOT_NOW_RETRY_MS)
        if job.state is JobState.STOPPING:
            message = f"the tasks of {job.id} are being stopped: {job.reason.detail or job.reason.code}"
            return Refused("NOT_NOW", "job_ids", message, NOT_NOW_RETRY_MS)
        if self._region.in_doubt:
            message = f"{self._region.config.name} waits for {self._region.waits_for}"
            return Refused("NOT_NOW", "job_ids", message, NOT_NOW_RETRY_MS)
        return None

    def _bad_order(self, now: Now, job: Job, order: Order) -> Refused | None:
        if order.kind is OrderKind.SET_PRIORITY and abs(order.priority) > PRIORITY_MAX:
            return Refused("INVALID", "set_priority", f"{-PRIORITY_MAX} to {PRIORITY_MAX}")
        if order.kind is OrderKind.CANCEL_ELEMENTS:
            return _bad_elements(job, order)
        if order.kind is not OrderKind.MOVE:
            return None
        region = self._region
        if order.region == region.config.name:
            return Refused("INVALID", "move", f"{job.id} is in {order.region} already")
        if order.region not in region.peers:
            return Refused("INVALID", "move", f"no region {order.region!r} in the roster")
        record = region.inventory.get(order.region)
        never = could_ever_fit(record, job.shape) if record is not None else None
        if never is not None:
            return Refused("NEVER_FITS", "move", f"it can never run in {order.region}: {never}")
        return None

    # --- one by one

    def _hold(self, job: Job, order: Order, out: Effects) -> None:
        why = order.why or "by hand"
        if job.state is JobState.RUNNING:
            self._stop(job, ReasonCode.HELD, why, out)
        elif job.reason.code is not ReasonCode.HELD:
            self._region.local.dequeue(job)
            self._books(job).hold(job, Reason(ReasonCode.HELD, why))

    def _release(self, job: Job, order: Order) -> None:
        if job.state is JobState.QUEUED and job.reason.code is ReasonCode.HELD:
            self._books(job).release(job, Reason(ReasonCode.REQUESTED, order.why or "released by hand"))
            self._region.enqueue(job)

    def _stop(self, job: Job, code: ReasonCode, why: str, out: Effects) -> None:
        """What runs of it; what waits goes on waiting."""
        if job.state is JobState.RUNNING:
            self._region.local.stop(job, Reason(code, why), out)

    def _move(self, job: Job, order: Order, out: Effects) -> None:
        body = msgspec.structs.replace(
            job.shape.body, regions_allow=(order.region,), regions_deny=(), regions_prefer=()
        )
        # However far it has come by itself: somebody wants it there.
        self._reshape(job, make_shape(_ruled(body)), f"only in {order.region}", order, way_is_new=True)
        self._stop(job, ReasonCode.REQUESTED, f"to go on in {order.region}", out)

    def _cancel_elements(self, job: Job, order: Order, out: Effects) -> None:
        assert job.array is not None
        assert order.indexes is not None
        elements, _ = positions_of(job.array, order.indexes)
        why = order.why or "by hand"
        reason = Reason(ReasonCode.CANCEL_REQUESTED, why)
        self._books(job).note_elements(
            job, "CANCEL", Reason(ReasonCode.CANCEL_REQUESTED, f"[{order.indexes.text()}]: {why}")
        )
        self._region.local.arrays.cancel(job, elements, reason, out)

    def _reshape(self, job: Job, shape: Shape, text: str, order: Order, *, way_is_new: bool = False) -> None:
        reason = Reason(ReasonCode.REQUESTED, f"{text}: {order.why}" if order.why else text)
        waits = job.state is JobState.QUEUED and not job.is_parked
        # An array is in the queue while elements of it run, too.
        waits = waits or (job.state is JobState.RUNNING and job.array is not None)
        if waits:
            self._region.local.dequeue(job)
        former = job.shape.body.priority
        self._books(job).reshape(job, shape, reason, way_is_new=way_is_new)
        self._region.local.standing.running.reprioritised(job, former)
        if waits:
            self._region.enqueue(job)

    def _books(self, job: Job) -> Books:
        return self._region.library.of(job)


def _bad_elements(job: Job, order: Order) -> Refused | None:
    """Elements that there are not, or that have all ended."""
    if job.array is None or order.indexes is None:
        return Refused("INVALID", "job_ids", f"{job.id} is no array")
    elements, unknown = positions_of(job.array, order.indexes)
    if unknown is not None:
        return Refused("INVALID", "cancel_elements.indexes", f"{job.id} has no element {unknown}")
    if not left_of(job.array, elements):
        return Refused("TERMINAL", "cancel_elements.indexes", f"{job.id}: these elements have ended already")
    return None


def _ruled(body: ShapeBody) -> ShapeBody:
    """What the spec says is not all any more: whoever gets the job is told."""
    return body if body.ruled is not None else msgspec.structs.replace(body, ruled=Ruled())
