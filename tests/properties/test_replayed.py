"""The same inputs give the same decisions, bit for bit, from any image on: in simulated leagues under faults."""

from __future__ import annotations

import pytest

from chaos.simulation import run_seed
from chaos.twins import Twinned, twinned


@pytest.mark.parametrize("seed", [2, 18])
def test_a_core_and_its_image_do_the_same(seed: int) -> None:
    before = Twinned.compared
    with twinned(every=400):
        run_seed(seed, minutes=1, jobs=60)
    assert Twinned.compared - before > 500
