"""What the daemon asks the process that works out a plan. Beside both, so that the process starts without the daemon's
servers."""

from __future__ import annotations

import msgspec

from hanse.core.model.regions import RegionConfig
from hanse.policies.rules import Here


class PlanTask(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare. `ledger`: path of the file."""

    ledger: str
    config: RegionConfig
    here: Here
    version: int
    document_before: str
    document_after: str
    jobs_max: int
    now_wall_us: int
