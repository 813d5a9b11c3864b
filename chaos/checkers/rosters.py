"""P2 rests on it: every epoch of the league has one roster, and no countersignature leaves before it is on disk."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.messages import RosterVote
from hanse.core.model.roster import Round, decode_signed
from hanse.core.rows import RosterRow
from hanse.sim.record import Committed, Sent


class Rosters(Checker):
    """What is in force, in all regions together, and what each has countersigned. (That rounds only go
    on is for its ledger to see to.)"""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._in_force: dict[int, tuple[str, str]] = {}
        # Region and epoch -> what it has countersigned last, and in which round.
        self._votes: dict[tuple[str, int], tuple[str, Round]] = {}

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, Sent: self._on_sent}

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            for row in writes.rosters:
                if row.in_force:
                    self._on_in_force(entry, row)
                else:
                    signed = decode_signed(row.document)
                    self._votes[(entry.region, row.epoch)] = (row.sha256, signed.round)

    def _on_in_force(self, entry: Committed, row: RosterRow) -> None:
        sha256, region = self._in_force.setdefault(row.epoch, (row.sha256, entry.region))
        if sha256 != row.sha256:
            raise violated(
                f"two rosters of epoch {row.epoch} are in force: {sha256[:16]} in {region}, "
                f"{row.sha256[:16]} in {entry.region}",
                entry.at_us,
            )

    def _on_sent(self, entry: Sent) -> None:
        """A countersignature is said as it is on the disk, unless one of a later round is there by now."""
        vote = entry.message
        if not isinstance(vote, RosterVote) or not vote.signature:
            return
        sha256, in_round = self._votes.get((entry.region, vote.epoch), ("", Round()))
        if in_round < vote.round or (in_round == vote.round and sha256 != vote.sha256):
            raise violated(
                f"{entry.region}'s countersignature of epoch {vote.epoch} left before it was durable",
                entry.at_us,
            )
