"""How a trial may lose a region."""

from __future__ import annotations

import enum


class Fault(enum.StrEnum):
    """What befalls a region."""

    # kill -9 of the daemon and of every supervisor and task; the disk is deleted. It returns on an empty one.
    KILL = "kill"
    # SIGSTOP of the daemon; its tasks run on. It returns with SIGCONT.
    FREEZE = "freeze"
    # Nothing arrives from it or at it; all of it runs on. It returns when the links do.
    PARTITION = "partition"

    @property
    def keeps_disk(self) -> bool:
        """Whether the region returns with its ledger, and with what was not to be taken over."""
        return self is not Fault.KILL
