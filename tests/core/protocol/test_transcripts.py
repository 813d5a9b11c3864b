"""Golden transcripts: what regions say to each other, and write, in the conversations that matter.

Each is compared exactly with tests/transcripts/<name>.txt. After a change that is meant, run
`pytest tests/core/protocol/test_transcripts.py --rewrite-transcripts` and review the diff.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hanse.core.events import LedgerPressure
from hanse.core.messages import (
    Commit,
    Decision,
    Hello,
    HelloAck,
    Offer,
    Solicit,
    Stable,
    Terminal,
    TerminalAck,
)
from hanse.core.model.time import SECOND_US
from tests.core.protocol.league import League, pass_through_south

DIRECTORY = Path(__file__).parents[2] / "transcripts"


def plain_handoff() -> League:
    """North has no GPU; south takes the job, runs it, and tells north."""
    league = League(north=0, south=1)
    league.story.begin()
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.end("south", "job-1")
    league.advance(SECOND_US)
    return league


def decline_then_solicit() -> League:
    """South is full and declines; when a GPU comes free it asks for what it declined."""
    league = League(north=1, south=1)
    league.submit("north", "runner")
    league.settle()
    league.story.begin()
    league.submit("south", "filler")
    league.submit("north", "job-1")
    league.settle()
    league.end("south", "filler")
    league.run_until(lambda: bool(league.messages(Solicit)))
    league.run_until(lambda: league.running("job-1") == ["south"])
    return league


def burn_and_retry_elsewhere() -> League:
    """South's disk fills up between its ACCEPT and the COMMIT: it burns the epoch, and the job goes west."""
    league = League(north=0, south=1, west=1)
    league.story.begin()
    league.hold(Offer, to="west")
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.step("south", LedgerPressure(nearly_full=True))
    league.story.note("south's disk is nearly full")
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["west"])
    league.settle()
    return league


def crash_after_xfer() -> League:
    """North dies between writing XFER and sending COMMIT; its next life sends it."""
    league = League(north=0, south=1)
    league.story.begin()
    league.crash_after_write("north", Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: league.stations["north"].core is None)
    league.restart("north")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.settle()
    return league


def crash_of_the_target_before_committed() -> League:
    """South dies between writing its acceptance and saying COMMITTED; north asks again and hears it."""
    league = League(north=0, south=1)
    league.story.begin()
    league.crash_after_write("south", Decision)
    league.submit("north", "job-1")
    league.run_until(lambda: league.stations["south"].core is None)
    league.restart("south")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.settle()
    return league


def withdraw_of_what_never_arrived() -> League:
    """Every COMMIT is lost; after 30 s in doubt north withdraws, south burns the epoch, and is asked anew."""
    league = League(north=0, south=1)
    league.story.begin()
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.story.note("every COMMIT is lost for 30 s")
    league.run_until(lambda: bool(league.messages(Decision)), 40 * SECOND_US)
    league.wire = [each for each in league.wire if not isinstance(each.message, Commit)]
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.settle()
    return league


def withdraw_of_what_was_accepted() -> League:
    """South accepted, and its answers are lost; WITHDRAW is answered by COMMITTED: never taken back."""
    league = League(north=0, south=1)
    league.story.begin()
    league.hold(Decision)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Decision)))
    league.cancel("north", "job-1")
    league.lose(Decision)
    league.let_go()
    league.settle()
    return league


def cancel_during_transfer() -> League:
    """The caller cancels while COMMIT is lost: north asks for a decision first, and cancels what it gets back."""
    league = League(north=0, south=1)
    league.story.begin()
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.lose(Commit)
    league.cancel("north", "job-1")
    league.settle()
    return league


def cancel_of_a_moved_job() -> League:
    """The wish follows the job hop by hop to its owner, who kills it, and only then says so."""
    league = League(north=0, south=1, west=1)
    pass_through_south(league)
    league.advance(SECOND_US)
    league.story.begin()
    league.cancel("north", "job-1")
    league.settle()
    return league


def terminal_overtakes_committed() -> League:
    """The job has ended before north hears that it was accepted: the outcome implies the acceptance."""
    league = League(north=0, south=1)
    league.story.begin()
    league.hold(Decision)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.end("south", "job-1")
    league.settle()
    league.deliver(Decision, "late")
    league.settle()
    return league


def job_returns_home() -> League:
    """South gives the job back before north has heard COMMITTED: the higher epoch implies it."""
    league = League(north=1, south=1)
    league.submit("north", "north-filler")
    league.submit("south", "south-filler")
    league.hold(Decision)
    league.hold(Offer)
    league.story.begin()
    league.submit("north", "job-1")
    league.hand_over("north", "job-1", "south")
    league.settle()
    league.story.note("south gives it back, as after the cool-down")
    league.hand_over("south", "job-1", "north")
    league.deliver(Commit)
    league.deliver(Decision, "late", sender="south")
    league.deliver(Decision, sender="north")
    league.settle()
    return league


def session_renewed_after_a_restart() -> League:
    """South starts again while a COMMIT is under way: nothing is believed before both know the new session."""
    league = League(north=0, south=1)
    league.story.begin(greetings=True)
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    old = league.take(Commit)
    league.crash("south")
    league.restart("south")
    for kind in (Hello, HelloAck):
        league.deliver(kind)
    league.deliver(old, "of the old session: dropped")
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.settle()
    return league


def lost_stable_and_lost_ack() -> League:
    """What nobody must answer is repeated when a session begins; what must be answered, until it is."""
    league = League(north=0, south=1)
    league.story.begin()
    league.hold(Stable)
    league.hold(TerminalAck)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.lose(Stable)
    league.end("south", "job-1")
    league.settle()
    league.lose(TerminalAck)
    league.let_go()
    league.run_until(lambda: len(league.messages(Terminal)) == 2)
    league.settle()
    league.crash("north")
    league.restart("north")
    league.connect()
    league.settle()
    return league


CONVERSATIONS: tuple[Callable[[], League], ...] = (
    plain_handoff,
    decline_then_solicit,
    burn_and_retry_elsewhere,
    crash_after_xfer,
    crash_of_the_target_before_committed,
    withdraw_of_what_never_arrived,
    withdraw_of_what_was_accepted,
    cancel_during_transfer,
    cancel_of_a_moved_job,
    terminal_overtakes_committed,
    job_returns_home,
    session_renewed_after_a_restart,
    lost_stable_and_lost_ack,
)


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.__name__)
def test_transcript(conversation: Callable[[], League], request: pytest.FixtureRequest) -> None:
    league = conversation()
    headline = " ".join((conversation.__doc__ or "").split())
    text = f"# {headline}\n\n{league.story.text}\nin the end: {league.states('job-1')}\n"
    path = DIRECTORY / f"{conversation.__name__}.txt"
    if request.config.getoption("--rewrite-transcripts"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_transcript_belongs_to_a_conversation() -> None:
    assert {each.stem for each in DIRECTORY.glob("*.txt")} == {each.__name__ for each in CONVERSATIONS}
