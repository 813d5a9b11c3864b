"""Devices: the kinds of capacity that come in pieces which a task is given by index.

gpu and npu are counted in thousandths of a device. A task gets whole devices (a multiple of 1000) or a share of one
device (less than 1000); 1500 is neither, and is refused: nobody could say which half it is.
A kind and its refinement ("gpu", "gpu/a100") are different pools with devices of their own, and the indices of all
pools of a family on a node are disjoint, so that an index names one physical device whatever it was asked for as.
"""

from __future__ import annotations

from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.resources import Resources

DEVICE_FAMILIES = ("gpu", "npu")


def device_family(kind: str) -> str:
    """ "gpu" for "gpu" and "gpu/a100"; empty for kinds that are not devices."""
    family = kind.split("/", 1)[0]
    return family if family in DEVICE_FAMILIES else ""


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


def choose_devices(shares: list[int], quantity: int) -> list[int] | None:
    """Positions in `shares` (free thousandths, device by device) for a task: the first whole ones, or the device whose
    free share is the least that suffices (best fit keeps other devices whole). None if there are none."""
    if quantity >= DEVICE_UNIT:
        wanted = quantity // DEVICE_UNIT
        whole = [position for position, share in enumerate(shares) if share == DEVICE_UNIT]
        return whole[:wanted] if len(whole) >= wanted else None
    fitting = [(share, position) for position, share in enumerate(shares) if share >= quantity]
    return [min(fitting)[1]] if fitting else None


def shares_fitting(shares: list[int], quantity: int) -> int:
    """How many tasks that each need `quantity` of one kind these devices can hold."""
    if quantity >= DEVICE_UNIT:
        return shares.count(DEVICE_UNIT) * DEVICE_UNIT // quantity
    return sum(share // quantity for share in shares)
