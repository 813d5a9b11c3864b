"""A guardian is replaced while the others go on: each row of chaos/models/regroup.pml's table, on the real Shard."""

from __future__ import annotations

import pytest

from hanse.core.federation.shards.log import GROUP_KEY
from hanse.core.federation.shards.seat import Role, Standing
from hanse.core.messages import Append, AppendAck, Prepare, Promise, Refuse, Renew
from hanse.core.model.regions import unpack_group
from tests.core.shards.circle import SHARD, TIMINGS, Circle, led

OPEN = "j/job-1"
NEW = ("a", "n", "c")


def circle() -> Circle:
    """a leads, all three hold the log, and there is a job."""
    made = Circle()
    made.run_until(lambda: led(made))
    assert made.leader() == "a"
    made.append("a", OPEN)
    made.run_until(lambda: all(made[name].log.end == made["a"].log.end for name in "abc"))
    return made


def changed(made: Circle) -> Circle:
    """The roster wants n instead of b, and it is so."""
    made.want(*NEW)
    made.run_until(lambda: led(made) and made[made.leader()].group.members == NEW)
    made.run(1)
    return made


def position(made: Circle, name: str) -> tuple[int, int]:
    end = made[name].log.end
    return (end.term, end.sequence)


# --- the way from one group to the other -----------------------------------------------------------------------------


def test_the_group_stands_in_the_log_from_the_first_term_on() -> None:
    made = circle()
    assert all(made[name].log.value(GROUP_KEY) for name in "abc")
    assert made.groups("abc") == [(("a", "b", "c"), ())] * 3


def test_a_newcomer_holds_the_log_before_the_group_changes() -> None:
    made = circle()
    made.lost = lambda sender, to, message: to == "n"
    made.want(*NEW)
    made.run(10)
    assert made.groups("abc") == [(("a", "b", "c"), ())] * 3
    made.lost = lambda sender, to, message: False
    made.run_until(lambda: made["a"].group.members == NEW)
    assert OPEN in made["n"].log


def test_what_only_the_leader_and_a_newcomer_hold_is_not_committed() -> None:
    made = circle()
    made.want(*NEW)
    made.run_until(lambda: OPEN in made["n"].log)
    made.stop("b", "c")
    before = made["a"].log.committed
    made.append("a", "j/job-2")
    made.run(1)
    assert "j/job-2" in made["n"].log
    assert made["a"].log.committed == before


def test_a_joint_group_needs_a_majority_of_each() -> None:
    made = circle()
    made.places["a"].living = True
    made.want(*NEW)
    made.run_until(lambda: bool(made["a"].group.joining))
    made.run(0.5)
    made.stop("c", "n")
    sequence = made.append("a", "j/job-2")
    made.run(1)
    assert made["a"].log.committed < sequence  # a and b: a majority of the old group alone
    made.boot("n")
    made.run_until(lambda: made["a"].log.committed >= sequence)


def test_final_waits_for_the_lease_while_tasks_live() -> None:
    made = circle()
    made.places["a"].living = True
    made.want(*NEW)
    made.run_until(lambda: bool(made["a"].group.joining))
    written_us = made.now_us
    made.run_until(lambda: not made["a"].group.joining)
    assert made.now_us - written_us >= TIMINGS.lease_us


def test_final_waits_in_full_again_after_a_restart() -> None:
    made = circle()
    made.places["a"].living = True
    made.want(*NEW)
    made.run_until(lambda: bool(made["a"].group.joining))
    made.run(1)
    made.boot("a")
    booted_us = made.now_us
    made.run_until(lambda: not made["a"].group.joining)
    assert made.now_us - booted_us >= TIMINGS.lease_us


def test_final_waits_for_nothing_if_no_task_lives() -> None:
    made = circle()
    made.want(*NEW)
    made.run_until(lambda: bool(made["a"].group.joining))
    written_us = made.now_us
    made.run_until(lambda: not made["a"].group.joining)
    assert made.now_us - written_us < TIMINGS.lease_us


