"""What can be wrong with what a replay is given."""

from __future__ import annotations

from hanse.core.model.errors import CallerFault


class ReplayRefused(CallerFault):
    """A replay that cannot be begun as asked."""


class TraceRefused(ReplayRefused):
    """A file that cannot be replayed. `line` counts from 1 (0: the file as a whole), `field` is the column's name."""

    def __init__(self, file: str, line: int, field: str, message: str) -> None:
        where = file if not line else f"{file}:{line}" + (f":{field}" if field else "")
        super().__init__(f"{where}: {message}")
        self.file = file
        self.line = line
        self.field = field
        self.message = message
