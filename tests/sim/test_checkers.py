"""Each checker must let a sound story pass and catch the violation that it is there for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chaos.checkers import Conservation, Epochs, Liveness, OneRunner, Outcomes, Reasons, WriteAhead, check
from chaos.checkers.base import Checker
from chaos.checkers.capacity import CapacityHeld
from chaos.story import story
from hanse.core.effects import Blocker, Explanation, IntentRow, RegionExplanation
from hanse.core.messages import (
    CancelAck,
    Commit,
    Decision,
    Stable,
    Terminal,
    TerminalAck,
    Verdict,
)
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.resources import resources
from hanse.sim.errors import LivenessViolation, SafetyViolation
from hanse.sim.record import Acknowledged, CancelAsked, Entry, Explained, Finished, LaunchFailed, Sent
from tests.sim.records import (
    JOB,
    accepted,
    began,
    committed,
    decided,
    ended,
    job_row,
    joined,
    launched,
    run_id,
    state_row,
    submitted,
    xfer,
)

REASON = Reason(ReasonCode.ACCEPTED)
CPU = resources({"cpu": 600})


def judge(kind: type[Checker], *entries: Entry) -> None:
    """Run one checker over a story."""
    check(entries, (kind,))


def commit(epoch: int = 2) -> Commit:
    return Commit(
        job_id=JOB,
        epoch=epoch,
        sequence=1,
        home="a",
        tenant="mills",
        spec=b"",
        spec_sha256=b"",
        path=("a",),
        submitted_wall_us=1,
    )


def terminal(outcome: JobState = JobState.SUCCEEDED) -> Terminal:
    return Terminal(
        job_id=JOB,
        epoch=1,
        attempt=1,
        outcome=outcome,
        reason=REASON,
        exit_code=0,
        started_wall_us=1,
        ended_wall_us=2,
        region="a",
    )


def decision(verdict: Verdict) -> Decision:
    return Decision(JOB, 2, "ledger-a", 1, verdict, REASON)


def a_whole_life() -> list[Entry]:
    """Submitted at a, handed to b, run there, outcome told at home."""
    run = run_id(2)
    moved: dict[str, Any] = {"transfer_to": "b", "transfer_epoch": 2, "transfer_sequence": 1}
    return [
        joined("a"),
        joined("b"),
        *submitted(),
        committed(2, "a", job_states=[xfer("b")]),
        Sent(3, "a", "b", commit()),
        accepted(4, "b"),
        Sent(5, "b", "a", decision(Verdict.COMMITTED)),
        committed(6, "b", job_states=[state_row(JobState.RUNNING, epoch=2, attempt=1)]),
        launched(6, "b", run),
        committed(7, "a", job_states=[state_row(JobState.MOVED, **moved)]),
        Sent(7, "a", "b", Stable(2)),
        began(8, "b", run, needs=CPU),
        ended(9, "b", run),
        committed(10, "b", job_states=[state_row(JobState.SUCCEEDED, epoch=2, attempt=1)]),
        Sent(10, "b", "a", terminal()),
        committed(11, "a", job_states=[state_row(JobState.SUCCEEDED, settled=1, **moved)]),
        Sent(11, "a", "b", TerminalAck(JOB, 2)),
        committed(12, "b", job_states=[state_row(JobState.SUCCEEDED, epoch=2, attempt=1, settled=1)]),
        Finished(13),
    ]


def test_a_whole_life_satisfies_every_checker() -> None:
    check(a_whole_life())


def test_a_story_names_what_happened_to_the_job_in_order() -> None:
    lines = story(a_whole_life(), JOB)
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert any("COMMIT epoch 2" in line for line in lines)
    assert any("run 2.1 task 0 began" in line for line in lines)


RUN_TWICE: list[tuple[str, list[Entry]]] = [
    ("in two regions", [began(1, "a", run_id(1)), began(2, "b", run_id(2))]),
    ("as two attempts", [began(1, "a", run_id(1, 1)), began(2, "a", run_id(1, 2))]),
    (
        "as one task twice",
        [began(1, "a", run_id()), ended(2, "a", run_id(), exit_code=1), began(3, "a", run_id())],
    ),
    ("launched twice", [launched(1, "a", run_id(), 0, 1), launched(2, "a", run_id(), 1)]),
    (
        "after it had succeeded",
        [
            launched(1, "a", run_id()),
            began(1, "a", run_id()),
            ended(2, "a", run_id()),
            began(3, "b", run_id(2)),
        ],
    ),
]


@pytest.mark.parametrize(("how", "entries"), RUN_TWICE, ids=[how for how, _ in RUN_TWICE])
def test_running_twice_is_caught(how: str, entries: list[Entry]) -> None:
    with pytest.raises(SafetyViolation):
        judge(OneRunner, *entries)


def test_a_gang_and_a_retry_are_not_running_twice() -> None:
    gang, retry = run_id(1, 1), run_id(1, 2)
    judge(
        OneRunner,
        launched(1, "a", gang, 0, 1),
        began(1, "a", gang, 0),
        began(1, "a", gang, 1),
        ended(2, "a", gang, 0),
        ended(3, "a", gang, 1, exit_code=1),
        launched(4, "a", retry, 0, 1),
        began(4, "a", retry, 0),
    )


GONE = [*submitted(), committed(2, "a", job_states=[xfer("b")])]
NOT_CONSERVED: list[tuple[str, Sequence[Entry]]] = [
    ("lost: moved before it was taken", [*GONE, committed(3, "a", job_states=[state_row(JobState.MOVED)])]),
    ("doubled: taken back after it was taken", [*GONE, accepted(3, "b"), committed(4, "a", jobs=[job_row(epoch=2)])]),
    ("doubled: taken without being given", [*submitted(), committed(2, "b", jobs=[job_row(epoch=2)])]),
    ("acknowledged and nowhere", [Acknowledged(1, "a", "mills", "key-1", JOB, False)]),
]  # fmt: skip


@pytest.mark.parametrize(("how", "entries"), NOT_CONSERVED, ids=[how for how, _ in NOT_CONSERVED])
def test_a_lost_or_doubled_job_is_caught(how: str, entries: Sequence[Entry]) -> None:
    with pytest.raises(SafetyViolation):
        judge(Conservation, *entries)


def test_a_burned_transfer_is_still_the_givers() -> None:
    judge(Conservation, *GONE, committed(3, "b", decisions=[decided(Verdict.BURNED)]))


BAD_EPOCHS: list[tuple[str, Sequence[Entry]]] = [
    ("an epoch used again", [*GONE, committed(3, "a", job_states=[xfer("c", epoch=2)])]),
    ("a smaller epoch", [committed(2, "a", job_states=[xfer("b", 5)]), committed(3, "c", job_states=[xfer("b", 4)])]),
    ("not above the own epoch", [committed(2, "a", job_states=[xfer("b", 2, own_epoch=2)])]),
    ("own epoch fell", [committed(2, "a", jobs=[job_row(epoch=3)]), committed(3, "a", jobs=[job_row(epoch=2)])]),
    ("decided twice", [*GONE, accepted(3, "b"), committed(4, "b", decisions=[decided(Verdict.BURNED)])]),
    ("decided by somebody else", [*GONE, accepted(3, "c")]),
    ("decided before it was given", [*submitted(), accepted(3, "b")]),
]  # fmt: skip


@pytest.mark.parametrize(("how", "entries"), BAD_EPOCHS, ids=[how for how, _ in BAD_EPOCHS])
def test_a_misused_epoch_is_caught(how: str, entries: Sequence[Entry]) -> None:
    with pytest.raises(SafetyViolation):
        judge(Epochs, *entries)


def test_writing_a_transfers_row_again_is_not_a_second_transfer() -> None:
    judge(Epochs, *GONE, committed(3, "a", job_states=[xfer("b", cancel_id="call-1")]))


TOO_EARLY: list[tuple[str, Sequence[Entry]]] = [
    ("an acknowledgement", [Acknowledged(1, "a", "mills", "key-1", JOB, False)]),
    ("COMMIT", [*submitted(), Sent(2, "a", "b", commit())]),
    ("COMMIT of another epoch", [*GONE, Sent(3, "a", "b", commit(3))]),
    ("COMMITTED", [*GONE, Sent(3, "b", "a", decision(Verdict.COMMITTED))]),
    ("the other verdict", [*GONE, accepted(3, "b"), Sent(4, "b", "a", decision(Verdict.BURNED))]),
    ("TERMINAL", [*submitted(), Sent(2, "a", "b", terminal())]),
    ("another TERMINAL", [*submitted(state=JobState.FAILED), Sent(2, "a", "b", terminal())]),
    ("TERMINAL_ACK", [*submitted(), Sent(2, "a", "b", TerminalAck(JOB, 1))]),
    ("CANCEL_ACK", [*submitted(), Sent(2, "a", "b", CancelAck(JOB, "call-1"))]),
    ("STABLE", [*GONE, Sent(3, "a", "b", Stable(2))]),
    ("a launch", [*submitted(), launched(2, "a", run_id())]),
    ("a launch of another attempt", [*submitted(state=JobState.RUNNING, attempt=1), launched(2, "a", run_id(1, 2))]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "entries"), TOO_EARLY, ids=[what for what, _ in TOO_EARLY])
def test_what_leaves_before_its_row_is_caught(what: str, entries: Sequence[Entry]) -> None:
    with pytest.raises(SafetyViolation):
        judge(WriteAhead, *entries)


def test_an_intent_on_disk_is_enough_for_a_cancels_ack() -> None:

    judge(
        WriteAhead,
        committed(1, "b", intents=[IntentRow(JOB, "call-1", 1)]),
        Sent(2, "b", "a", CancelAck(JOB, "call-1")),
    )


def closed(state: JobState, exit_code: int = 0) -> Entry:
    """The home is told."""
    row = state_row(
        state, exit_code=exit_code, settled=1, transfer_to="b", transfer_epoch=2, transfer_sequence=1
    )
    return committed(30, "a", job_states=[row])


def over(state: JobState, exit_code: int = 0) -> Entry:
    """The job ended in b."""
    return committed(20, "b", jobs=[job_row(state, epoch=2, attempt=1, exit_code=exit_code)])


CLEAN: list[Entry] = [launched(5, "b", run_id(2)), began(5, "b", run_id(2)), ended(6, "b", run_id(2))]
DIRTY: list[Entry] = [
    launched(5, "b", run_id(2)),
    began(5, "b", run_id(2)),
    ended(6, "b", run_id(2), exit_code=2),
]
WRONG_OUTCOMES: list[tuple[str, Sequence[Entry]]] = [
    ("success without a run", [over(JobState.SUCCEEDED)]),
    ("success of a failed run", [*DIRTY, over(JobState.SUCCEEDED)]),
    ("failure of a clean run", [*CLEAN, over(JobState.FAILED)]),
    ("failure without one", [over(JobState.FAILED)]),
    ("cancelled by nobody", [over(JobState.CANCELLED)]),
    ("home was told otherwise", [*DIRTY, over(JobState.FAILED, 2), closed(JobState.CANCELLED)]),
    ("home was told another exit code", [*DIRTY, over(JobState.FAILED, 2), closed(JobState.FAILED, 3)]),
    ("home was told of no end", [closed(JobState.SUCCEEDED)]),
    ("left its final state", [*CLEAN, over(JobState.SUCCEEDED), committed(21, "b", jobs=[job_row(epoch=2)])]),
    ("one key, two jobs", [*submitted(), Acknowledged(2, "a", "mills", "key-1", "a-2", True)]),
]


@pytest.mark.parametrize(("how", "entries"), WRONG_OUTCOMES, ids=[how for how, _ in WRONG_OUTCOMES])
def test_a_wrong_outcome_is_caught(how: str, entries: Sequence[Entry]) -> None:
    with pytest.raises(SafetyViolation):
        judge(Outcomes, *entries)


def test_right_outcomes_pass() -> None:
    judge(Outcomes, *CLEAN, over(JobState.SUCCEEDED), closed(JobState.SUCCEEDED))
    judge(Outcomes, *DIRTY, over(JobState.FAILED, 2), closed(JobState.FAILED, 2))
    judge(Outcomes, LaunchFailed(5, "b", run_id(2), 0), over(JobState.FAILED, 127))
    judge(Outcomes, CancelAsked(4, "a", JOB), over(JobState.CANCELLED))


def test_an_oversold_node_is_caught() -> None:
    other = run_id(job_id="a-2")
    judge(CapacityHeld, joined("a"), began(1, "a", run_id(), needs=CPU))
    with pytest.raises(SafetyViolation, match="oversold: 1200 of 1000 cpu"):
        judge(CapacityHeld, joined("a"), began(1, "a", run_id(), needs=CPU), began(2, "a", other, needs=CPU))


def test_an_oversold_device_is_caught() -> None:
    share, devices = resources({"gpu": 600}), (("gpu", 3),)
    other = run_id(job_id="a-2")
    first = began(1, "a", run_id(), needs=share, devices=devices)
    with pytest.raises(SafetyViolation, match="gpu 3 oversold"):
        judge(CapacityHeld, joined("a", gpu=4000), first, began(2, "a", other, needs=share, devices=devices))
    done = ended(2, "a", run_id())
    judge(
        CapacityHeld, joined("a", gpu=4000), first, done, began(3, "a", other, needs=share, devices=devices)
    )


def explained(*blockers: Blocker, summary: str = "waits") -> Explained:
    regions = (RegionExplanation(region="a", blockers=blockers),)
    return Explained(1, "a", Explanation(job_id=JOB, state=JobState.QUEUED, summary=summary, regions=regions))


def test_a_job_without_a_reason_is_caught() -> None:
    judge(Reasons, explained(Blocker(code="NO_CAPACITY", message="full")))
    for entry in (
        committed(1, "a", jobs=[job_row(reason="")]),
        explained(),
        explained(Blocker(code="NO_CAPACITY", message="full"), summary=""),
    ):
        with pytest.raises(SafetyViolation):
            judge(Reasons, entry)


def test_nothing_is_in_the_way_of_a_job_that_starts_at_that_moment() -> None:
    judge(
        Reasons, committed(1, "a", jobs=[job_row(state=int(JobState.RUNNING), allocation=b"x")]), explained()
    )
    with pytest.raises(SafetyViolation):
        judge(Reasons, committed(1, "a", jobs=[job_row()]), explained())


def test_what_never_ends_is_caught_and_named() -> None:
    with pytest.raises(LivenessViolation, match=r"1 acknowledged jobs .*a QUEUED"):
        judge(Liveness, *submitted(), Finished(9, "a caller was not answered"))
    judge(Liveness, *submitted(), Finished(9))
