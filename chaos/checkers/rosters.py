"""P2 rests on it: every epoch of the league has one roster, and no countersignature leaves before it is on disk."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.effects import RosterRow
from hanse.core.messages import RosterProposal, RosterVote
from hanse.core.model.roster import sha256_of
from hanse.sim.record import Committed, Sent


class Rosters(Checker):
    """What is in force, in all regions together, and what each has countersigned. (That a region countersigns one
    roster of each epoch is for its ledger to see to.)"""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._in_force: dict[int, tuple[str, str]] = {}
        self._votes: dict[tuple[str, int], str] = {}

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, Sent: self._on_sent}

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            for row in writes.rosters:
                if row.in_force:
                    self._on_in_force(entry, row)
                else:
                    self._votes[(entry.region, row.epoch)] = row.sha256

    def _on_in_force(self, entry: Committed, row: RosterRow) -> None:
        sha256, region = self._in_force.setdefault(row.epoch, (row.sha256, entry.region))
        if sha256 != row.sha256:
            raise violated(
                f"two rosters of epoch {row.epoch} are in force: {sha256[:16]} in {region}, "
                f"{row.sha256[:16]} in {entry.region}",
                entry.at_us,
            )

    def _on_sent(self, entry: Sent) -> None:
        match entry.message:
            case RosterVote(epoch=epoch, sha256=sha256, countersignatures=countersignatures):
                pass
            case RosterProposal(signed=signed):
                epoch, sha256 = signed.roster.epoch, sha256_of(signed.roster)
                countersignatures = signed.countersignatures
            case _:
                return
        own = any(each.member == entry.region for each in countersignatures)
        if own and self._votes.get((entry.region, epoch)) != sha256:
            raise violated(
                f"{entry.region}'s countersignature of epoch {epoch} left before it was durable", entry.at_us
            )
