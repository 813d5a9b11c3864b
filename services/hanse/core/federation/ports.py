"""What the federation side asks of the local side. Implemented by scheduling's LocalSide, faked in tests."""

from __future__ import annotations

from typing import Protocol

from hanse.core.model.jobs import Job, Shape


class LocalWork(Protocol):
    """The queue and the capacity of this region."""

    def slots(self, shape: Shape, limit: int, tenant: str = "") -> int:
        """How many jobs of this shape and tenant could start now, or soon enough that a hop is not wasted; at most
        `limit`."""

    def never_fits(self, shape: Shape) -> str | None:
        """Why it could not run here even if everything were idle; None: it could."""

    def predicted_wait_us(self, shape: Shape) -> int:
        """How long a job of this shape that is queued now would wait."""

    def waiting_shapes(self, limit: int) -> list[Shape]:
        """Shapes that are blocked here, in the order in which they would be served."""

    def waiting(self, shape_key: bytes, limit: int) -> list[Job]:
        """The first queued jobs of a shape, in order."""

    def enqueue(self, job: Job) -> None:
        """This QUEUED job waits for capacity here."""

    def dequeue(self, job: Job) -> None:
        """It does not any more."""

    def found_attempt(self, job_id: str, epoch: int) -> int:
        """The newest attempt of this job at this epoch that the engine knew of at the start of this life; 0: none."""
