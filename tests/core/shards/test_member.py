"""What a member of a group answers, and what a lost disk may say: rows of the guardians' tables, on the real Shard."""

from __future__ import annotations

from hanse.core.federation.shards.lease import member_wait_us
from hanse.core.federation.shards.seat import Role, Standing
from hanse.core.messages import Append, AppendAck, Fetch, Prepare, Promise, Refuse, Renew, RenewAck
from tests.core.shards.circle import FIRST, SHARD, TIMINGS, Circle, led
from tests.core.shards.test_replacement import NEW, OPEN, changed, circle, position

LATER = "j/job-2"


def prepare(term: int, *, trial: bool = False, life: int = 7) -> Prepare:
    return Prepare(SHARD, term, 1, trial=trial, life=life)


def renew(made: Circle, number: int = 1, term: int = 0) -> Renew:
    leader = made["a"]
    end = leader.log.end
    return Renew(SHARD, term or leader.term, 1, made.places["a"].life, number, end.sequence, end.sequence)


def without_leader() -> Circle:
    """a is gone, and the grants of the others have run out: b or c leads a larger term."""
    made = circle()
    made.stop("a")
    made.run_until(lambda: made.leader() in ("b", "c"))
    return made


# --- records and renewals ---------------------------------------------------------------------------------------------


def test_records_and_renewals_of_a_larger_term_than_theirs_refuse_the_fenced() -> None:
    made = without_leader()
    member = "b" if made.leader() == "c" else "c"
    old = Append(
        shard=SHARD, term=1, version=1, previous_term=1, previous_sequence=3, sequence=4, records=(),
        committed=0, everywhere=0,
    )  # fmt: skip
    end = made[member].log.end

    for message in (old, Renew(SHARD, 1, 1, 1, 1, 4, 4)):
        (answer,) = made.tell("a", member, message)[-1:]
        assert isinstance(answer, Refuse)
        assert answer.promised_term == made[member].term
    assert made[member].log.end == end


def test_a_renewal_begins_the_wait_anew_and_is_acknowledged_by_its_number() -> None:
    made = circle()
    made.run(1)
    (answer,) = made.tell("a", "b", renew(made, number=99))[-1:]

    assert isinstance(answer, RenewAck)
    assert answer.number == 99
    assert made["b"].seat.granted_until_us == made.now_us + member_wait_us(TIMINGS)


def test_a_member_that_starts_again_waits_in_full() -> None:
    made = circle()
    made.boot("b")
    booted_us = made.now_us
    made.stop("a")
    answers = made.tell("c", "b", prepare(3))

    assert isinstance(answers[-1], Refuse)
    assert answers[-1].wait_us == booted_us + member_wait_us(TIMINGS) - made.now_us
    assert made["b"].term == 1


def test_nobody_is_promised_anything_while_a_grant_to_another_is_out() -> None:
    made = circle()
    made.tell("a", "b", renew(made))
    refused = made.tell("c", "b", prepare(3))
    own = made.tell("a", "b", prepare(4))

    assert isinstance(refused[-1], Refuse)
    assert refused[-1].wait_us > 0
    # The one whose tasks live by that grant may have the next term at once.
    assert isinstance(own[-1], Promise)


def test_nobody_is_promised_or_followed_while_own_tasks_live() -> None:
    made = circle()
    made.stop("a")
    made.run(8)
    member = "b" if made.leader() == "c" else "c"
    other = "b" if member == "c" else "c"
    made.places[member].living = True
    term = made[member].term + 3
    answers = made.tell(other, member, prepare(term))

    assert isinstance(answers[-1], Refuse)
    assert answers[-1].wait_us == TIMINGS.kill_us


def test_who_is_heard_by_the_leader_is_no_candidate() -> None:
    """A trial asks whether the others miss the leader, too: whoever leads and has work does not."""
    made = circle()
    answers = made.tell("b", "a", prepare(2, trial=True))

    assert isinstance(answers[-1], Refuse)
    assert made["a"].leads


def test_what_a_former_leader_wrote_alone_is_cut_when_it_follows() -> None:
    made = circle()
    made.lost = lambda sender, to, message: "a" in (sender, to)
    made.append("a", LATER)
    made.run_until(lambda: any(made[name].leads for name in "bc"))
    made.lost = lambda sender, to, message: False
    made.run_until(lambda: led(made) and position(made, "a") == position(made, made.leader()), within_s=30)

    assert LATER not in made["a"].log
    assert OPEN in made["a"].log


# --- a lost disk ------------------------------------------------------------------------------------------------------


