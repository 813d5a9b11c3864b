"""Transfers away from this region, of its own jobs and of those of shards that it leads."""

from __future__ import annotations

from hanse.core.effects import Effects
from hanse.core.federation.desk import Desk
from hanse.core.federation.shards.shards import Shards
from hanse.core.model.jobs import Job
from hanse.core.model.time import Now


class Transferring:
    """What offers lead to (federation/ports.py: Transfers). A job of a shard goes to the shard of the region that took
    the offer."""

    def __init__(self, own: Desk, shards: Shards) -> None:
        self._own = own
        self._shards = shards

    def room(self, peer: str) -> int:
        """How many more transfers to this peer may be open, whatever the job is."""
        rooms = [leading.desk.giver.room(peer) for leading in self._shards.leading.values()]
        return min((self._own.giver.room(peer), *rooms))

    def give(self, now: Now, job: Job, peer: str, offer_id: int, out: Effects, why: str = "") -> None:
        """The peer accepted, and the job is still queued: from the books that it is in."""
        leading = self._shards.leading_of(job)
        if leading is None:
            self._own.giver.give(now, job, peer, offer_id, out, why)
        else:
            assert peer != job.shard, "a shard gives nothing to itself"
            leading.desk.giver.give(now, job, peer, offer_id, leading.out, why)
