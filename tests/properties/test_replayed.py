"""The same inputs give the same decisions, bit for bit, from any image on: in simulated leagues under faults."""

from __future__ import annotations

import msgspec
import pytest

from chaos.checkers import check
from chaos.mutants.profiles import JOINT_RESERVATIONS, RESERVATIONS, Profile
from chaos.simulation import run_seed
from chaos.twins import Twinned, twinned
from hanse.core.model.time import SECOND_US
from hanse.sim.run import run_plan


@pytest.mark.parametrize("seed", [2, 18])
def test_a_core_and_its_image_do_the_same(seed: int) -> None:
    before = Twinned.compared
    with twinned(every=400):
        run_seed(seed, minutes=1, jobs=60)
    assert Twinned.compared - before > 500


@pytest.mark.parametrize("profile", [RESERVATIONS, JOINT_RESERVATIONS], ids=lambda profile: profile.name)
def test_windows_of_reservations_are_the_same_again(profile: Profile) -> None:
    """Images are taken while windows are ahead, open and given up, while regions agree on some, and restart."""
    before = Twinned.compared
    plan = msgspec.structs.replace(profile.plan(0), duration_us=20 * SECOND_US)
    with twinned(every=100):
        run_plan(plan, check)
    assert Twinned.compared - before > 500
