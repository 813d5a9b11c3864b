"""Evening out queues carries no job back and forth: none that has been handed on often, and none to where it was."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.messages import Commit, Offer, ToShard
from hanse.core.model.limits import RELIEF_HOPS_MAX
from hanse.sim.record import DiskReplaced, Sent, Started


class Reliefs(Checker):
    """Reads offers that are to even out queues, and the transfers that follow. Who has had a job is counted from the
    transfers, not from the path that jobs carry: while every disk has all that it ever had, whoever has begun one and
    is not beginning this one has let go of the job."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        # (region, offer) of each relief.
        self._offers: set[tuple[str, int]] = set()
        # Who handed the job on, in its own name or for a shard that it led.
        self._givers: dict[str, set[str]] = {}
        self._forgetful = False

    def handlers(self) -> Handlers:
        return {Sent: self._on_sent, Started: self._on_started, DiskReplaced: self._on_replaced}

    def _on_started(self, entry: Started) -> None:
        """Each life counts its offers from 1 ("late copies", seed 7)."""
        self._offers = {offer for offer in self._offers if offer[0] != entry.region}

    def _on_replaced(self, entry: DiskReplaced) -> None:
        self._forgetful = True

    def _on_sent(self, entry: Sent) -> None:
        message = entry.message
        giver, target = entry.region, entry.to
        if isinstance(message, ToShard):
            giver, target, message = message.source, message.shard, message.message
        if isinstance(message, Offer):
            self._offers.add((entry.region, message.id))
        elif isinstance(message, Commit):
            if message.offer_id and (entry.region, message.offer_id) in self._offers and not self._forgetful:
                self._judge(entry, message, giver, target)
            self._givers.setdefault(message.job_id, set()).add(giver)

    def _judge(self, entry: Sent, commit: Commit, giver: str, target: str) -> None:
        before = self._givers.get(commit.job_id, set()) - {giver}
        if target in before:
            raise violated(f"{giver}: back to {target} for a shorter queue", entry.at_us, commit.job_id)
        if len(before) >= RELIEF_HOPS_MAX:
            what = f"{giver}: handed on for a shorter queue, after {len(before)} others"
            raise violated(what, entry.at_us, commit.job_id)
