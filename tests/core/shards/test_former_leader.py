"""A leader that has been followed by another one, and has not noticed."""

from __future__ import annotations

from hanse.core.federation.shards.leading import channel_of
from hanse.core.messages import Locate, Located, ShardMessage, Terminal, TerminalAck, ToShard
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import Policy
from tests.core.shards.trio import Trio


def test_what_is_not_in_its_log_is_no_answer() -> None:
    """The job came after it; had it said that the outcome need not be told again, nobody would ever have heard of it.
    (Seed 184 of a swarm: the home waited for ever.)"""
    trio = Trio(Policy())
    trio.silence("north")
    told = _tell(trio, _outcome("north-1"))
    assert not told
    trio.advance(30 * SECOND_US)
    assert not [each for each in told if isinstance(each, TerminalAck)]


def test_whoever_leads_says_that_it_has_forgotten_a_job() -> None:
    trio = Trio(Policy())
    assert _tell(trio, _outcome("north-1")) == [TerminalAck("north-1", 2)]
    assert _tell(trio, Locate("north-1", 0)) == [Located("north-1", 0, None, 0)]


def _outcome(job_id: str) -> Terminal:
    return Terminal(
        job_id=job_id,
        epoch=2,
        attempt=1,
        outcome=JobState.SUCCEEDED,
        reason=Reason(ReasonCode.SUCCEEDED),
        exit_code=0,
        started_wall_us=1,
        ended_wall_us=2,
        region="south",
    )


def _to_south(sender: str, said: object) -> bool:
    return sender == "north" and isinstance(said, ToShard) and said.shard == "south"


def _tell(trio: Trio, message: ShardMessage) -> list[object]:
    """The leader of the north's shard is told this by the south's; what it answers, now or ever."""
    told: list[object] = []
    trio.overheard = lambda sender, said: told.append(said.message) if _to_south(sender, said) else None
    leading = trio["north"].shards.leading["north"]
    leading.desk.on_message(trio._now(), "south", channel_of("south"), message, leading.out, "south")
    trio.step("north")
    trio.settle()
    return told
