"""The power is cut at every single write of a handoff, on real SQLite files: no job is lost, none has two owners.

For every transaction of a conversation, in whichever region: just before it; in it, with the write-ahead log cut at
every frame and in the middle of every frame; just after it, when 0, 1, 2, ... of the effects that waited for it have
left. Then the region starts again from its files, and all goes on to the end. After every write of the whole league
owners + undecided transfers + terminals = 1 for every job, one region at most has processes of it, and in the end
every job has ended at its home.

`make test` takes a sample; `make crashpoints` takes them all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hanse.core.messages import Commit
from hanse.core.model.lifecycle import TERMINAL_STATES
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Refused
from tests.chaos.conversations import CONVERSATIONS, JOB, Conversation
from tests.chaos.power import Cut, PowerCut, PowerLeague, Written, torn_lengths
from tests.core.protocol.station import NoAnswerError, TokenError

# Per conversation; spread evenly over all of its points.
SAMPLED = 10
TAKE_ALL = os.environ.get("HANSE_CRASH_POINTS") == "all"
# A dead region stays down at every other point for longer than any retry waits at first.
DOWN_US = 3 * SECOND_US


def points(written: list[Written]) -> Iterator[Cut]:
    """Every way to cut the power in a conversation with these writes."""
    for ordinal, each in enumerate(written):
        for machine in (True, False):
            yield Cut(ordinal, machine=machine)
            for released in range(each.effects + 1):
                yield Cut(ordinal, released=released, machine=machine)
        for torn in torn_lengths(each.bytes):
            yield Cut(ordinal, torn=torn)


def recorded(conversation: Conversation, directory: Path) -> list[Written]:
    """The writes of the conversation when nothing goes wrong."""
    league = PowerLeague(directory, **conversation.regions)
    try:
        conversation.talk(league)
        league.finish()
        assert league.written is not None
        return league.written
    finally:
        league.close()


def survive(conversation: Conversation, directory: Path, cut: Cut) -> None:
    """Have the conversation with this cut in it, and everything end all the same."""
    league = PowerLeague(directory, **conversation.regions)
    try:
        league.cut_at = cut
        start_again(league, talk_until_cut(league, conversation), cut)
        repeat_requests(league, conversation)
        league.finish()
        check_end(league, conversation, cut)
    finally:
        league.close()


def talk_until_cut(league: PowerLeague, conversation: Conversation) -> str:
    """Which region's power was cut."""
    try:
        conversation.talk(league)
        league.finish()
    except PowerCut as cut:
        return str(cut)
    raise AssertionError("the conversation was over before the cut")


def start_again(league: PowerLeague, name: str, cut: Cut) -> None:
    if cut.ordinal % 2:
        league.let_go()
        league.advance(DOWN_US)
    if cut.torn:
        # It dies once more, right after its files were opened.
        promised = league.disk(name).write_sequence
        assert league.disk(name).recover().write_sequence < promised, "half a transaction is none"
        league.disk(name).discard()
    league.restart(name)


def repeat_requests(league: PowerLeague, conversation: Conversation) -> None:
    """Callers who were not answered ask again, under the same key."""
    for home, job_id in conversation.submits:
        assert not isinstance(league.submit(home, job_id), Refused)
    if conversation.cancels:
        league.cancel("north", JOB)


def check_end(league: PowerLeague, conversation: Conversation, cut: Cut) -> None:
    league.check_tokens()
    for home, job_id in conversation.submits:
        assert league.state(home, job_id) in TERMINAL_STATES
        # The engine's records outlive a daemon: what has ended well never runs again. They go with their machine.
        assert cut.machine or league.ended_well.get(job_id, 0) <= 1


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.name)
def test_a_power_cut_at_any_write_loses_nothing_and_doubles_nothing(
    conversation: Conversation, tmp_path: Path
) -> None:
    every = list(points(recorded(conversation, tmp_path / "whole")))
    step = 1 if TAKE_ALL else max(1, len(every) // SAMPLED)
    chosen = every[::step]
    for number, cut in enumerate(chosen):
        try:
            survive(conversation, tmp_path / str(number), cut)
        except (AssertionError, NoAnswerError) as error:
            error.add_note(f"{conversation.name}: {cut}")
            raise
    assert len(chosen) >= min(SAMPLED, len(every))
    sys.stdout.write(f"crash points: {conversation.name}: {len(chosen)} of {len(every)}\n")


def test_a_giver_that_sends_before_it_writes_is_caught(tmp_path: Path) -> None:
    plain = CONVERSATIONS[0]
    writes = len(recorded(plain, tmp_path / "whole"))

    def cut_before_each() -> None:
        for ordinal in range(writes):
            league = PowerLeague(tmp_path / str(ordinal), **plain.regions)
            league.stations["north"].leaks = Commit
            league.cut_at = Cut(ordinal)
            try:
                start_again(league, talk_until_cut(league, plain), league.cut_at)
                league.finish()
            finally:
                league.close()

    with pytest.raises(TokenError):
        cut_before_each()
