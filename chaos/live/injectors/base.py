"""What all injectors have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from chaos.live.stage import Stage


class Injector(ABC):
    """One fault, once. `heal` is called after every `inject` that began, also one that failed half-way."""

    def __init__(self, fault: Any, stage: Stage) -> None:
        self.fault = fault
        self.stage = stage

    @abstractmethod
    async def inject(self) -> None:
        """Do it. HarnessError if it cannot be done: a fault that did not happen must not count."""

    @abstractmethod
    async def heal(self) -> None:
        """Undo it, and return when it is undone."""
