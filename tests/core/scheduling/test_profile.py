"""Predicted ends in order, and run times that are learnt."""

from __future__ import annotations

import random

import pytest

from hanse.core.model.time import Now
from hanse.core.policy.model import Tier
from hanse.core.scheduling.attainment import HOUR_US, Attainment
from hanse.core.scheduling.predictor import OnlinePredictor
from hanse.core.scheduling.profile import Ends
from tests.core.scheduling.worlds import group, job, shape


@pytest.mark.parametrize("seed", range(4))
def test_ends_agree_with_a_sorted_list(seed: int) -> None:
    draw = random.Random(seed)
    ends, model = Ends(), {}
    for at in range(6_000):
        if model and draw.random() < 0.3:
            gone = draw.choice(list(model)[:50])
            ends.discard(gone)
            del model[gone]
        elif model and draw.random() < 0.2:
            moved = draw.choice(list(model)[:50])
            model[moved] = draw.randrange(10_000)
            ends.move(moved, model[moved])
        else:
            model[f"j{at}"] = draw.randrange(10_000)
            ends.add(f"j{at}", 0, model[f"j{at}"])
    ordered = sorted((end, name) for name, end in model.items())
    assert list(ends) == ordered
    assert len(ends) == len(model)
    first = ends.first(100)
    assert first == ordered[: len(first)]
    assert len(first) >= 100
    assert len(first) == len(ordered) or ordered[len(first)][0] != first[-1][0]


def test_an_overrun_is_corrected_a_few_times_only() -> None:
    ends = Ends()
    ends.add("late", 0, 1_000_000)
    corrections = 0
    for now_us in range(1_000_000, 100_000_000, 100_000):
        before = list(ends)
        ends.correct(now_us)
        assert next(iter(ends))[0] >= now_us
        corrections += before != list(ends)
    assert corrections < 60


def test_runs_are_learnt_by_tenant_and_name_without_digits() -> None:
    predictor = OnlinePredictor("estimate_first")
    wanted = shape(group(cpu=1))
    first, second = job("train-1", wanted), job("train-22", wanted)
    for _ in range(20):
        predictor.observe(first, 1_000)
    assert predictor.predict_us(second) == 1_000
    estimated = job("train-3", shape(group(cpu=1), estimate_us=5))
    assert predictor.predict_us(estimated) == 5
    predictor.source = "predictor_first"
    assert predictor.predict_us(estimated) == 1_000
    predictor.observe(first, 9_000)
    assert predictor.predict_us(second) == 1_000 + 1_000 + 2 * 1_000


def test_attainment_is_of_the_last_hour() -> None:
    attainment, tier = Attainment(), Tier(name="t", share_permille=800)

    def at(minutes: int) -> Now:
        return Now(mono_us=minutes * 60_000_000, wall_us=0)

    attainment.started("j", "tenant", tier, 0, at(0))
    attainment.interrupted("j", "tenant", tier, at(30))
    assert attainment.attained_permille("j", at(40).mono_us) == 750
    attainment.started("j", "tenant", tier, 0, at(45))
    assert attainment.attained_permille("j", at(60).mono_us) == 750
    assert attainment.slack_permille("j", tier, at(60).mono_us) == -50
    assert attainment.attained_permille("j", at(105).mono_us) == 1_000
    assert at(60).mono_us == HOUR_US
    attainment.ended("j", "tenant", tier, at(200))
    (kept,) = attainment.report()
    assert (kept.share_broken, kept.worst_permille, kept.interruptions) == (1, 666, 1)
