"""What the core wants judged: the league's policy, by all that this region knows.

The core keeps signed documents and can't read them: TOML and CEL are the shell's. So it hands a document out with the
step that has it on disk, and takes it back as the policy that is to be in force, or as one that is unfit here and why.
If the daemon dies in between, the next life hands it out again.
"""

from __future__ import annotations

import asyncio

import structlog

from hanse.core.events import Event, PolicyChanged, PolicyText, PolicyUnfit
from hanse.core.model.league_policy import SignedPolicy, league_policy_sha256
from hanse.daemon.desk import PolicyDesk
from hanse.daemon.inbox import Inbox
from hanse.policies.document import read_document
from hanse.policies.problems import DocumentRefused, Problem

log = structlog.get_logger()

# Of what is wrong with a document, its region's status says so much; `hanse policy validate` says all of it.
_PROBLEMS_TOLD_MAX = 3


class PolicyJudge:
    """The newest document that waits, and the task that reads it. An older one is of no interest any more."""

    def __init__(self, inbox: Inbox, desk: PolicyDesk) -> None:
        self._inbox = inbox
        self._desk = desk
        self._waiting: asyncio.Queue[SignedPolicy] = asyncio.Queue(1)

    def post(self, signed: SignedPolicy) -> None:
        """Take one step's document; never blocks."""
        self.clear()
        self._waiting.put_nowait(signed)

    def clear(self) -> None:
        """Another life begins: its Region hands out what it needs."""
        while not self._waiting.empty():
            self._waiting.get_nowait()

    async def run(self) -> None:
        """Judge, for ever. Beside the loop: the largest documents take a second."""
        while True:
            signed = await self._waiting.get()
            self._inbox.put([await self._judged(signed)])

    async def _judged(self, signed: SignedPolicy) -> Event:
        document, sha256 = signed.document, league_policy_sha256(signed.document)
        cause = f"league-policy:{document.number}"
        try:
            read = await asyncio.to_thread(read_document, document.text, self._desk.world)
        except DocumentRefused as refused:
            why = told(refused.problems)
            log.error("league_policy.unfit", number=document.number, sha256=sha256[:12], why=why)
            return PolicyUnfit(league=sha256, why=why, cause=cause)
        self._desk.expect(read)
        text = PolicyText(document=read.text, digest=read.digest, author=document.author, why=document.why)
        return PolicyChanged(
            request_id=0,
            policy=read.policy,
            cause=cause,
            text=text,
            former=self._desk.founding_text,
            league=sha256,
        )


def told(problems: tuple[Problem, ...]) -> str:
    """The first mistakes of a document, in one line."""
    errors = [each for each in problems if each.severity == "error"]
    lines = [
        f"line {each.line}: {each.message}" if each.line else each.message
        for each in errors[:_PROBLEMS_TOLD_MAX]
    ]
    more = len(errors) - len(lines)
    return "; ".join(lines + ([f"and {more} more"] if more else []))
