"""The newest record of every region, and what two inventories have to tell each other.

Theory of operation. A region is the only writer of its own record, and the larger (incarnation, version) wins, so
merging is a join: commutative, associative, idempotent. Two regions exchange digests (the stamps of what they hold)
and send each other only what is newer. Records are hints: they say whom to ask, never what is true.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hanse.core.model.limits import DELTA_BYTES_MAX, INVENTORY_RECORDS_MAX, RECORDS_MAX
from hanse.core.model.regions import DigestEntry, RegionRecord
from hanse.core.model.time import Now

Digest = tuple[DigestEntry, ...]


class Difference(msgspec.Struct, frozen=True):
    """What this inventory has over another (`ahead`: regions), and what it lacks (`behind`: at the stamps held here,
    (region, 0, 0) for a region without a record), each in order of name."""

    ahead: list[str]
    behind: list[DigestEntry]


class Inventory:
    """The records that `own_region` holds: its own, which only publish() writes, and those of others."""

    def __init__(self, own_region: str) -> None:
        self.own_region = own_region
        self._records: dict[str, RegionRecord] = {}
        # In order of name, as digests are: two digests of the same regions compare position by position.
        self._stamps: dict[str, DigestEntry] = {}
        self._in_order = True
        self._heard_us: dict[str, int] = {}
        self._digest: Digest | None = ()
        self._own_seen = (0, 0)
        # Records of other regions in which something is queued.
        self.waiting: dict[str, RegionRecord] = {}
        # Grows whenever a region's standing is another one, or a region is new.
        self.standings = 0
        self.refused = 0

    def get(self, region: str) -> RegionRecord | None:
        """The newest record of this region that is known here."""
        return self._records.get(region)

    def records(self) -> tuple[RegionRecord, ...]:
        """All records, in order of name."""
        return tuple([self._records[region] for region in self._stamps_in_order()])

    def heard_mono_us(self, region: str) -> int | None:
        """When this region's record last advanced here; None: there is none."""
        return self._heard_us.get(region)

    @property
    def own_record_from_the_future(self) -> tuple[int, int] | None:
        """The stamp of a record of this region that others hold and this life cannot have published: the disk that
        it woke up from is an old one, or another daemon speaks in its name. None: no such sign."""
        own = self._records.get(self.own_region)
        return self._own_seen if own is not None and self._own_seen > own.stamp else None

    def publish(self, record: RegionRecord, now: Now) -> None:
        """This region's own next record; its stamp must be larger than that of the last one."""
        assert record.region == self.own_region
        current = self._records.get(self.own_region)
        assert current is None or record.stamp > current.stamp
        self._store(record, now)

    def merge(self, records: Iterable[RegionRecord], now: Now) -> list[str]:
        """Take in what is newer than what is held. Returns the regions whose record advanced.

        A foreign record of this region itself is never taken, only noted (own_record_from_the_future).
        """
        advanced = []
        stamps = self._stamps
        for record in records:
            region = record.region
            held = stamps.get(region)
            if held is not None and held >= record.entry:
                continue
            if region == self.own_region:
                self._own_seen = max(self._own_seen, record.stamp)
            elif held is None and len(stamps) >= INVENTORY_RECORDS_MAX:
                self.refused += 1
            else:
                self._store(record, now)
                advanced.append(region)
        return advanced

    def digest(self) -> Digest:
        """The stamps of all records, in order of name; the same object until a record advances."""
        if self._digest is None:
            self._digest = tuple(self._stamps_in_order().values())
        return self._digest

    def compare(self, digest: Digest) -> Difference:
        """Where this inventory and one with that digest differ."""
        mine = self._stamps_in_order()
        if len(mine) == len(digest):
            # Where messages pass by reference, as in simulations, most entries are the very same.
            pairs = [
                (held, theirs)
                for held, theirs in zip(mine.values(), digest, strict=True)
                if held is not theirs and held != theirs
            ]
            if not [True for held, theirs in pairs if held[0] != theirs[0]]:
                return self._difference(pairs)
        return self._difference(_joined(self.digest(), digest))

    def delta_for(self, digest: Digest, bytes_max: int = DELTA_BYTES_MAX) -> tuple[RegionRecord, ...]:
        """What is newer here than in that digest: latest news first, as much as fits into `bytes_max`."""
        return self.pack(self.compare(digest).ahead, bytes_max)

    def newer_than(self, stamps: Digest, bytes_max: int = DELTA_BYTES_MAX) -> tuple[RegionRecord, ...]:
        """Like delta_for, but of the regions in `stamps` only: the answer to another's Difference.behind."""
        known = self._stamps
        ahead = [stamp[0] for stamp in stamps if stamp[0] in known and known[stamp[0]] > stamp]
        return self.pack(ahead, bytes_max)

    def pack(self, regions: list[str], bytes_max: int = DELTA_BYTES_MAX) -> tuple[RegionRecord, ...]:
        """The records of these regions, latest news first, at least one and as many as fit into `bytes_max`."""
        latest_first = sorted(regions, key=self._heard_us.__getitem__, reverse=True)
        packed: list[RegionRecord] = []
        room = bytes_max
        for region in latest_first[:RECORDS_MAX]:
            record = self._records[region]
            room -= record.bytes_estimate
            if room < 0 and packed:
                break
            packed.append(record)
        return tuple(packed)

    def _stamps_in_order(self) -> dict[str, DigestEntry]:
        if not self._in_order:
            self._stamps = dict(sorted(self._stamps.items()))
            self._in_order = True
        return self._stamps

    def _store(self, record: RegionRecord, now: Now) -> None:
        region = record.region
        before = self._records.get(region)
        if before is None:
            self._in_order = False
            self.standings += 1
        elif before.standing != record.standing:
            self.standings += 1
        self._records[region] = record
        self._stamps[region] = record.entry
        self._heard_us[region] = now.mono_us
        self._digest = None
        if record.queued_shapes and region != self.own_region:
            self.waiting[region] = record
        elif self.waiting:
            self.waiting.pop(region, None)

    def _difference(self, pairs: list[tuple[DigestEntry, DigestEntry]]) -> Difference:
        ahead, behind = [], []
        for held, theirs in pairs:
            if held > theirs:
                ahead.append(held[0])
            elif theirs > held:
                if held[0] == self.own_region:
                    self._own_seen = max(self._own_seen, theirs[1:])
                else:
                    behind.append(held)
        return Difference(ahead, behind)


def _joined(mine: Digest, theirs: Digest) -> list[tuple[DigestEntry, DigestEntry]]:
    """Entries of both digests side by side, in order of name; one that is missing has the stamp (0, 0)."""
    held_by_region = {entry[0]: entry for entry in mine}
    their_by_region = {entry[0]: entry for entry in theirs}
    return [
        (held_by_region.get(region) or (region, 0, 0), their_by_region.get(region) or (region, 0, 0))
        for region in sorted(held_by_region.keys() | their_by_region.keys())
    ]
