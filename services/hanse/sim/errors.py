"""How a simulated run fails, told apart by exit code.

OurBug
+-- SimulationFailure
    +-- Crash               the core raised, or broke one of its invariants       exit code 10
    +-- SafetyViolation     something happened that must never happen             exit code 11
    +-- LivenessViolation   after healing, something that must happen did not     exit code 12
"""

from __future__ import annotations

from typing import ClassVar

from hanse.core.model.errors import OurBug


class SimulationFailure(OurBug):
    """Base of what a run can find. `at_us` is the virtual instant; `job_id` is empty if no single job is to blame."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, at_us: int = 0, job_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at_us = at_us
        self.job_id = job_id

    def __str__(self) -> str:
        return f"{self.message} (at {self.at_us / 1e6:.6f} s{f', job {self.job_id}' if self.job_id else ''})"


class Crash(SimulationFailure):
    """The core raised an exception, or its books broke an invariant."""

    exit_code = 10


class SafetyViolation(SimulationFailure):
    """Something happened that must never happen."""

    exit_code = 11


class LivenessViolation(SimulationFailure):
    """The world had healed, and still something that must happen did not, within the bound."""

    exit_code = 12
