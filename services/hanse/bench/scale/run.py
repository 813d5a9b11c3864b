"""The benchmark: points, exponents, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hanse.bench.figures import load_1min
from hanse.bench.result import versions
from hanse.bench.scale.axes import AXES, MEMORY, MEMORY_MIN_BYTES, Axis, AxisName, Point
from hanse.bench.scale.fitting import POINTS_MIN, Fit, Growth, Judged, judged
from hanse.bench.scale.points import Told, measured


class Curve(msgspec.Struct, frozen=True):
    """What one work costs at each size, in `unit`: the least of all measurements, because what comes on top of it is
    the machine's. `noise`: by which part of itself that differs from the next one, for the size where it is middling.
    `judged` None: there are too few sizes."""

    name: str
    what: str
    unit: str
    costs: tuple[tuple[int, float], ...]
    noise: float
    judged: Judged | None


class AxisResult(msgspec.Struct, frozen=True):
    """All curves of one axis. `missed`: sizes for which there was no time."""

    axis: Axis
    curves: tuple[Curve, ...]
    missed: tuple[int, ...]
    wall_s: float


async def bench_scale(
    names: Sequence[AxisName], up_to: Mapping[AxisName, int], limit_s: float | None, told: Told
) -> tuple[list[AxisResult], dict[str, Any]]:
    """Measure these axes, each up to its size in `up_to` (else its own), within `limit_s` (else its own) each. Returns
    them, and the document."""
    before, results = load_1min(), []
    for number, name in enumerate(names):
        axis = AXES[name]

        def tell(text: str, share: float, number: int = number) -> None:
            told(text, (number + share) / len(names))

        results.append(await _axis(axis, axis.sizes(up_to.get(name)), limit_s or axis.limit_s, tell))
    return results, document_of(results, before)


async def _axis(axis: Axis, sizes: Sequence[int], limit_s: float, told: Told) -> AxisResult:
    begun_s = time.monotonic()
    points, missed = await measured(axis, sizes, limit_s, told)
    wall_s = round(time.monotonic() - begun_s, 1)
    return AxisResult(axis, tuple(curves_of(points, shared=axis.shared)), tuple(missed), wall_s)


def curves_of(points: Mapping[int, Sequence[Point]], *, shared: bool = False) -> Iterable[Curve]:
    """One for each work, and one for memory (`shared`: of one of n)."""
    works = next(iter(points.values()))[0].works if points else ()
    for number, work in enumerate(works):
        costs = {n: [each.works[number].seconds for each in found] for n, found in points.items()}
        yield _curve(work.name, work.what, "s", costs)
    grown = {n: [each.peak_bytes - each.base_bytes for each in found] for n, found in points.items()}
    large = {n: costs for n, costs in grown.items() if min(costs) >= MEMORY_MIN_BYTES}
    if large and shared:
        parts = {n: [each / n for each in costs] for n, costs in large.items()}
        yield _curve(MEMORY, "resident memory of one, at its peak", "bytes", parts)
    elif large:
        yield _curve(MEMORY, "resident memory, at its peak", "bytes", large)


def _curve(name: str, what: str, unit: str, costs: Mapping[int, Sequence[float]]) -> Curve:
    least = tuple((n, min(each)) for n, each in costs.items())
    spreads = sorted(sorted(each)[1] / min(each) - 1 for each in costs.values() if len(each) > 1)
    noise = spreads[len(spreads) // 2] if spreads else 0.0
    return Curve(name, what, unit, least, noise, judged(least, noise) if len(least) >= POINTS_MIN else None)


# --- the document ----------------------------------------------------------------------------------------------------


def document_of(results: Sequence[AxisResult], before: float) -> dict[str, Any]:
    """Everything as plain values."""
    every = [(result.axis, curve) for result in results for curve in result.curves]
    faster = _named(every, Growth.FASTER)
    undecided = _named(every, Growth.UNDECIDED)
    return {
        "benchmark": "scale",
        "faster_than_n_log_n": faster,
        "undecided": undecided,
        "missed": [f"{result.axis.name}={n}" for result in results for n in result.missed],
        "verdict": verdict(faster, undecided),
        "exponent_max": _largest(curve for _, curve in every),
        "axes": [_axis_document(result) for result in results],
        "set_up": {
            "times": "CPU seconds; the least of all measurements of a size",
            "interval": "95 %, from how far sizes are off the line",
            "limits_s": {result.axis.name.value: result.axis.limit_s for result in results},
        },
        "versions": versions(),
        "load": {"before_1min": before, "after_1min": load_1min()},
    }


def verdict(faster: Sequence[str], undecided: Sequence[str]) -> str:
    """In one sentence."""
    if faster:
        return f"{', '.join(faster)}: faster than n log n"
    if undecided:
        return f"nothing is seen to grow faster than n log n; too noisy to tell of {', '.join(undecided)}"
    return "nothing grows faster than n log n"


def _named(every: Sequence[tuple[Axis, Curve]], growth: Growth) -> list[str]:
    return [
        f"{axis.name}.{curve.name}" for axis, curve in every if curve.judged and curve.judged.growth is growth
    ]


def _largest(curves: Iterable[Curve]) -> float | None:
    exponents = [curve.judged.whole.exponent for curve in curves if curve.judged is not None]
    return round(max(exponents), 3) if exponents else None


def _axis_document(result: AxisResult) -> dict[str, Any]:
    return {
        "axis": result.axis.name.value,
        "what": result.axis.what,
        "wall_s": result.wall_s,
        "missed": list(result.missed),
        "works": [_curve_document(curve) for curve in result.curves],
    }


def _curve_document(curve: Curve) -> dict[str, Any]:
    found = curve.judged
    return {
        "name": curve.name,
        "what": curve.what,
        "unit": curve.unit,
        "costs": [[n, cost] for n, cost in curve.costs],
        "noise": round(curve.noise, 4),
        "exponent": _fit_document(found.whole) if found else None,
        "exponent_upper_half": _fit_document(found.upper) if found else None,
        "growth": found.growth.value if found else None,
    }


def _fit_document(fit: Fit) -> dict[str, float]:
    return {"value": round(fit.exponent, 3), "low": round(fit.low, 3), "high": round(fit.high, 3)}
