"""What every checker is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chaos.checkers.disks import Disks
from hanse.sim.errors import SafetyViolation

Handlers = Mapping[type, Callable[[Any], None]]


class Checker:
    """Reads entries in order, by type. A subclass names what it reads, and judges the rest in `finish`. `disks` have
    taken in an entry before a checker sees it."""

    def __init__(self, disks: Disks) -> None:
        self.disks = disks

    def handlers(self) -> Handlers:
        """Which entries it reads, and with what."""
        raise NotImplementedError

    def finish(self) -> None:
        """The record is over."""


def violated(message: str, at_us: int, job_id: str = "") -> SafetyViolation:
    """The exception to raise."""
    return SafetyViolation(message, at_us=at_us, job_id=job_id)
