"""Shortcuts of accounts are found among accounts alone, within a few seeds."""

from __future__ import annotations

import pytest

from chaos.mutants import quotas
from chaos.mutants.mutant import Mutant, applied
from tests.core.federation.escrow.accounts import CPU, GPU, Bank, document
from tests.core.federation.escrow.test_regions import lifted_and_limited_again

SEEDS_MAX = 20
NAMES = (
    "rights are credited again",
    "rights are refused in memory",
    "rights are debited late",
    "a lower limit takes what is in use",
)
FOUND_HERE = [each for each in (*quotas.MUTANTS, *quotas.SCHEDULED) if each.name in NAMES]


def _violation() -> str:
    for seed in range(SEEDS_MAX):
        try:
            _run(seed)
        except AssertionError as error:
            return str(error)
    return ""


def _run(seed: int) -> None:
    bank = Bank(3, seed)
    for number, limit in ((1, 9), (2, 3), (3, 12)):
        bank.apply(document(number, {GPU: limit, CPU: 2 * limit}))
        for _ in range(150):
            bank.act()
            bank.check()


@pytest.mark.parametrize("mutant", FOUND_HERE, ids=lambda mutant: mutant.name)
def test_a_shortcut_is_found(mutant: Mutant) -> None:
    with applied(mutant):
        assert _violation()


def test_the_last_limit_of_a_lifted_quota_counts() -> None:
    mutant = next(each for each in quotas.SCHEDULED if each.name == "a lifted quota was never minted")
    with applied(mutant):
        assert lifted_and_limited_again() > 2


def test_all_of_them_are_looked_for() -> None:
    assert sorted(each.name for each in FOUND_HERE) == sorted(NAMES)
