"""How cost grows: exponents of made-up costs, which sizes are measured, and one short run of each axis."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from hanse.bench.scale.axes import AXES, MEMORY, MEMORY_MIN_BYTES, Axis, AxisName, Point, Work
from hanse.bench.scale.fitting import Growth, fitted, judged, n_log_n, upper_half
from hanse.bench.scale.page import bytes_text, html_of, seconds_text, svg_of
from hanse.bench.scale.points import measured
from hanse.bench.scale.run import bench_scale, curves_of, verdict
from hanse.cli.bench import _sizes
from hanse.cli.errors import UsageOrConfigError

SIZES = [100, 316, 1_000, 3_162, 10_000, 31_623, 100_000]


def silent(text: str, share: float) -> None:
    """Nobody waits for it."""


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_a_power_is_found(exponent: float) -> None:
    fit = fitted([(n, 3e-6 * n**exponent) for n in SIZES])
    assert fit.exponent == pytest.approx(exponent, abs=1e-9)
    assert fit.low == pytest.approx(fit.high, abs=1e-6)
    assert fit.at(50) == pytest.approx(3e-6 * 50**exponent)


def test_the_interval_holds_the_truth_in_about_95_of_100_cases() -> None:
    randomness = random.Random(7)
    held = 0
    for _ in range(400):
        fit = fitted([(n, n**0.7 * math.exp(randomness.gauss(0, 0.1))) for n in SIZES])
        held += fit.low <= 0.7 <= fit.high
    assert 0.92 <= held / 400 <= 0.98


def test_two_points_say_nothing_about_confidence() -> None:
    with pytest.raises(ValueError, match="2 points"):
        fitted([(1.0, 1.0), (2.0, 2.0)])


@pytest.mark.parametrize(
    ("cost", "growth"),
    [
        pytest.param(lambda n: 1.0, Growth.WITHIN, id="constant"),
        pytest.param(lambda n: n, Growth.WITHIN, id="linear"),
        pytest.param(n_log_n, Growth.WITHIN, id="n log n"),
        pytest.param(lambda n: n**1.3, Growth.FASTER, id="n to the 1.3"),
        pytest.param(lambda n: n * n, Growth.FASTER, id="quadratic"),
        # A large constant hides it over all sizes, but not over the upper half.
        pytest.param(lambda n: 1e6 + n * n, Growth.FASTER, id="quadratic behind a constant"),
        # A jump between two sizes is neither a line nor a power.
        pytest.param(lambda n: n * (1 if n < 1_000 else 9), Growth.UNDECIDED, id="a jump"),
    ],
)
def test_growth_is_compared_with_n_log_n(cost: Callable[[float], float], growth: Growth) -> None:
    assert judged([(n, cost(n)) for n in SIZES], noise=0.02).growth is growth


def test_what_noise_alone_can_tilt_is_no_growth() -> None:
    points = [(n, n_log_n(n) * n**0.03) for n in SIZES]
    assert judged(points, noise=0.0).growth is Growth.FASTER
    assert judged(points, noise=0.3).growth is Growth.WITHIN


def test_the_upper_half_is_large_enough_for_an_interval() -> None:
    points = [(float(n), 1.0) for n in SIZES]
    assert [n for n, _ in upper_half(points)] == [3_162, 10_000, 31_623, 100_000]
    assert len(upper_half(points[:5])) == 4


def test_sizes_are_evenly_spaced_by_the_logarithm() -> None:
    assert AXES[AxisName.NODES].sizes() == SIZES
    assert AXES[AxisName.REGIONS].sizes() == [3, 6, 14, 30, 65, 139, 300]
    assert AXES[AxisName.JOBS].sizes(up_to=10_000) == [1_000, 3_162, 10_000]
    assert AXES[AxisName.JOBS].sizes(up_to=1_000) == [1_000]


def test_curves_take_the_least_and_tell_the_noise() -> None:
    def point(n: int, seconds: float, peak: int) -> Point:
        return Point(n, (Work("turn", "a turn", seconds),), 0, peak, 1.0)

    points = {
        100: [point(100, 2.0, 1), point(100, 1.0, 1), point(100, 1.1, 1)],
        1_000: [point(1_000, 3.0, 2 * MEMORY_MIN_BYTES)],
    }
    turn, memory = curves_of(points)
    assert turn.costs == ((100, 1.0), (1_000, 3.0))
    assert turn.noise == pytest.approx(0.1)
    assert turn.judged is None
    # Of too little memory nothing can be told.
    assert (memory.name, memory.costs) == (MEMORY, ((1_000, 2 * MEMORY_MIN_BYTES),))
    # Regions side by side in one process: what counts is what one of them takes.
    _, of_one = curves_of(points, shared=True)
    assert of_one.costs == ((1_000, 2 * MEMORY_MIN_BYTES / 1_000),)


def test_the_verdict_is_a_sentence() -> None:
    assert verdict([], []) == "nothing grows faster than n log n"
    assert verdict([], ["jobs.turn"]).endswith("too noisy to tell of jobs.turn")
    assert verdict(["jobs.turn"], ["nodes.end"]) == "jobs.turn: faster than n log n"


def test_texts_are_in_the_unit_that_fits() -> None:
    assert [seconds_text(each) for each in (2.5, 0.0032, 4.5e-5)] == ["2.5 s", "3.2 ms", "45 us"]
    assert [bytes_text(each) for each in (2.5e9, 3.2e6)] == ["2.5 GB", "3.2 MB"]


def test_where_axes_end_can_be_said_of_all_or_of_one() -> None:
    assert _sizes(["2000", "jobs=5000"], [AxisName.NODES, AxisName.JOBS]) == {
        AxisName.NODES: 2_000,
        AxisName.JOBS: 5_000,
    }
    for text in ("ten", "tasks=5", "nodes=", "nodes=5"):
        with pytest.raises(UsageOrConfigError, match=f"--up-to {text}"):
            _sizes([text], list(AxisName))


async def test_sizes_without_time_are_left_out() -> None:
    axis = Axis(AxisName.NODES, "nodes", 3, 10, 1, 1.0)
    found, missed = await measured(axis, [3, 10], 0.001, silent)
    assert (found, missed) == ({}, [3, 10])


@pytest.mark.timeout(120)
async def test_each_axis_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        AxisName.REGIONS: Axis(AxisName.REGIONS, "regions", 3, 5, 1, 60.0),
        AxisName.NODES: Axis(AxisName.NODES, "nodes", 100, 100, 1, 60.0),
        AxisName.JOBS: Axis(AxisName.JOBS, "jobs", 100, 100, 1, 60.0),
    }
    monkeypatch.setattr("hanse.bench.scale.run.AXES", small)
    monkeypatch.setattr("hanse.bench.scale.points.ROUNDS_MAX", 1)
    results, document = await bench_scale(list(AxisName), {}, None, silent)
    works = {
        axis["axis"]: {work["name"]: [n for n, _ in work["costs"]] for work in axis["works"]}
        for axis in document["axes"]
    }
    assert works["regions"]["handoff"] == works["regions"]["start"] == [3, 5]
    assert works["nodes"].keys() >= {"start", "gang", "place", "end", "explain"}
    assert works["jobs"].keys() >= {"queue", "turn", "cancel", "explain", "restart"}
    assert all(cost > 0 for axis in document["axes"] for work in axis["works"] for _, cost in work["costs"])
    assert [axis["missed"] for axis in document["axes"]] == [[], [], []]
    page = html_of(results, document["verdict"])
    assert document["verdict"] in page
    assert page.count("<svg") == 3
    timed = [work for axis in document["axes"] for work in axis["works"] if work["name"] != MEMORY]
    assert svg_of(results).count("<circle") == sum(len(work["costs"]) for work in timed)
