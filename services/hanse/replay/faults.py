"""What goes wrong in a replay: regions that are lost with their machines for a while."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec

from hanse.core.model.time import SECOND_US
from hanse.replay import bounds
from hanse.replay.errors import ReplayRefused

_DAY_US = 86_400 * SECOND_US
_HELP = "write REGION@DAY-DAY, such as eu-west@10-12.5, or REGION@DAY for ever; commas between"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """This region has neither daemon nor machines between these instants of the trace; its disk stays. `back_us` None:
    it never comes back, nor does its disk."""

    region: str
    lost_us: int
    back_us: int | None


def parse_faults(text: str, regions: tuple[str, ...]) -> tuple[Fault, ...]:
    """Of an option's value. Raises ReplayRefused."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > bounds.FAULTS_MAX:
        raise ReplayRefused(f"more than {bounds.FAULTS_MAX} faults")
    faults = sorted((_fault(part, regions) for part in parts), key=lambda fault: fault.lost_us)
    for region in regions:
        own = [fault for fault in faults if fault.region == region]
        for before, after in pairwise(own):
            if before.back_us is None or after.lost_us <= before.back_us:
                raise ReplayRefused(f"{region} is lost again before it is back")
    return tuple(faults)


def _fault(part: str, regions: tuple[str, ...]) -> Fault:
    region, at, days = part.rpartition("@")
    first, dash, last = days.partition("-")
    if not at or not first:
        raise ReplayRefused(f"{part!r} is no fault: {_HELP}")
    if region not in regions:
        raise ReplayRefused(f"no region {region!r}; there are {', '.join(regions)}")
    lost_us = _day_us(first, part)
    back_us = _day_us(last, part) if dash else None
    if back_us is not None and back_us <= lost_us:
        raise ReplayRefused(f"{part!r}: a region is back after it was lost, not before")
    return Fault(region=region, lost_us=lost_us, back_us=back_us)


def _day_us(text: str, part: str) -> int:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days * _DAY_US <= bounds.INSTANT_S_MAX * SECOND_US:
        raise ReplayRefused(f"{part!r}: {text!r} is not a day of the trace; {_HELP}")
    return round(days * _DAY_US)
