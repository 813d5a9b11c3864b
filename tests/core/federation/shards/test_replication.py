"""A leader and the copies of the others: who is told what, and when."""

from __future__ import annotations

import pytest

from hanse.core.effects import Effects
from hanse.core.federation.shards.log import ShardLog, Where
from hanse.core.federation.shards.replication import Replication
from hanse.core.messages import Append, AppendAck
from hanse.core.model.regions import Group, Timings
from hanse.core.model.time import SECOND_US, Now

TIMINGS = Timings()
TERM = 1


class Leader:
    """The leader of term 1 of a group, whose clock stands until it is moved."""

    def __init__(self, *members: str) -> None:
        self.now = Now(mono_us=SECOND_US, wall_us=0)
        self.log = ShardLog("a", [], Where(0, 0), 0)
        self.log.append(TERM, "start", b"")
        group = Group(shard="a", members=members)
        self.replication = Replication("a", self.log, group, TERM, Where(0, 0), TIMINGS, self.now)
        self.others = members[1:]
        self.pass_time(0)
        for member in self.others:
            self.ack(member)
        self.log.found(TERM)
        self.pass_time(TIMINGS.append_gather_us)
        for member in self.others:
            self.ack(member)

    def write(self) -> dict[str, int]:
        """One more record; whom that is sent to, with the sequence."""
        self.log.append(TERM, f"j/{self.log.end.sequence}", b"job")
        return self._sent(Effects())

    def pass_time(self, us: int) -> dict[str, int]:
        """What is sent when so much time has passed."""
        self.now = Now(mono_us=self.now.mono_us + us, wall_us=0)
        out = Effects()
        self.replication.on_deadline(self.now, out)
        return self._sent(out)

    def ack(self, member: str) -> None:
        """This member has all that there is."""
        ack = AppendAck(shard="a", term=TERM, sequence=self.log.end.sequence)
        assert self.replication.on_ack(self.now, member, ack)

    def _sent(self, out: Effects) -> dict[str, int]:
        self.replication.flush(self.now, out)
        return {send.to: send.message.sequence for send in out.sends if isinstance(send.message, Append)}


@pytest.mark.parametrize(("members", "told"), [("abc", "b"), ("abcde", "bc")])
def test_as_many_as_make_a_majority_are_told_at_once_and_the_others_what_gathered(
    members: str, told: str
) -> None:
    leader = Leader(*members)
    assert set(leader.write()) == set(told)
    assert set(leader.write()) <= set(told)
    later = set(members) - {"a", *told}
    assert not later & set(leader.pass_time(TIMINGS.append_gather_us - 1))
    gathered = leader.pass_time(1)
    assert {each: gathered[each] for each in later} == dict.fromkeys(later, leader.log.end.sequence)


def test_a_majority_is_enough_to_commit() -> None:
    leader = Leader(*"abc")
    leader.write()
    leader.ack("b")
    assert leader.log.committed == leader.log.end.sequence


def test_who_does_not_answer_is_not_among_the_first_any_more() -> None:
    leader = Leader(*"abc")
    leader.write()
    leader.pass_time(TIMINGS.append_gather_us)
    leader.ack("c")
    leader.pass_time(TIMINGS.append_retry_us)
    assert "c" in leader.write()


def test_who_lags_on_purpose_is_not_held_to_be_silent() -> None:
    leader = Leader(*"abc")
    for _ in range(3):
        leader.write()
        leader.ack("b")
        leader.pass_time(TIMINGS.append_gather_us)
        leader.ack("c")
    assert set(leader.write()) == {"b"}