def test_one_guardian_after_the_other() -> None:
    made = circle()
    made.want("a", "n", "m")
    seen: dict[object, None] = {}

    def ended() -> bool:
        seen.setdefault((made["a"].group.members, made["a"].group.joining))
        return sorted(made["a"].group.members) == ["a", "m", "n"]

    made.run_until(ended)
    joint = [joining for members, joining in seen if joining]  # type: ignore[misc]
    assert all(sum(each not in "abc" for each in joining) <= 2 for joining in joint)
    assert len(joint) == 2


def test_a_leader_that_is_to_leave_lets_another_one_lead() -> None:
    made = circle()
    made.want("n", "b", "c")
    made.run_until(lambda: led(made) and sorted(made[made.leader()].group.members) == ["b", "c", "n"])
    made.run_until(lambda: made["a"].seat.standing is Standing.LEFT)
    assert made.leader() != "a"


# --- after CHANGE the leader is gone ---------------------------------------------------------------------------------


def test_whoever_leads_next_with_a_joint_group_ends_the_change() -> None:
    made = circle()
    made.places["a"].living = True
    made.want(*NEW)
    made.run_until(lambda: all(made[name].group.joining for name in "ac"))
    made.places["a"].living = False
    made.stop("a")
    made.run_until(lambda: made.leader() in ("b", "c", "n") and not made[made.leader()].group.joining)
    assert made[made.leader()].group.members == NEW
    assert OPEN in made[made.leader()].log


def test_a_change_that_nobody_else_has_seen_may_vanish() -> None:
    made = circle()
    made.want(*NEW)
    made.lost = lambda sender, to, message: (
        isinstance(message, Append)
        and any(each.key == GROUP_KEY and unpack_group(each.value).joining for each in message.records)
    )
    made.run_until(lambda: bool(made["a"].group.joining))
    made.stop("a")
    made.wire.clear()
    made.lost = lambda sender, to, message: False
    made.run_until(lambda: made.leader() in ("b", "c"))
    made.boot("a")
    made.run_until(lambda: led(made) and position(made, "a")[0] == made[made.leader()].term)
    assert made["a"].group.members in (("a", "b", "c"), NEW)
    made.run_until(lambda: made.groups("ac") == [(NEW, ())] * 2)


def test_a_candidate_counts_by_the_group_of_the_copy_that_it_takes() -> None:
    """c has missed that n is in the group and b is not: with b alone it does not lead."""
    made = circle()
    made.stop("c")
    changed(made)
    made.append("a", "j/job-2")
    made.run(1)
    made.stop("a")
    made.boot("c")
    made.run_until(lambda: made.leader() in ("c", "n"))
    leader = made[made.leader()]
    assert "j/job-2" in leader.log
    assert leader.group.members == NEW


# --- promises --------------------------------------------------------------------------------------------------------


def test_a_term_is_promised_to_one_candidate() -> None:
    made = circle()
    made.stop("a")
    made.run(5)
    term = made["b"].seat.promised + 5
    first = made.tell("c", "b", Prepare(SHARD, term, 1, trial=False, life=7))
    other = made.tell("n", "b", Prepare(SHARD, term, 1, trial=False, life=8))

    assert isinstance(first[-1], Promise)
    assert isinstance(other[-1], Refuse)
    assert other[-1].promised_term == term
    assert (made["b"].seat.promised_to, made["b"].seat.role) == ("c", Role.MEMBER)


@pytest.mark.parametrize(("life", "kind"), [(7, Promise), (8, Refuse)], ids=["the same life", "another life"])
def test_a_promise_is_repeated_to_the_same_life_only(life: int, kind: type) -> None:
    made = circle()
    made.stop("a")
    made.run(5)
    term = made["b"].seat.promised + 5
    made.tell("c", "b", Prepare(SHARD, term, 1, trial=False, life=7))
    answers = made.tell("c", "b", Prepare(SHARD, term, 1, trial=False, life=life))
    assert isinstance(answers[-1], kind)


def test_a_promise_to_an_earlier_life_does_not_count() -> None:
    made = circle()
    made.stop("a", "c")
    made.run_until(lambda: made["b"].seat.role is Role.CANDIDATE)
    term = made["b"].elections.candidacy.term  # type: ignore[union-attr]
    late = Promise(
        shard=SHARD, term=term, trial=True, log_term=1, log_sequence=9, life=made.places["b"].life - 1
    )
    made.tell("c", "b", late)
    assert made["b"].elections.candidacy is not None
    assert made["b"].elections.candidacy.copies == {}


