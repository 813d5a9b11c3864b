"""What can be wrong with a roster, as values."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from hanse.core.model.errors import CallerFault
from hanse.core.replies import Refused


class FaultKind(enum.Enum):
    """Whose mistake it is decides what an operator does next."""

    INVALID = "the document contradicts itself or breaks a bound"
    STRANGER = "it was not signed by the operator's key, or a signature does not fit"
    OLDER = "a newer roster is in force"
    GAP = "rosters between it and the one in force are missing"
    FORK = "another roster of its epoch is in force or countersigned, or it follows on another one"
    UNSAFE = "guardians would change so that a majority of a set loses what it holds"
    UNSUPPORTED = "too few members of the epoch before have countersigned it"
    UNABLE = "this region may not countersign"
    EARLY = "this region may not countersign yet"


class RosterFault(msgspec.Struct, frozen=True):
    """One thing that is wrong. `field` is a path in the document, or empty."""

    kind: FaultKind
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


_REFUSALS = {
    FaultKind.INVALID: "INVALID",
    FaultKind.STRANGER: "UNAUTHORISED",
    FaultKind.OLDER: "CONFLICT",
    FaultKind.GAP: "CONFLICT",
    FaultKind.FORK: "CONFLICT",
    FaultKind.UNSAFE: "CONFLICT",
    FaultKind.UNSUPPORTED: "CONFLICT",
    FaultKind.UNABLE: "CONFLICT",
    FaultKind.EARLY: "UNREACHABLE",
}
# A region that has just started is ready within seconds.
_RETRY_AFTER_MS = 500


def refused(fault: RosterFault) -> Refused:
    """As callers are told."""
    retry_after_ms = _RETRY_AFTER_MS if fault.kind is FaultKind.EARLY else 0
    return Refused(_REFUSALS[fault.kind], fault.field, str(fault), retry_after_ms)


class RosterConflict(CallerFault):
    """The rosters in the configuration and those on the disk cannot both be right."""

    def __init__(self, faults: Iterable[RosterFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))
