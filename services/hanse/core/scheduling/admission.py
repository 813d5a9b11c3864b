"""Which queued shapes this region may start at all, whatever its capacity. Quotas and reservations belong here."""

from __future__ import annotations

from hanse.core.model.jobs import ShapeBody
from hanse.core.replies import Blocker

REGION_NOT_ALLOWED = "REGION_NOT_ALLOWED"


def refused_here(region: str, body: ShapeBody) -> Blocker | None:
    """Why a shape must not start in this region; None: it may."""
    if region in body.regions_deny:
        return Blocker(code=REGION_NOT_ALLOWED, message=f"its regions.deny names {region}")
    if body.regions_allow and region not in body.regions_allow:
        allowed = ", ".join(body.regions_allow)
        return Blocker(code=REGION_NOT_ALLOWED, message=f"its regions.allow names only {allowed}")
    return None