def test_a_lost_disk_promises_grants_acknowledges_and_leads_nothing() -> None:
    made = circle()
    made.stop("c")  # so that not all have told how far they are
    made.lose_disk("b")
    record = Append(
        shard=SHARD, term=1, version=1, previous_term=1, previous_sequence=3, sequence=4, records=(),
        committed=0, everywhere=0,
    )  # fmt: skip

    assert made.tell("a", "b", renew(made)) == []
    assert made.tell("a", "b", record) == []
    answers = made.tell("c", "b", prepare(3))
    assert isinstance(answers[-1], Refuse)
    assert answers[-1].blank
    made.run(20)
    assert made["b"].blank
    assert made["b"].seat.role is Role.MEMBER


def test_it_learns_the_largest_term_and_the_longest_log_when_all_have_told() -> None:
    made = circle()
    made.lose_disk("b")
    made.run_until(lambda: not made["b"].blank)

    assert made["b"].seat.standing is Standing.REJOINED
    assert (made["b"].term, made["b"].seat.promised_to) == (1, "")
    assert OPEN in made["b"].log


def test_the_term_that_it_learnt_is_promised_to_nobody() -> None:
    """It may have promised it before, to somebody else."""
    made = circle()
    made.lose_disk("b")
    made.run_until(lambda: not made["b"].blank)
    made.stop("a")
    made.run(8)
    term = made["b"].term
    made["b"].seat.standing = Standing.REJOINED
    answers = made.tell("c", "b", prepare(term))

    assert isinstance(answers[-1], Refuse)


def test_it_waits_in_full_even_for_the_region_that_it_follows() -> None:
    made = circle()
    made.lose_disk("b")
    made.run_until(lambda: not made["b"].blank)
    answers = made.tell("a", "b", prepare(4))

    assert isinstance(answers[-1], Refuse)
    assert answers[-1].wait_us > 0


def test_nothing_is_taken_of_an_answer_to_an_earlier_life() -> None:
    made = circle()
    made.stop("a", "c")
    made.lose_disk("b")
    told = Promise(
        shard=SHARD, term=0, trial=True, log_term=1, log_sequence=4, promised_term=1, founded=True,
        life=made.places["b"].life - 1,
    )  # fmt: skip
    made.sent.clear()
    made.tell("a", "b", told)
    made.tell("c", "b", told)
    made.run(5)

    assert not any(isinstance(message, Fetch) for sender, _, message in made.sent if sender == "b")


# --- a home begins its log --------------------------------------------------------------------------------------------


def test_a_home_begins_its_log_when_nobody_has_ever_held_it() -> None:
    made = Circle("a", "b", "c")
    made.run_until(lambda: led(made))

    assert (made.leader(), made["a"].term) == ("a", 1)


def test_a_home_with_an_empty_disk_does_not_begin_where_its_guardians_have_left() -> None:
    """b and c have been replaced, and hold nothing. Those who took their places are not to be heard for a while."""
    made = changed(circle())
    made.want("a", "n", "m")
    made.run_until(lambda: made["c"].seat.standing is Standing.LEFT)
    made.run_until(lambda: made["b"].seat.standing is Standing.LEFT)
    made.stop("n", "m")
    made.lose_disk("a")
    made.run(20)
    assert made["a"].blank
    made.boot("n")
    made.boot("m")
    made.run_until(lambda: not made["a"].blank)

    assert OPEN in made["a"].log
    assert sorted(made["a"].group.members) == ["a", "m", "n"]


def test_a_home_with_an_empty_disk_asks_all_who_may_have_kept_its_log() -> None:
    """The roster of its file knows nothing of n, which holds the log; another one had named it."""
    made = changed(circle())
    made.begins.clear()
    made.want(*FIRST.members)
    made.stop("b", "c", "n")
    made.keepers = ("b", "c", "n")
    made.lose_disk("a")
    made.lose_disk("b")
    made.lose_disk("c")
    made.run(20)
    assert made["a"].blank

    asked = {to for sender, to, message in made.sent if sender == "a" and isinstance(message, Prepare)}
    assert asked >= {"b", "c", "n"}
    assert NEW[1] == "n"


def test_an_acknowledgement_beyond_the_log_tells_that_the_disk_is_an_old_one() -> None:
    made = circle()
    beyond = AppendAck(shard=SHARD, term=1, sequence=made["a"].log.end.sequence + 5)
    made.tell("b", "a", beyond)

    assert made["a"].blank
    assert not made["a"].leads


def test_what_lost_disks_say_counts_for_nothing_where_the_home_has_begun_again() -> None:
    """All copies were lost, and those of b and c are old ones: they still say that all had kept the log."""
    made = circle()
    made.lose_disk("a")
    for name in "bc":
        made[name].forget(made.now)
    made.run_until(lambda: led(made), within_s=120)

    assert not any(made[name].blank for name in "abc")
    assert OPEN not in made["a"].log
