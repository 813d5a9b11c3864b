"""What the federation side asks of the local side. Implemented by scheduling's LocalSide, faked in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.model.jobs import Allocation, Job, Reason, Shape
from hanse.core.model.reservations import CapacityReservation, WantedReservation
from hanse.core.model.time import Now
from hanse.core.replies import Refused


class Calendar(Protocol):
    """The reservations of this region. Implemented by scheduling's Reserving."""

    def known(self, name: str) -> CapacityReservation | None:
        """The reservation of this name."""

    def parts(self) -> list[CapacityReservation]:
        """Those that are parts of reservations over several regions, by id."""

    def judge(
        self, now: Now, wanted: WantedReservation, besides: Iterable[CapacityReservation] = ()
    ) -> Allocation | Refused:
        """Its nodes, beside all others and these; or why there are none. Nothing comes of it."""

    def put(self, reservation: CapacityReservation) -> None:
        """It is in force, as it is now; written in this step."""

    def remove(self, reservation_id: str, trace: CapacityReservation | None = None) -> None:
        """It is over; what is to be remembered of it is kept."""

    def is_long_over(self, reservation: CapacityReservation) -> bool:
        """Whether nobody has to know of it any more, by a clock that is believed."""


class LocalWork(Protocol):
    """The queue and the capacity of this region."""

    def slots(self, shape: Shape, limit: int, tenant: str = "") -> int:
        """How many jobs of this shape and tenant could start now, or soon enough that a hop is not wasted; at most
        `limit`."""

    def knows_tier(self, tier: str) -> bool:
        """Whether the policy in force has it."""

    def never_fits(self, shape: Shape) -> str | None:
        """Why it could not run here even if everything were idle; None: it could."""

    def never_admitted(self, tenant: str, shape: Shape) -> str | None:
        """Why the tenant's quota here could not hold it even if nobody else used any; None: it could."""

    def has_quota(self, tenant: str, shape: Shape) -> bool:
        """Whether the tenant's quota here has something left for it now."""

    def predicted_wait_us(self, shape: Shape) -> int:
        """How long a job of this shape that is queued now would wait."""

    def is_blocked(self, shape_key: bytes) -> bool:
        """Whether jobs of this shape wait here, for want of room."""

    def queue_wait_us(self) -> int:
        """How long the last job of the queue will wait; 0 if nothing is queued."""

    def waiting_shapes(self, limit: int) -> list[Shape]:
        """Shapes that are blocked here, in the order in which they would be served."""

    def waiting(self, shape_key: bytes, limit: int) -> list[Job]:
        """The first queued jobs of a shape, in order."""

    def waiting_spread(self, shape_key: bytes, from_us: int, until_us: int, count: int) -> list[Job]:
        """So many queued jobs of a shape, evenly spread over those that would start between these waits, as if the last
        one waited `until_us`."""

    def is_waiting(self, job: Job) -> bool:
        """Whether it is queued, could start as soon as there is room, and nobody is being stopped for it."""

    def numerous_shapes(self, limit: int) -> list[Shape]:
        """The shapes with most queued jobs, most numerous first."""

    def added_wait_us(self, shape: Shape) -> int:
        """By how much one more job of this shape prolongs the queue."""

    def learn(self, job: Job, run_us: int) -> None:
        """A job of this home has run elsewhere to its own end, in this time."""

    def enqueue(self, job: Job) -> None:
        """This QUEUED job waits for capacity here."""

    def dequeue(self, job: Job) -> None:
        """It does not any more."""

    def stop(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the job's present attempt."""

    def running(self) -> list[Job]:
        """The jobs that run here, and are not being stopped, in the order of their starts."""

    def restartable_newest(self, limit: int) -> list[Job]:
        """Of the last so many that may go on in another region those that run and are not being stopped, newest
        first."""

    def blocked_gang(self) -> Job | None:
        """The first job that is blocked by the nodes, if it is a gang for which running jobs may be moved, and some
        are."""

    def make_room(
        self, gang: Job, movable: Sequence[Job], most: int, agreed: Callable[[list[Job]], bool], out: Effects
    ) -> list[Job]:
        """End the cheapest of these running jobs, at most so many, without which the blocked gang can start, if
        `agreed` says so of them; what they leave is the gang's. Returns them."""

    def stop_to_move(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the present attempt so that the job goes on in another region."""

    def open_books(self, now: Now, books: Books) -> None:
        """This region leads a shard: what it was running under the same term goes on."""

    def abandon(self, now: Now, books: Books, out: Effects) -> None:
        """Another region leads the shard: end what runs here, and hold its capacity until it is dead."""

    def living(self, shard: str) -> bool:
        """Whether tasks of this shard may be alive here."""

    def found_attempt(self, job_id: str, epoch: int) -> int:
        """The newest attempt of this job at this epoch that the engine knew of at the start of this life; 0: none."""


class Transfers(Protocol):
    """Transfers away from this region, of whatever books a job is in."""

    def room(self, peer: str) -> int:
        """How many more transfers to this peer may be open."""

    def give(self, now: Now, job: Job, peer: str, offer_id: int, out: Effects, why: str = "") -> None:
        """The peer accepted, and the job is still queued. `why` is for people, if it is not for room."""
