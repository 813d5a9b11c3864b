"""Copies of a log: whatever is lost, late or cut off, a copy that has reached a position is the leader's there."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from hanse.core.federation.shards.log import GONE, ShardLog, Where
from hanse.core.messages import LogRecord

KEYS = ("j/1", "s/1", "j/2", "f/2", "d/x/1")
Writes = list[tuple[str, bytes]]

writes: st.SearchStrategy[Writes] = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([b"a", b"b", GONE])), max_size=12
)


def empty() -> ShardLog:
    return ShardLog("north", [], Where(), 0)


def written(log: ShardLog, term: int, changes: Writes) -> ShardLog:
    for key, value in changes:
        log.append(term, key, value)
    return log


def present(log: ShardLog) -> dict[str, tuple[int, int, bytes]]:
    """What a new leader would find, by key."""
    return {
        record.key: (record.term, record.sequence, record.value)
        for record in log.records()
        if record.value != GONE
    }


def copied(log: ShardLog) -> ShardLog:
    """A member that has taken all of it."""
    copy = empty()
    copy.extend(log.since(0), log.end)
    return copy


@given(writes, writes)
def test_a_member_that_takes_what_changed_since_its_position_has_all(first: Writes, second: Writes) -> None:
    leader = written(empty(), 1, first)
    member = copied(leader)
    written(leader, 1, second)
    member.extend(leader.since(member.end.sequence), leader.end)
    assert present(member) == present(leader)
    assert member.end == leader.end
    assert member.open_jobs == leader.open_jobs == sum(key.startswith("j/") for key in present(leader))


@given(writes, writes)
def test_a_batch_that_comes_again_changes_nothing(first: Writes, second: Writes) -> None:
    leader = written(empty(), 1, first)
    member = copied(leader)
    written(leader, 1, second)
    batch = leader.since(member.end.sequence)
    member.extend(batch, leader.end)
    before = present(member)
    member.extend(batch, leader.end)
    assert present(member) == before


@given(writes, writes, writes)
def test_what_the_next_leader_never_had_is_taken_back(shared: Writes, lost: Writes, won: Writes) -> None:
    """A former leader's own end of the log goes, also where it had overwritten or removed what is committed."""
    old = written(empty(), 1, shared)
    new = copied(old)
    sure = old.end.sequence
    old.note_committed(sure)
    written(old, 1, lost)
    written(new, 2, won)
    repair = new.repair(old.committed, old.beyond(old.committed))
    old.cut_to(old.committed, repair, new.end)
    assert present(old) == present(new)
    assert old.end == new.end


@example(
    shared=[("j/1", b"a"), ("j/2", b"a"), ("s/1", b"a")], lost=[("j/1", b"b")], won=[("f/2", b"a")], since=1
)
@given(writes, writes, writes, st.integers(min_value=0, max_value=24))
def test_a_repaired_copy_can_tell_others_what_changed_since_any_position(
    shared: Writes, lost: Writes, won: Writes, since: int
) -> None:
    """What came back from before the committed position has its place there, not at the end (seed 1590: what lay
    between was never told, and a job that had ended ran again)."""
    old = written(empty(), 1, shared)
    new = copied(old)
    old.note_committed(old.end.sequence)
    written(old, 1, lost)
    written(new, 2, won)
    old.cut_to(old.committed, new.repair(old.committed, old.beyond(old.committed)), new.end)
    told = {record.key: record.value for record in old.since(since)}
    for record in new.since(since):
        assert told.get(record.key, GONE) == record.value


@given(writes, writes)
def test_a_removed_key_is_forgotten_only_when_everybody_has_heard_of_it(
    first: Writes, second: Writes
) -> None:
    leader = written(empty(), 1, first)
    slow = copied(leader)
    heard = slow.end.sequence
    written(leader, 1, second)
    leader.note_everywhere(heard)
    slow.extend(leader.since(heard), leader.end)
    assert present(slow) == present(leader)
    leader.note_everywhere(leader.end.sequence)
    assert all(record.value != GONE for record in leader.records())


def test_the_larger_copy_is_the_one_of_the_later_term() -> None:
    assert Where(2, 1) > Where(1, 9)
    assert Where(2, 3) > Where(2, 1)


def test_what_is_committed_is_never_beyond_the_copy() -> None:
    log = written(empty(), 1, [("j/1", b"a")])
    log.note_committed(5)
    assert log.committed == 1


def test_a_copy_does_not_go_back() -> None:
    log = written(empty(), 1, [("j/1", b"a"), ("j/2", b"a")])
    with pytest.raises(AssertionError, match="only grows"):
        log.extend([], Where(1, 1))


def test_rows_are_owed_once() -> None:
    log = written(empty(), 1, [("j/1", b"a"), ("j/1", b"b")])
    rows, gone = log.collect()
    assert [(row.key, row.sequence, row.value) for row in rows] == [("j/1", 2, b"b")]
    assert gone == []
    assert log.collect() == ([], [])
    log.cut_to(0, [LogRecord("j/1", 0, 0, GONE)], Where(2, 2))
    assert log.collect() == ([], [("north", "j/1")])
