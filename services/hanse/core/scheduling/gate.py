"""What the scheduling cycle asks before it starts a job that it could place: whether the job has the rights for it."""

from __future__ import annotations

from typing import Protocol

from hanse.core.model.jobs import Job


class StartGate(Protocol):
    """Global quotas, as scheduling sees them. Implemented by federation/escrow."""

    def may_start(self, job: Job) -> bool:
        """Whether this job may run now."""

    def take(self, job: Job) -> None:
        """It starts, in this step. (That it has ended, the books tell.)"""

    def set_aside(self, job: Job) -> None:
        """It may not, and has left the queue: it is the gate's to bring it back."""

    def forget(self, job: Job) -> None:
        """It waits for nothing any more."""

    def waits(self, job_id: str) -> bool:
        """Whether it was set aside."""


class _OpenGate:
    """Without quotas."""

    def may_start(self, job: Job) -> bool:
        return True

    def take(self, job: Job) -> None:
        pass

    def set_aside(self, job: Job) -> None:
        raise AssertionError("everybody may start")

    def forget(self, job: Job) -> None:
        pass

    def waits(self, job_id: str) -> bool:
        return False


OPEN_GATE: StartGate = _OpenGate()
