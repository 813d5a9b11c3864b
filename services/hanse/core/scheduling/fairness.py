"""Shares: what a tenant has had of a region, as integers, and how they decay.

A share is the dominant one: of all kinds of resources that a job holds, the largest part of what the region has of
one (Ghodsi et al., "Dominant Resource Fairness", 2011). History is an exponential average of the share held, so that
it counts in the same unit as the present share. Integers only: what decides an order must not depend on a processor.
"""

from __future__ import annotations

from functools import lru_cache

from hanse.core.model.resources import Resources

# One whole region; 2^40 keeps a core of a large region apart from nothing, over the smallest steps of time.
SHARE_UNIT = 1 << 40
# Coefficients of the Taylor series of 2^-x, (ln 2)^n / n!, in units of 2^-40: wrong by less than 1.3e-3 up to x = 1.
_SERIES = (SHARE_UNIT, 762_123_384_786, 264_131_837_702, 61_027_412_866, 10_575_244_791)
# Shares closer together than one part in 16 are equal, so that priority and age decide between them.
_LEVEL_FRACTION_BITS = 4
# Below a thousandth of the region nobody has had anything yet.
_LEVEL_SHARE_MIN = SHARE_UNIT >> 10

_LEVEL_STEP = _LEVEL_SHARE_MIN >> _LEVEL_FRACTION_BITS


def dominant_share(held: Resources, capacity: dict[str, int]) -> int:
    """The largest part of what the region has of one kind, in SHARE_UNIT."""
    dominant = 0
    for kind, quantity in held:
        whole = capacity.get(kind)
        if whole:
            dominant = max(dominant, quantity * SHARE_UNIT // whole)
    return dominant


def decayed(value: int, elapsed_us: int, half_life_us: int) -> int:
    """`value` halved once in each half-life."""
    halvings, rest_us = divmod(elapsed_us, half_life_us)
    if halvings >= value.bit_length():
        return 0
    return value * _factor(rest_us, half_life_us) >> (40 + halvings)


# Many accounts decay over the same time, one after another, so that few of these are enough.
_FACTORS_REMEMBERED_MAX = 64


@lru_cache(maxsize=_FACTORS_REMEMBERED_MAX)
def _factor(rest_us: int, half_life_us: int) -> int:
    """What is left of one after less than a half-life, in SHARE_UNIT."""
    x = rest_us * SHARE_UNIT // half_life_us
    factor, power = 0, SHARE_UNIT
    for number, coefficient in enumerate(_SERIES):
        term = coefficient * power // SHARE_UNIT
        factor += -term if number % 2 else term
        power = power * x // SHARE_UNIT
    return factor


def averaged(history: int, held: int, elapsed_us: int, half_life_us: int) -> int:
    """The average after `held` was held for a while: it nears what is held, by half of what is missing in each
    half-life."""
    if history >= held:
        return held + decayed(history - held, elapsed_us, half_life_us)
    return held - decayed(held - history, elapsed_us, half_life_us)


def level(share: int) -> int:
    """A coarse logarithm: equal for shares that are nearly equal, and larger for larger ones."""
    if share < _LEVEL_SHARE_MIN:
        return 0
    scaled = share // _LEVEL_STEP
    exponent = scaled.bit_length() - 1 - _LEVEL_FRACTION_BITS
    return (exponent << _LEVEL_FRACTION_BITS) + (scaled >> exponent)


def share_at(share_level: int) -> int:
    """The least share that has this level."""
    if not share_level:
        return 0
    exponent, fraction = divmod(share_level, 1 << _LEVEL_FRACTION_BITS)
    return ((1 << _LEVEL_FRACTION_BITS) + fraction << exponent - 1) * _LEVEL_STEP


def level_range(share: int) -> tuple[int, int]:
    """The least share that has the same level, and the least larger one that has not."""
    if share < _LEVEL_SHARE_MIN:
        return 0, _LEVEL_SHARE_MIN
    scaled = share // _LEVEL_STEP
    exponent = scaled.bit_length() - 1 - _LEVEL_FRACTION_BITS
    mantissa = scaled >> exponent
    return (mantissa << exponent) * _LEVEL_STEP, (mantissa + 1 << exponent) * _LEVEL_STEP
