"""What becomes of one job after an inquest, row by row."""

from __future__ import annotations

import msgspec
import pytest

from hanse.core import messages as m
from hanse.core.federation.rulings import Fate, Target, rule
from hanse.core.messages import Standing
from hanse.core.model.arrays import ArrayProgress, FailedSet
from hanse.core.model.jobs import Job, Reason, ReasonCode, RemoteView
from hanse.core.model.lifecycle import JobState
from tests.core.protocol.station import shape_of

OWN = "north-1"
OTHERS = "east-1"


def job(state: JobState, epoch: int = 1, to: str = "", heard: RemoteView | None = None) -> Job:
    """As the old disk has it; given to `to` at the next epoch."""
    return Job(
        id=OWN,
        home="north",
        tenant="team",
        name="job",
        client_key="",
        spec=b"spec",
        spec_sha256=b"",
        shape=shape_of(),
        grace_us=0,
        retries_max=0,
        submitted_wall_us=0,
        state=state,
        reason=Reason(ReasonCode.SUBMITTED),
        epoch=epoch,
        transfer_to=to,
        transfer_epoch=epoch + 1 if to else 0,
        transfer_sequence=7 if to else 0,
        remote=heard,
    )


def heard_of(region: str, epoch: int) -> RemoteView:
    return RemoteView(region, JobState.RUNNING, epoch, 1, Reason(ReasonCode.STARTED), 1, 0)


def said(standing: Standing, epoch: int, giver: str = "", to: str = "") -> m.Testimony:
    return m.Testimony(job_id=OWN, epoch=epoch, standing=standing, giver=giver, to=to)


QUEUED = job(JobState.QUEUED)
GIVEN = job(JobState.XFER, to="east")
MOVED = job(JobState.MOVED, to="east")


@pytest.mark.parametrize(
    ("ours", "words", "target", "fate", "epoch", "to"),
    [
        (QUEUED, [], Target.UNCERTAIN, Fate.STANDS, 1, ""),
        (QUEUED, [("east", said(Standing.CLOSED, 0))], Target.UNCERTAIN, Fate.MOVED, 2, "east"),
        (QUEUED, [("east", said(Standing.HELD, 3))], Target.UNCERTAIN, Fate.MOVED, 3, "east"),
        (QUEUED, [("east", said(Standing.PASSED, 3, to="west"))], Target.UNCERTAIN, Fate.MOVED, 3, "west"),
        (QUEUED, [("east", said(Standing.BURNED, 2, giver="north"))], Target.UNCERTAIN, Fate.QUEUED, 2, ""),
        (QUEUED, [("east", said(Standing.BURNED, 3, giver="west"))], Target.UNCERTAIN, Fate.MOVED, 3, "west"),
        (QUEUED, [("east", said(Standing.GAVE, 3))], Target.UNCERTAIN, Fate.QUEUED, 3, ""),
        (QUEUED, [("east", said(Standing.IN_TRANSFER, 3))], Target.UNCERTAIN, Fate.MOVED, 2, "east"),
        (QUEUED, [("east", said(Standing.OVER, 3))], Target.UNCERTAIN, Fate.QUEUED, 4, ""),
        (GIVEN, [], Target.SOUND, Fate.STANDS, 2, ""),
        (GIVEN, [("east", said(Standing.HELD, 2))], Target.SOUND, Fate.MOVED, 2, "east"),
        (GIVEN, [("east", said(Standing.BURNED, 2, giver="north"))], Target.SOUND, Fate.QUEUED, 2, ""),
        (GIVEN, [], Target.RESOLVED, Fate.QUEUED, 2, ""),
        (MOVED, [], Target.UNCERTAIN, Fate.STANDS, 2, ""),
        (MOVED, [], Target.SOUND, Fate.QUEUED, 3, ""),
        (MOVED, [("east", said(Standing.HELD, 2))], Target.SOUND, Fate.STANDS, 2, ""),
    ],
)
def test_the_newest_that_anybody_knows_decides(
    ours: Job, words: list[tuple[str, m.Testimony]], target: Target, fate: Fate, epoch: int, to: str
) -> None:
    ruling = rule("north", OWN, ours, words, target)
    assert (ruling.fate, ruling.epoch, ruling.to) == (fate, epoch, to)


def test_a_home_that_forgot_a_job_keeps_a_row_of_it_while_it_is_being_given_back() -> None:
    """Without one it would tell the giver that the job is closed, if that one's disk turns out to be old, too."""
    words = [("east", said(Standing.IN_TRANSFER, 3))]
    ruling = rule("north", OWN, None, words, Target.UNCERTAIN)
    assert (ruling.fate, ruling.epoch, ruling.to) == (Fate.MOVED, 2, "east")
    elsewhere = rule("north", OTHERS, None, words, Target.UNCERTAIN)
    assert elsewhere.fate is Fate.STANDS, "the COMMIT will bring it"


@pytest.mark.parametrize(("heard_epoch", "holder"), [(2, "east"), (3, "west")])
def test_a_transfer_was_taken_if_somebody_was_heard_of_who_had_the_job_since(
    heard_epoch: int, holder: str
) -> None:
    ours = job(JobState.XFER, to="east", heard=heard_of(holder, heard_epoch))
    ruling = rule("north", OWN, ours, [], Target.UNCERTAIN)
    assert (ruling.fate, ruling.epoch, ruling.to) == (Fate.MOVED, heard_epoch, holder)


def test_what_has_ended_in_the_lost_life_does_not_go_on() -> None:
    """The hop to us is over, and the home's disk is an old one, too: it queues the job anew. (Seed 329 of a swarm: both
    ran it.)"""
    ours = msgspec.structs.replace(job(JobState.QUEUED, epoch=3), id=OTHERS, home="east")
    over = [("west", msgspec.structs.replace(said(Standing.OVER, 3), job_id=OTHERS))]
    here = rule("north", OTHERS, ours, over, Target.UNCERTAIN)
    assert (here.fate, here.epoch, here.to) == (Fate.MOVED, 4, "east")
    at_home = rule("east", OTHERS, None, over, Target.UNCERTAIN)
    assert (at_home.fate, at_home.epoch) == (Fate.QUEUED, 4)
    gave = ("east", msgspec.structs.replace(said(Standing.GAVE, 3), job_id=OTHERS))
    unknown = rule("north", OTHERS, None, [gave, *over], Target.UNCERTAIN)
    assert (unknown.fate, unknown.to) == (Fate.MOVED, "west"), "the home's disk is the old one"
    again = msgspec.structs.replace(ours, epoch=4)
    assert rule("north", OTHERS, again, over, Target.UNCERTAIN).fate is Fate.STANDS, "it was run again since"


def test_what_others_knew_of_an_arrays_elements_is_not_lost() -> None:
    progress = ArrayProgress(failed=(FailedSet("EXIT_CODE", 1, ()),))
    words = [("east", msgspec.structs.replace(said(Standing.OVER, 3), progress=progress))]
    ruling = rule("north", OWN, QUEUED, words, Target.UNCERTAIN)
    assert (ruling.fate, ruling.told) == (Fate.QUEUED, (progress,))


def test_what_was_heard_before_the_transfer_says_nothing_of_it() -> None:
    ours = job(JobState.XFER, epoch=3, to="east", heard=heard_of("west", 2))
    assert rule("north", OWN, ours, [], Target.UNCERTAIN).fate is Fate.STANDS
