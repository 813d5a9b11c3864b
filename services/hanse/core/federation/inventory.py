"""The newest record of every region, and what two inventories have to tell each other.

Theory of operation. A region is the only writer of its own record, and the larger (incarnation, version) wins, so
merging is a join: commutative, associative, idempotent. Two regions exchange digests (the stamps of what they hold)
and send each other only what is newer. Records are hints: they say whom to ask, never what is true.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from itertools import compress
from operator import is_not

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
    """The records that `own_region` holds: its own, which only publish() writes, and those of other `members` (None: of
    anybody)."""

    def __init__(self, own_region: str, members: Container[str] | None = None) -> None:
        self.own_region = own_region
        self._members = members
        # Columns in order of name, as digests are: two digests of the same regions compare position by position.
        self._positions: dict[str, int] = {}
        self._entries: list[DigestEntry] = []
        self._records: list[RegionRecord] = []
        self._heard_us: list[int] = []
        self._digest: Digest | None = ()
        self._own_seen = (0, 0)
        # Records of other regions in which something is queued.
        self.waiting: dict[str, RegionRecord] = {}
        # Grows with each such record, and when one is the last.
        self.waiting_changes = 0
        # Regions that tell of quotas.
        self.quoting: dict[str, None] = {}
        # Regions that tell of a policy of the league.
        self.ruling: dict[str, None] = {}
        # By shard, who says that it leads it, in which term. `led_changes` grows whenever that is another one.
        self._leads: dict[str, dict[str, int]] = {}
        self.lead_changes = 0
        # Grows whenever a region's standing is another one, or a region is new.
        self.standings = 0
        # Regions whose records have advanced since somebody last took this.
        self._advanced: dict[str, None] = {}
        # Records that were not taken: of strangers, and for want of room.
        self.strangers = 0
        self.refused = 0

    def get(self, region: str) -> RegionRecord | None:
        """The newest record of this region that is known here."""
        position = self._positions.get(region)
        return None if position is None else self._records[position]

    def records(self) -> tuple[RegionRecord, ...]:
        """All records, in order of name."""
        return tuple(self._records)

    def leaders_of(self, shard: str) -> Mapping[str, int]:
        """Who says that it leads this shard, this region included, each with its term."""
        return self._leads.get(shard, {})

    def heard_mono_us(self, region: str) -> int | None:
        """When this region's record last advanced here; None: there is none."""
        position = self._positions.get(region)
        return None if position is None else self._heard_us[position]

    @property
    def own_record_from_the_future(self) -> tuple[int, int] | None:
        """The stamp of a record of this region that others hold and this life cannot have published: the disk that
        it woke up from is an old one, or another daemon speaks in its name. None: no such sign."""
        own = self.get(self.own_region)
        return self._own_seen if own is not None and self._own_seen > own.stamp else None

    def publish(self, record: RegionRecord, now: Now) -> None:
        """This region's own next record; its stamp must be larger than that of the last one."""
        assert record.region == self.own_region
        position = self._positions.get(record.region)
        if position is None:
            self._insert(record, now)
        else:
            assert record.entry > self._entries[position]
            self._replace(position, record, now)

    def merge(self, records: Iterable[RegionRecord], now: Now) -> list[str]:
        """Take in what is newer than what is held. Returns the regions whose record advanced.

        A foreign record of this region itself is never taken, only noted (own_record_from_the_future).
        """
        advanced = []
        positions, entries = self._positions, self._entries
        for record in records:
            region, entry = record.region, record.entry
            position = positions.get(region)
            if position is not None and entries[position] >= entry:
                continue
            if region == self.own_region:
                self._own_seen = max(self._own_seen, record.stamp)
            elif position is not None:
                self._replace(position, record, now)
                advanced.append(region)
            elif self._may_insert(region):
                self._insert(record, now)
                advanced.append(region)
        self._advanced.update(dict.fromkeys(advanced))
        return advanced

    def take_advanced(self) -> dict[str, None]:
        """Regions whose records have advanced since the last call."""
        advanced = self._advanced
        if advanced:
            self._advanced = {}
        return advanced

    def digest(self) -> Digest:
        """The stamps of all records, in order of name; the same object until a record advances."""
        if self._digest is None:
            self._digest = tuple(self._entries)
        return self._digest

    def compare(self, digest: Digest) -> Difference:
        """Where this inventory and one with that digest differ."""
        difference = None
        if len(self._entries) == len(digest):
            # Where messages pass by reference, as in simulations, most entries are the very same.
            others = map(is_not, self._entries, digest)
            difference = self._difference(compress(zip(self._entries, digest, strict=True), others))
        if difference is None:
            difference = self._difference(_joined(self.digest(), digest))
            assert difference is not None
        return difference

    def delta_for(self, digest: Digest, bytes_max: int = DELTA_BYTES_MAX) -> tuple[RegionRecord, ...]:
        """What is newer here than in that digest: latest news first, as much as fits into `bytes_max`."""
        return self.pack(self.compare(digest).ahead, bytes_max)

    def newer_than(self, stamps: Digest, bytes_max: int = DELTA_BYTES_MAX) -> tuple[RegionRecord, ...]:
        """Like delta_for, but of the regions in `stamps` only: the answer to another's Difference.behind."""
        entries, positions = self._entries, self._positions
        ahead = [
            stamp[0] for stamp in stamps if stamp[0] in positions and entries[positions[stamp[0]]] > stamp
        ]
        return self.pack(ahead, bytes_max)

    def pack(self, regions: list[str], bytes_max: int = DELTA_BYTES_MAX) -> tuple[RegionRecord, ...]:
        """The records of these regions, latest news first, at least one and as many as fit into `bytes_max`."""
        latest_first = [self._positions[region] for region in regions]
        latest_first.sort(key=self._heard_us.__getitem__, reverse=True)
        packed = [self._records[position] for position in latest_first[:RECORDS_MAX]]
        room = bytes_max - sum([record.bytes_estimate for record in packed])
        while room < 0 and len(packed) > 1:
            room += packed.pop().bytes_estimate
        return tuple(packed)

    def _replace(self, position: int, record: RegionRecord, now: Now) -> None:
        before = self._records[position]
        if before.classes is not record.classes and before.standing != record.standing:
            self.standings += 1
        self._entries[position] = record.entry
        self._records[position] = record
        self._heard_us[position] = now.mono_us
        self._digest = None
        if record.queued_shapes or before.queued_shapes:
            self._note_waiting(record)
        if record.quotas is not before.quotas:
            self._note_quotas(record)
        if record.policy is not before.policy:
            self._note_policy(record)
        if record.leads != before.leads:
            self._note_leads(record, before.leads)

    def _may_insert(self, region: str) -> bool:
        if self._members is not None and region not in self._members:
            self.strangers += 1
            return False
        if len(self._entries) >= INVENTORY_RECORDS_MAX:
            self.refused += 1
            return False
        return True

    def _insert(self, record: RegionRecord, now: Now) -> None:
        first = bisect_left(self._entries, record.entry)
        self._entries.insert(first, record.entry)
        self._records.insert(first, record)
        self._heard_us.insert(first, now.mono_us)
        for position in range(first, len(self._entries)):
            self._positions[self._entries[position][0]] = position
        self.standings += 1
        self._digest = None
        if record.queued_shapes:
            self._note_waiting(record)
        self._note_quotas(record)
        self._note_policy(record)
        if record.leads:
            self._note_leads(record, ())

    def _note_quotas(self, record: RegionRecord) -> None:
        if record.quotas is None:
            self.quoting.pop(record.region, None)
        else:
            self.quoting[record.region] = None

    def _note_policy(self, record: RegionRecord) -> None:
        if record.policy is None:
            self.ruling.pop(record.region, None)
        else:
            self.ruling[record.region] = None

    def _note_leads(self, record: RegionRecord, before: tuple[tuple[str, int], ...]) -> None:
        self.lead_changes += 1
        for shard, _ in before:
            self._leads.get(shard, {}).pop(record.region, None)
        for shard, term in record.leads:
            leaders = self._leads.setdefault(shard, {})
            leaders[record.region] = max(term, leaders.get(record.region, term))

    def _note_waiting(self, record: RegionRecord) -> None:
        self.waiting_changes += 1
        if not record.queued_shapes:
            self.waiting.pop(record.region, None)
        elif record.region != self.own_region:
            self.waiting[record.region] = record

    def _difference(self, pairs: Iterable[tuple[DigestEntry, DigestEntry]]) -> Difference | None:
        """From entries side by side. None: they are not of the same regions."""
        ahead, behind = [], []
        for held, theirs in pairs:
            if held[0] != theirs[0]:
                return None
            if held > theirs:
                ahead.append(held[0])
            elif held == theirs:
                continue
            elif held[0] != self.own_region:
                behind.append(held)
            else:
                self._own_seen = max(self._own_seen, theirs[1:])
        return Difference(ahead, behind)


def _joined(mine: Digest, theirs: Digest) -> list[tuple[DigestEntry, DigestEntry]]:
    """Entries of both digests side by side, in order of name; one that is missing has the stamp (0, 0)."""
    held_by_region = {entry[0]: entry for entry in mine}
    their_by_region = {entry[0]: entry for entry in theirs}
    return [
        (held_by_region.get(region) or (region, 0, 0), their_by_region.get(region) or (region, 0, 0))
        for region in sorted(held_by_region.keys() | their_by_region.keys())
    ]
