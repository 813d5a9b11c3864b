"""Devices: the kinds of capacity that come in pieces which a task is given by index.

gpu and npu are counted in thousandths of a device. A task gets whole devices (a multiple of 1000) or a share of one
device (less than 1000); 1500 is neither, and is refused: nobody could say which half it is.
A kind and its refinement ("gpu", "gpu/a100") are different pools with devices of their own, and the indices of all
pools of a family on a node are disjoint, so that an index names one physical device whatever it was asked for as.
"""

from __future__ import annotations

from functools import lru_cache

from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.resources import Resources

# Kinds whose families are remembered: each start asks, and regions have tens of kinds.
KINDS_REMEMBERED_MAX = 1024
DEVICE_FAMILIES = ("gpu", "npu")


@lru_cache(maxsize=KINDS_REMEMBERED_MAX)
def device_family(kind: str) -> str:
    """ "gpu" for "gpu" and "gpu/a100"; empty for kinds that are not devices."""
    family = kind.split("/", 1)[0]
    return family if family in DEVICE_FAMILIES else ""


def has_devices(wanted: Resources) -> bool:
    """Whether any of these are devices."""
    for kind, _ in wanted:  # noqa: SIM110 - asked at each start, and half as long as any() with a generator
        if device_family(kind):
            return True
    return False


def device_request_error(kind: str, quantity: int) -> str | None:
    """Why one task cannot ask for this much of this kind."""
    if not device_family(kind) or quantity < DEVICE_UNIT or quantity % DEVICE_UNIT == 0:
        return None
    whole = f"whole devices (a multiple of {DEVICE_UNIT})"
    return f"{kind}={quantity} is neither {whole} nor a share of one (below {DEVICE_UNIT})"


def device_capacity_error(kind: str, quantity: int) -> str | None:
    """Why a node cannot have this much of this kind."""
    if not device_family(kind) or quantity % DEVICE_UNIT == 0:
        return None
    return f"{kind}={quantity} is not a whole number of devices (a multiple of {DEVICE_UNIT})"


def first_indices(capacity: Resources) -> dict[str, int]:
    """For each device kind of a node, the index of its first device; later kinds of a family count on."""
    counted = dict.fromkeys(DEVICE_FAMILIES, 0)
    first: dict[str, int] = {}
    for kind, quantity in capacity:
        family = device_family(kind)
        if family:
            first[kind] = counted[family]
            counted[family] += quantity // DEVICE_UNIT
    return first


def choose_devices(
    shares: list[int], quantity: int, island: int = 0, *, one_island: bool = False
) -> list[int] | None:
    """Positions in `shares` (free thousandths, device by device) for a task; None if there are none.

    A share comes from the device whose free share is the least that suffices: other devices stay whole. Whole devices
    come from the island (every `island` devices; 0: the node is one) with the fewest free ones that suffices: other
    islands stay whole. Where none suffices they come from several, unless it must be `one_island`.
    """
    if quantity < DEVICE_UNIT:
        fitting = [(share, position) for position, share in enumerate(shares) if share >= quantity]
        return [min(fitting)[1]] if fitting else None
    wanted = quantity // DEVICE_UNIT
    whole = [position for position, share in enumerate(shares) if share == DEVICE_UNIT]
    if len(whole) < wanted:
        return None
    if not island:
        return whole[:wanted]
    islands = _by_island(whole, island)
    enough = [(len(positions), positions) for positions in islands if len(positions) >= wanted]
    if enough:
        return min(enough)[1][:wanted]
    if one_island:
        return None
    islands.sort(key=lambda positions: (-len(positions), positions))
    return [position for positions in islands for position in positions][:wanted]


def _by_island(positions: list[int], island: int) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for position in positions:
        found.setdefault(position // island, []).append(position)
    return list(found.values())


def largest_island(shares: list[int], island: int) -> int:
    """The most thousandths in whole devices that one island has free."""
    return max(
        (shares[at : at + island].count(DEVICE_UNIT) * DEVICE_UNIT for at in range(0, len(shares), island)),
        default=0,
    )


def shares_fitting(shares: list[int], quantity: int, island: int = 0) -> int:
    """How many tasks that each need `quantity` of one kind these devices can hold; with `island`, tasks that need all
    their devices from one."""
    if quantity < DEVICE_UNIT:
        return sum(share // quantity for share in shares)
    if not island:
        return shares.count(DEVICE_UNIT) * DEVICE_UNIT // quantity
    return sum(
        shares[at : at + island].count(DEVICE_UNIT) * DEVICE_UNIT // quantity
        for at in range(0, len(shares), island)
    )
