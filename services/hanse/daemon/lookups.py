"""What the core wants looked up in the ledger: rows that memory let go of, for a peer whose disk is an old one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

from hanse.core.effects import Lookup
from hanse.core.events import LookedUp
from hanse.core.model import limits
from hanse.core.model.jobs import Job
from hanse.daemon.inbox import Inbox
from hanse.ledger.ledger import Ledger
from hanse.ledger.queries import settled_jobs, settled_jobs_of


class Lookups:
    """A bounded queue of lookups, and the task that works it off. What does not fit is asked for again by the peer."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: asyncio.Queue[Lookup] = asyncio.Queue(limits.LOOKUPS_MAX)
        self.dropped = 0

    def post(self, lookups: Sequence[Lookup]) -> None:
        """Take one step's lookups; never blocks."""
        for lookup in lookups:
            if self._waiting.full():
                self.dropped += 1
            else:
                self._waiting.put_nowait(lookup)

    async def run(self, ledger: Ledger) -> None:
        """Look up, for ever. Raises LedgerFailed."""
        while True:
            lookup = await self._waiting.get()
            self._inbox.put([await ledger.read(looked_up, lookup)])


def looked_up(connection: sqlite3.Connection, lookup: Lookup) -> LookedUp:
    """The answer to a lookup, all of it as of one commit."""
    beyond: tuple[Job, ...] = ()
    if lookup.home:
        beyond = settled_jobs_of(connection, lookup.home, lookup.after, lookup.limit)
    return LookedUp(
        peer=lookup.peer,
        inquest=lookup.inquest,
        asked=lookup.job_ids,
        jobs=settled_jobs(connection, lookup.job_ids),
        beyond=beyond,
        cause=f"inquest:{lookup.peer}",
    )
