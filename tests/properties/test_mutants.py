"""The simulator notices what it is there to notice: a shell and a disk that cut corners are caught in a few seeds."""

from __future__ import annotations

import pytest

from chaos.simulation import run_seed
from hanse.core.effects import Effects
from hanse.core.model.time import SECOND_US
from hanse.core.rows import Writes
from hanse.sim.errors import SafetyViolation, SimulationFailure
from hanse.sim.faults import Faults
from hanse.sim.host import Host, Step
from hanse.sim.ledger import SimLedger

SEEDS_MAX = 5
STORM = Faults(crash_every_us=4 * SECOND_US, downtime_max_us=SECOND_US, crash_at_commit=0.02, loss=0.05)


def find() -> SimulationFailure:
    """What the first seed that fails finds."""
    for seed in range(SEEDS_MAX):
        try:
            run_seed(seed, minutes=0.5, jobs=60, faults=STORM)
        except SimulationFailure as failure:
            return failure
    pytest.fail(f"nothing was found in {SEEDS_MAX} seeds")


def test_effects_that_leave_before_the_commit_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, release = Host._queue, Host._release

    def eager(self: Host, effects: Effects) -> None:
        assert self.core is not None
        peers = dict.fromkeys(send.to for send in effects.sends)
        release(self, Step(effects, False, {peer: self.core.envelope(peer) for peer in peers}))
        queue(self, effects)

    monkeypatch.setattr(Host, "_queue", eager)
    monkeypatch.setattr(Host, "_release", lambda self, step: None)
    assert isinstance(find(), SafetyViolation)


def test_a_disk_that_forgets_what_it_had_synced_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = SimLedger._apply
    lost = 0

    def lying(self: SimLedger, writes: Writes) -> None:
        """Every fifth transaction that decides about a transfer is acknowledged and never written, but for the shapes:
        a job without one would not even be read."""
        nonlocal lost
        lost += bool(writes.decisions)
        is_kept = not writes.decisions or lost % 5
        apply(self, writes if is_kept else Writes(shapes=writes.shapes))

    monkeypatch.setattr(SimLedger, "_apply", lying)
    find()
