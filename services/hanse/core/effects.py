"""Everything that can leave the core, grouped by the order in which it may happen.

The shell's obligation, for the Effects of one step:
1. `writes` are committed in one transaction and fsynced. If that fails, the Region is discarded and rebuilt from disk,
   and nothing of this or any later step is released.
2. Only then `leases`, `launches`, `stops`, `reaps`, `lookups`, `judge`, `sends`, `replies` and `changes` go out, in
   step order.
   A crash may fall between any two of them; recovery resends what matters.
What must wait until a majority of a group of guardians holds a write leaves the core only then: it is in the effects of
the step that took in the acknowledgement (federation/shards/gate.py), and the shell need not know.
Effects without writes may leave once every earlier step's writes are durable.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.messages import Inquest, Message
from hanse.core.model.jobs import Reason, RunId, TaskPlacement
from hanse.core.model.league_policy import SignedPolicy
from hanse.core.model.lifecycle import JobState
from hanse.core.replies import Reply
from hanse.core.rows import Writes


class Lease(msgspec.Struct, frozen=True):
    """Tasks of this shard may live until this instant of CLOCK_BOOTTIME instead of until an earlier one. Their
    supervisors end them then, whether or not the daemon lives: SIGTERM a little before (the grace, and at most a tenth
    of the lease), SIGKILL at it."""

    shard: str
    until_mono_us: int


class Launch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Start these tasks of a run: (task number, placement). The spec says what they execute. `lease` bounds the lives
    of an adoptable job's tasks; None: a `wait` job."""

    run: RunId
    tenant: str
    spec: bytes
    tasks: tuple[tuple[int, TaskPlacement], ...]
    grace_us: int
    cause: str
    traceparent: str = ""
    lease: Lease | None = None


class Stop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """End every task of this run: SIGTERM, grace, SIGKILL. Each task answers with TaskEnded. Also for unknown runs."""

    run: RunId
    grace_us: int
    cause: str


class Reap(msgspec.Struct, frozen=True, gc=False):
    """The outcome of this run is on disk: the executor may forget its records (logs stay until retention)."""

    run: RunId


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """Read the settled rows of these jobs from the ledger and post them as LookedUp, with `peer` and `inquest`.

    `home` not empty: and, by id, those of that home whose id is greater than `after`, at most `limit` of them.
    """

    peer: str
    inquest: Inquest
    job_ids: tuple[str, ...]
    home: str = ""
    after: str = ""
    limit: int = 0


class Send(msgspec.Struct, frozen=True, gc=False):
    """One message to one peer; the shell packs what is waiting for a peer into envelopes."""

    to: str
    message: Message


class JobChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A job's new state as its watchers are to see it; published at the job's home and where it runs."""

    job_id: str
    tenant: str
    home: str
    state: JobState
    region: str
    epoch: int
    attempt: int
    reason: Reason
    at_wall_us: int
    exit_code: int
    cause: str
    traceparent: str
    # So that a watch can filter by name without asking the ledger.
    name: str = ""
    # In whose books it happened; empty: in those of this region itself.
    shard: str = ""


class Effects(msgspec.Struct, kw_only=True):
    """What one step wants done. `sequence` is the write sequence after this step (unchanged if nothing is written).
    `owes_rows`: of jobs of shards some news, which callers have been told of, is not in the rows that they read yet.
    `settled`: so many of the `replies`, the first ones, rest on earlier steps alone, as do those to what a majority
    holds: once the disk has come to the write sequence `rests_on` they may leave, whatever is still to be written."""

    sequence: int = 0
    writes: Writes = msgspec.field(default_factory=Writes)
    leases: list[Lease] = msgspec.field(default_factory=list)
    launches: list[Launch] = msgspec.field(default_factory=list)
    stops: list[Stop] = msgspec.field(default_factory=list)
    reaps: list[Reap] = msgspec.field(default_factory=list)
    lookups: list[Lookup] = msgspec.field(default_factory=list)
    sends: list[Send] = msgspec.field(default_factory=list)
    replies: list[Reply] = msgspec.field(default_factory=list)
    settled: int = 0
    rests_on: int = 0
    changes: list[JobChange] = msgspec.field(default_factory=list)
    owes_rows: bool = False
    # The league's policy, to be judged: answered by PolicyChanged or PolicyUnfit, with its hash. Only the newest one
    # counts.
    judge: SignedPolicy | None = None
    # Once all of this has left, the Region is discarded and rebuilt from disk: a new roster is in force.
    restart: bool = False

    def settle(self, replies: Sequence[Reply], rests_on: int) -> None:
        """Let these leave as soon as all writes up to this sequence are on disk."""
        self.replies[: self.settled] = [*self.replies[: self.settled], *replies]
        self.settled += len(replies)
        self.rests_on = max(self.rests_on, rests_on)

    def take_settled(self) -> list[Reply]:
        """The replies that may leave before this step is on disk, once."""
        settled, self.replies = self.replies[: self.settled], self.replies[self.settled :]
        self.settled = 0
        return settled
