"""P5, of what operators allow in all regions: whatever a region takes for the league's policy an operator has signed;
it is on its disk before it is told on; no disk goes back to a smaller one; and once everything has healed all regions
have the same, and have gone by it (somebody there may have wanted another one since), unless it is broken.
"""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.messages import PolicyNotice
from hanse.core.model.league_policy import (
    NO_RANK,
    Rank,
    SignedPolicy,
    decode_league_policy,
    league_policy_message,
    league_policy_sha256,
)
from hanse.core.rows import LeaguePolicyRow
from hanse.sim.keys import SimKeys, public_key_of
from hanse.sim.league_policy import BROKEN, OPERATOR
from hanse.sim.record import (
    EMPTY_IMAGE,
    Committed,
    DiskReplaced,
    Finished,
    ImageTaken,
    RegionJoined,
    Sent,
)


class _Disk:
    """What one region's disk says: of the league's policy, and the text of the newest policy of its own."""

    def __init__(self, row: LeaguePolicyRow | None = None, text: str = "") -> None:
        self.row = row
        self.text = text

    @property
    def rank(self) -> Rank:
        """Of the document."""
        return NO_RANK if self.row is None else (self.row.number, self.row.sha256)

    def copy(self) -> _Disk:
        """An image of it."""
        return _Disk(self.row, self.text)


class LeaguePolicies(Checker):
    """Follows the documents of each region, transaction by transaction."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._disks: dict[str, _Disk] = {}
        self._images: dict[int, _Disk] = {EMPTY_IMAGE: _Disk()}
        self._finished: Finished | None = None

    def handlers(self) -> Handlers:
        return {
            RegionJoined: self._on_joined,
            Committed: self._on_committed,
            Sent: self._on_sent,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
            Finished: self._on_finished,
        }

    def _on_joined(self, entry: RegionJoined) -> None:
        self._disk(entry.region)

    def _disk(self, region: str) -> _Disk:
        return self._disks.setdefault(region, _Disk())

    def _on_image(self, entry: ImageTaken) -> None:
        self._images[entry.image] = self._disk(entry.region).copy()

    def _on_replaced(self, entry: DiskReplaced) -> None:
        self._disks[entry.region] = self._images[entry.image].copy()

    def _on_committed(self, entry: Committed) -> None:
        disk = self._disk(entry.region)
        for writes in entry.writes:
            texts = [disk.text, *(policy.document for policy in writes.policies)]
            for row in writes.league_policies:
                self._take(entry, disk, row, texts)
            disk.text = texts[-1]

    def _take(self, entry: Committed, disk: _Disk, row: LeaguePolicyRow, texts: list[str]) -> None:
        """`texts` were in force before and in this transaction."""
        signed, former = decode_league_policy(row.document), disk.rank
        disk.row = row
        if disk.rank != _rank_of(signed):
            raise violated(f"{entry.region}: a row names another document than it has", entry.at_us)
        if not _is_signed(signed):
            message = f"{entry.region} has policy {row.number} of the league, which no operator has signed"
            raise violated(message, entry.at_us)
        if disk.rank < former:
            message = f"{entry.region} goes back from the league's policy {former} to {disk.rank}"
            raise violated(message, entry.at_us)
        if row.digest and signed.document.text not in texts:
            message = f"{entry.region} says that it goes by the league's policy {row.number}, and does not"
            raise violated(message, entry.at_us)

    def _on_sent(self, entry: Sent) -> None:
        if not isinstance(entry.message, PolicyNotice):
            return
        rank = _rank_of(entry.message.signed)
        if rank > self._disk(entry.region).rank:
            message = f"{entry.region} tells of the league's policy {rank[0]} before that is durable"
            raise violated(message, entry.at_us)

    def _on_finished(self, entry: Finished) -> None:
        self._finished = entry

    def finish(self) -> None:
        if self._finished is None or self._finished.waits_for:
            return
        present = {region: disk for region, disk in self._disks.items() if region not in self.disks.gone}
        at_us = self._finished.at_us
        ranks = {disk.rank for disk in present.values()}
        if len(ranks) > 1:
            raise violated(f"regions end with different policies of the league: {sorted(ranks)}", at_us)
        for region, disk in present.items():
            if disk.row is None:
                continue
            document = decode_league_policy(disk.row.document).document
            if bool(disk.row.digest) == (document.why == BROKEN):
                does = "has gone by" if disk.row.digest else "has never gone by"
                raise violated(f"{region} {does} the league's policy {document.number}", at_us)


def _rank_of(signed: SignedPolicy) -> Rank:
    return signed.document.number, league_policy_sha256(signed.document)


def _is_signed(signed: SignedPolicy) -> bool:
    message = league_policy_message(signed.document)
    return SimKeys().verify(public_key_of(OPERATOR), message, signed.operator_signature)