def test_records_of_a_term_come_from_whom_it_was_promised_to() -> None:
    made = circle()
    term, end = made["b"].term, made["b"].log.end
    made.tell("n", "b", Renew(SHARD, term, 1, 1, 1, 99, 99))
    foreign = Append(
        shard=SHARD, term=term, version=1, previous_term=end.term, previous_sequence=end.sequence,
        sequence=end.sequence + 1, records=(), committed=0, everywhere=0,
    )  # fmt: skip
    answers = made.tell("n", "b", foreign)
    assert isinstance(answers[-1], Refuse)
    assert made["b"].log.end == end


# --- who has left, and who comes back --------------------------------------------------------------------------------


def test_who_has_left_drops_its_copy_and_keeps_its_promise() -> None:
    made = changed(circle())
    made.run_until(lambda: made["b"].seat.standing is Standing.LEFT)
    former = made["b"]
    assert (len(former.log), former.seat.promised, former.seat.promised_to) == (0, made["a"].term, "")
    made.boot("b")
    assert made["b"].seat.promised == made["a"].term
    answers = made.tell("c", "b", Prepare(SHARD, made["a"].term + 3, 1, trial=False, life=7))
    assert isinstance(answers[-1], Refuse)


def test_who_was_away_learns_that_it_has_left() -> None:
    made = circle()
    made.stop("b")
    changed(made)
    made.boot("b")
    made.run_until(lambda: made["b"].seat.standing is Standing.LEFT)
    assert made.leader() == "a"


def test_who_has_left_may_be_a_newcomer_again_and_begins_from_nothing() -> None:
    made = changed(circle())
    made.run_until(lambda: made["b"].seat.standing is Standing.LEFT)
    made.append("a", OPEN, b"")
    made.run(1)
    made.want("a", "b", "c")
    made.run_until(lambda: made["a"].group.members == ("a", "b", "c"))
    made.run(1)
    assert OPEN not in made["b"].log
    assert position(made, "b") == position(made, "a")


def test_an_old_copy_of_the_same_term_is_no_beginning() -> None:
    """b has not heard that it left, and its copy has a job that ended since: no record says so any more."""
    made = circle()
    made.stop("b")
    changed(made)
    made.append("a", OPEN, b"")
    made.run(1)
    assert OPEN not in made["a"].log._records
    made.begins["b"] = (SHARD,)
    made.wanted = ("a", "b", "c")
    made.boot("a")
    made.boot("b")
    made.run_until(lambda: made["a"].group.members == ("a", "b", "c"))
    made.run(1)
    assert OPEN not in made["b"].log
    assert position(made, "b") == position(made, "a")


def test_a_region_whose_disk_was_lost_is_no_newcomer() -> None:
    made = circle()
    made.lose_disk("b")
    assert made["b"].blank
    begins = Append(
        shard=SHARD, term=1, version=1, previous_term=0, previous_sequence=0, sequence=1, records=(),
        committed=0, everywhere=0, cut=True, begins=True,
    )  # fmt: skip
    assert made.tell("a", "b", begins) == []
    assert made["b"].blank
    made.run_until(lambda: made["b"].seat.standing is Standing.REJOINED)


def test_a_lost_disk_rejoins_the_group_that_the_others_tell_of() -> None:
    """n came by a change: its configuration alone does not say that it is a member, the roster does."""
    made = changed(circle())
    made.begins.clear()
    made.lose_disk("n")
    made.run_until(lambda: not made["n"].blank)
    assert made["n"].seat.standing is Standing.REJOINED
    assert OPEN in made["n"].log


def test_an_acknowledgement_of_who_left_changes_nothing() -> None:
    made = changed(circle())
    committed = made["a"].log.committed
    made.tell("b", "a", AppendAck(shard=SHARD, term=made["a"].term, sequence=made["a"].log.end.sequence))
    assert made["a"].log.committed == committed
    assert "b" not in made["a"].leadership.replication._followers  # type: ignore[union-attr]
