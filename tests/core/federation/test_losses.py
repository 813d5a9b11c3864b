"""What becomes of jobs that were with a region which was declared lost, row by row."""

from __future__ import annotations

import pytest

from hanse.core import messages as m
from hanse.core.federation.losses import conclude
from hanse.core.messages import Standing
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import LOST_EPOCHS_SKIPPED
from tests.core.federation.test_rulings import heard_of, job, said

# North gave it to west at epoch 3, and west is lost.
MOVED = job(JobState.MOVED, epoch=2, to="west")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (3 + LOST_EPOCHS_SKIPPED, "", False)),
        # Earlier owners, and whoever only heard of it, are no newer ones; but no epoch is used again.
        ([("east", said(Standing.PASSED, 2))], (3 + LOST_EPOCHS_SKIPPED, "", False)),
        ([("east", said(Standing.PASSED, 5, to="west"))], (5 + LOST_EPOCHS_SKIPPED, "", False)),
        ([("east", said(Standing.BURNED, 4, giver="west"))], (4 + LOST_EPOCHS_SKIPPED, "", False)),
        # It went on from there.
        ([("east", said(Standing.HELD, 4))], (4, "east", False)),
        ([("east", said(Standing.PASSED, 4)), ("south", said(Standing.HELD, 5))], (5, "south", False)),
        # East had it later, gave it back to west, and burned what west tried next: east takes it back, not we.
        (
            [("east", said(Standing.PASSED, 5)), ("east", said(Standing.BURNED, 6, giver="west"))],
            (5, "east", False),
        ),
        # It is on its way to us: its COMMIT is to be admitted.
        ([("east", said(Standing.IN_TRANSFER, 5))], (4, "east", False)),
        ([("east", said(Standing.OVER, 4))], (4, "east", False)),
        ([("east", said(Standing.CLOSED, 0))], (3, "east", True)),
    ],
)
def test_who_gave_it_last_takes_it_back_above_every_epoch_that_anybody_has_heard_of(
    words: list[tuple[str, m.Testimony]], expected: tuple[int, str, bool]
) -> None:
    outcome = conclude(MOVED, words)
    assert (outcome.epoch, outcome.to, outcome.ended) == expected


def test_what_one_has_heard_and_burned_oneself_counts_as_well() -> None:
    heard = job(JobState.MOVED, epoch=2, to="west", heard=heard_of("west", 4))
    assert conclude(heard, []).epoch == 4 + LOST_EPOCHS_SKIPPED
    assert conclude(MOVED, [], burned_here=7).epoch == 7 + LOST_EPOCHS_SKIPPED
