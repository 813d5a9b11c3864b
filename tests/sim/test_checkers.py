"""Each checker must let a sound story pass and catch the violation that it is there for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from chaos.checkers import Conservation, Epochs, Liveness, OneRunner, Outcomes, Reasons, WriteAhead, check
from chaos.checkers.base import Checker
from chaos.checkers.capacity import CapacityHeld
from chaos.checkers.policies import Policies
from chaos.checkers.reliefs import Reliefs
from chaos.story import story
from hanse.core.messages import (
    CancelAck,
    Commit,
    Decision,
    Offer,
    Stable,
    Terminal,
    TerminalAck,
    Verdict,
)
from hanse.core.model.jobs import (
    Allocation,
    GroupShape,
    Reason,
    ReasonCode,
    ShapeBody,
    TaskPlacement,
    make_shape,
)
from hanse.core.model.lifecycle import JobState
from hanse.core.model.resources import resources
from hanse.core.policy.model import Policy, Queue, Quota
from hanse.core.replies import Blocker, Explanation, RegionExplanation
from hanse.core.rows import IntentRow, PolicyRow, ShapeRow, TimelineRow
from hanse.sim.errors import LivenessViolation, SafetyViolation
from hanse.sim.policies import document_of
from hanse.sim.record import (
    Acknowledged,
    CancelAsked,
    DiskReplaced,
    Entry,
    Explained,
    Finished,
    ImageTaken,
    LaunchFailed,
    Sent,
    Started,
)
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
SHAPE = make_shape(ShapeBody(groups=()))
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
FAILED_LATER: list[Entry] = [
    launched(7, "b", run_id(2, 2)),
    began(7, "b", run_id(2, 2)),
    ended(8, "b", run_id(2, 2), exit_code=2),
    committed(20, "b", jobs=[job_row(JobState.FAILED, epoch=2, attempt=2, exit_code=2)]),
]


def stopped(reason: str, *, told_to_end: bool) -> list[Entry]:
    """A run ends with 0 while it is STOPPING."""
    row = job_row(JobState.STOPPING, epoch=2, attempt=1, reason=reason, allocation=b"allocated")
    return [*CLEAN[:2], committed(6, "b", jobs=[row]), ended(6, "b", run_id(2), told_to_end=told_to_end)]


def moving(*, told_to_end: bool = False) -> list[Entry]:
    return stopped("MOVING", told_to_end=told_to_end)


def retried() -> list[Entry]:
    return stopped("LEASE_ENDED", told_to_end=True)


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
    ("success of a run that may be half done", [*moving(told_to_end=True), over(JobState.SUCCEEDED)]),
    ("failure of a run that was done before it was told", [*moving(), *FAILED_LATER]),
    ("failure of a run that ended well while it was stopped for another reason", [*retried(), *FAILED_LATER]),
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


def test_what_was_stopped_in_order_to_move_may_fail_elsewhere() -> None:
    judge(Outcomes, *moving(told_to_end=True), *FAILED_LATER)
    judge(OneRunner, *moving(told_to_end=True), *FAILED_LATER[:2])


@pytest.mark.parametrize("entries", [moving(), retried()], ids=["done before it was told", "not to move"])
def test_what_was_done_before_it_moved_never_runs_again(entries: list[Entry]) -> None:
    with pytest.raises(SafetyViolation, match="had succeeded"):
        judge(OneRunner, *entries, *FAILED_LATER[:2])


def handed_on(at_us: int, giver: str, target: str, epoch: int, *, relief: bool = True) -> list[Entry]:
    """An offer for a shorter queue, and what follows."""
    offer = Offer(at_us, SHAPE, 1, (), "mills", own_wait_us=1 if relief else 0)
    transfer = msgspec.structs.replace(commit(epoch), offer_id=at_us)
    return [*([Sent(at_us, giver, target, offer)] if relief else []), Sent(at_us, giver, target, transfer)]


def test_a_job_may_go_for_a_shorter_queue_and_anywhere_for_room() -> None:
    there = [*handed_on(1, "a", "b", 2), *handed_on(2, "a", "b", 2), *handed_on(3, "b", "c", 3)]
    judge(Reliefs, *there, *handed_on(4, "c", "a", 4, relief=False))


@pytest.mark.parametrize("target", ["a", "d"], ids=["back and forth", "too often"])
def test_a_job_that_is_carried_on_for_shorter_queues_is_caught(target: str) -> None:
    there = [*handed_on(1, "a", "b", 2), *handed_on(2, "b", "c", 3)]
    with pytest.raises(SafetyViolation, match="shorter queue"):
        judge(Reliefs, *there, *handed_on(3, "c", target, 4))


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


MINE = Queue(name="mine", tenants=("mills",), cohort="all", quotas=(Quota(kind="cpu", nominal=600),))
THEIRS = Queue(name="theirs", tenants=("yards",), cohort="all", quotas=(Quota(kind="cpu", nominal=600),))
RULED = Policy(queues=(MINE, THEIRS))
SHAPE = make_shape(ShapeBody(groups=(GroupShape(1, 1, CPU),)))


def policy_row(version: int, policy: Policy) -> PolicyRow:
    return PolicyRow(version, "", document_of(policy).document, "", "", 0)


def starts(number: int, detail: str, tenant: str = "mills", **tables: Any) -> Entry:
    """A job of this tenant that needs 600 cpu starts."""
    job_id = f"a-{number}"
    allocation = msgspec.msgpack.encode(Allocation((TaskPlacement(0, "n1"),)))
    row = job_row(
        JobState.RUNNING, id=job_id, tenant=tenant, shape_key=SHAPE.key, allocation=allocation, attempt=1
    )
    shape = ShapeRow(SHAPE.key, msgspec.msgpack.encode(SHAPE.body))
    began = TimelineRow(job_id, 1, 1, "RUNNING", "STARTED", detail, 1, 1, "")
    return committed(number, "a", shapes=[shape], jobs=[row], timeline=[began], **tables)


def test_a_start_that_cites_another_policy_than_that_in_force_is_caught() -> None:
    up = Started(0, "a", 1, RULED)
    judge(Policies, up, starts(1, "1 tasks on n1; queue mine, policy 1"))
    adopted = {"policies": [policy_row(1, RULED), policy_row(2, RULED)]}
    judge(Policies, up, starts(1, "1 tasks on n1; queue mine, policy 2", **adopted))
    with pytest.raises(SafetyViolation, match="under policy 2"):
        judge(Policies, up, starts(1, "1 tasks on n1; queue mine, policy 1", **adopted))
    with pytest.raises(SafetyViolation, match="no policy is cited"):
        judge(Policies, up, starts(1, "1 tasks on n1"))


def test_a_start_beyond_what_a_queue_or_its_cohort_has_is_caught() -> None:
    first, second = (starts(number, "queue mine, policy 1") for number in (1, 2))
    judge(Policies, Started(0, "a", 1, RULED), first, second)
    strict = msgspec.structs.replace(MINE, quotas=(Quota(kind="cpu", nominal=600, borrowing_limit=0),))
    with pytest.raises(SafetyViolation, match=r"queue mine uses 1200 cpu of 600 \+ 0"):
        judge(Policies, Started(0, "a", 1, Policy(queues=(strict, THEIRS))), first, second)
    third = starts(3, "queue theirs, policy 1", tenant="yards")
    with pytest.raises(SafetyViolation, match="cohort all uses 1800 cpu of 1200"):
        judge(Policies, Started(0, "a", 1, RULED), first, second, third)
    over = committed(3, "a", jobs=[job_row(JobState.SUCCEEDED, id="a-1")])
    judge(Policies, Started(0, "a", 1, RULED), first, second, over, third)


def test_a_region_that_forgets_its_policy_is_caught() -> None:
    adopted = committed(1, "a", policies=[policy_row(1, Policy()), policy_row(2, RULED)])
    second = msgspec.structs.replace(RULED, version=2)
    judge(Policies, Started(0, "a", 1), adopted, Started(2, "a", 2, second))
    with pytest.raises(SafetyViolation, match="starts under policy 1; 2 is on its disk"):
        judge(Policies, Started(0, "a", 1), adopted, Started(2, "a", 2))
    image = [ImageTaken(0, "a", 1), adopted, DiskReplaced(2, "a", 1, True, False)]
    judge(Policies, Started(0, "a", 1), *image, Started(3, "a", 2))
    with pytest.raises(SafetyViolation, match="policy 4 follows on 2"):
        judge(Policies, Started(0, "a", 1), adopted, committed(2, "a", policies=[policy_row(4, RULED)]))


def test_what_never_ends_is_caught_and_named() -> None:
    with pytest.raises(LivenessViolation, match=r"1 acknowledged jobs .*a QUEUED"):
        judge(Liveness, *submitted(), Finished(9, "a caller was not answered"))
    judge(Liveness, *submitted(), Finished(9))
