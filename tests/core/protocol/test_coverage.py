"""Every row of the protocol's tables has a test, and no test claims a row that is not there."""

from __future__ import annotations

import importlib

from tests.core.protocol.rows import ROWS

MODULES = (
    "test_giver",
    "test_target",
    "test_owner",
    "test_messages",
    "test_recovery",
    "test_chains",
    "test_envelope",
)


def test_every_row_of_the_protocol_has_a_test() -> None:
    covered: set[tuple[str, str, str]] = set()
    for name in MODULES:
        module = importlib.import_module(f"tests.core.protocol.{name}")
        for member in vars(module).values():
            covered.update(getattr(member, "rows", ()))
    assert covered == ROWS, f"no test covers {sorted(ROWS - covered)}"
