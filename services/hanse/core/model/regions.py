"""Regions and nodes: what a region is configured with, and what it publishes of itself."""

from __future__ import annotations

import enum
from functools import cached_property

import msgspec

from hanse.core.model.league_policy import LeagueStanding, Rank
from hanse.core.model.quota import QuotaKey
from hanse.core.model.resources import Resources
from hanse.core.model.roster import SignedRoster
from hanse.core.model.rules import Taint

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of the region. `node_class` groups nodes that are alike; labels are sorted pairs.

    `islands`: (level, devices in one island) pairs, smallest first: every so many devices of a kind, counted from the
    first, are closer to each other than to the rest (NVLink, NUMA).
    """

    name: str
    node_class: str
    capacity: Resources
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    islands: tuple[tuple[str, int], ...] = ()


class DomainCap(msgspec.Struct, frozen=True, kw_only=True):
    """What the nodes of one domain (a rack, a pod) may use together, of each of these kinds. `domain` is the value of
    the level's label, the values of the wider levels before it: "pod-1/rack-7"."""

    level: str
    domain: str
    capacity: Resources


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes lie to each other: label keys from the widest level ("pod") to the narrowest ("rack"), and caps."""

    levels: tuple[str, ...] = ()
    caps: tuple[DomainCap, ...] = ()


class RunningJobs(enum.IntEnum):
    """What becomes of the running jobs of a region that is being drained."""

    FINISH = 1
    # Those that may be restarted are stopped and go on elsewhere.
    MOVE = 2


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A region of the roster. Addresses are "host:port". `labels` are sorted pairs that name its failure domains,
    `public_key` is its own in a signed roster."""

    name: str
    peer_address: str = ""
    public_address: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    public_key: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Who keeps the log of a shard, in rank order, the shard's home first. The shard has the name of its home.

    `version` grows with every change. While `joining` is not empty the group is on its way to that one, and whatever
    needs a majority needs one of each.
    """

    shard: str
    members: tuple[str, ...]
    version: int = 1
    joining: tuple[str, ...] = ()

    @property
    def ranks(self) -> tuple[str, ...]:
        """Who may lead, in rank order: while the group changes, those of the new one."""
        return self.joining or self.members

    def owner(self, term: int) -> str:
        """Who stands for this term: terms go round in rank order, term 1 is the home's. So votes seldom split; who
        leads in it is for the members' promises to say."""
        return self.ranks[(term - 1) % len(self.ranks)]


_GROUP = msgspec.msgpack.Decoder(Group)


def pack_group(group: Group) -> bytes:
    """For the log, the ledger and the wire."""
    return msgspec.msgpack.encode(group)


def unpack_group(packed: bytes) -> Group:
    """Raises msgspec.DecodeError if these bytes are no group."""
    return _GROUP.decode(packed)


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the protocol waits, in microseconds. Defaults are PROTOCOL's; tests and simulation may shorten them."""

    gossip_interval_us: int = 1_000_000
    gossip_jitter_permille: int = 200
    record_refresh_us: int = 5_000_000
    dead_gossip_interval_us: int = 10_000_000
    probe_timeout_us: int = 500_000
    suspect_after_us: int = 3_000_000
    dead_after_us: int = 10_000_000
    hello_retry_us: int = 500_000
    hello_retry_max_us: int = 10_000_000
    offer_deadline_us: int = 1_000_000
    hold_ttl_us: int = 10_000_000
    commit_retry_us: int = 200_000
    commit_retry_max_us: int = 30_000_000
    withdraw_after_us: int = 30_000_000
    report_retry_us: int = 200_000
    report_retry_max_us: int = 30_000_000
    status_flush_us: int = 100_000
    solicit_interval_us: int = 1_000_000
    decline_memory_us: int = 1_000_000
    hop_cost_us: int = 50_000
    boot_grace_us: int = 2_000_000
    # Of adoptable jobs (federation/shards/lease.py says what follows from these): how long a renewal lasts, within
    # which time after its end a supervisor has killed for certain, how far the rates of two clocks may differ, and the
    # longest halt of a machine that its clock does not count.
    lease_us: int = 5_000_000
    kill_us: int = 1_000_000
    drift_ppm: int = 1_000
    halt_us: int = 0
    # How long a region that leads another's shard starts nothing of it once that region is back, so that it can lead.
    return_patience_us: int = 600_000_000
    # How long records gather for the members of a shard that are not needed for a majority.
    append_gather_us: int = 100_000
    append_retry_us: int = 200_000
    append_retry_max_us: int = 5_000_000
    election_spread_us: int = 500_000
    # Of global quotas: who lacks rights asks again so often, and is remembered three times as long; what an account has
    # not needed for a while goes back to the keeper; and when a tenant's older jobs elsewhere go before those here.
    rights_retry_us: int = 1_000_000
    rights_idle_us: int = 30_000_000
    rights_patience_us: int = 30_000_000


class RegionConfig(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a region is told at start. `members` includes the region itself; `tiers` go from first served to last.

    `queue_depth_max` bounds what is queued here, from callers and from peers. With a signed roster (`roster`, oldest
    first; federation/roster/) what is said here of members and groups is replaced by what the newest one says.
    """

    name: str
    cluster_id: str
    members: tuple[Member, ...]
    nodes: tuple[Node, ...]
    topology: Topology = Topology()
    roster_epoch: int = 1
    tiers: tuple[str, ...] = ("premium", "standard", "basic")
    resource_kinds: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    price: int = 1000
    power: int = 1000
    queue_depth_max: int = 1_000_000
    timings: Timings = Timings()
    # Of all shards, so that their leaders can be found, also of homes that have left; empty: nothing is adoptable in
    # this federation.
    groups: tuple[Group, ...] = ()
    # With a signed roster: what it says that the groups are to become. `groups` never changes with a roster alone.
    groups_wanted: tuple[Group, ...] = ()
    # Who may ever have kept the log of this region's own shard: asked before it is begun from nothing.
    keepers: tuple[str, ...] = ()
    # Shards whose logs this region may begin to keep, as a newcomer that has never kept them.
    begins: tuple[str, ...] = ()
    roster: tuple[SignedRoster, ...] = ()
    # Public keys whose signatures on quota documents and on policies of the league count; with a signed roster, its
    # operators' as well.
    operator_keys: tuple[str, ...] = ()
    # Of the league once, and not in its newest roster: they are told so, and nothing else of theirs is heard.
    former: tuple[Member, ...] = ()
    # This region itself is not in the newest roster: it is alone, and nothing is adoptable here.
    removed: bool = False
    # Declared lost: what they had of `wait` jobs is taken back or settled without them (federation/losses.py).
    lost: tuple[str, ...] = ()
    protocol_min: int = PROTOCOL_MIN
    protocol_max: int = PROTOCOL_MAX

    @property
    def is_lost(self) -> bool:
        """Whether this very region was declared lost. It is not, as its running shows; but others have gone on."""
        return self.name in self.lost

    def member(self, name: str) -> Member | None:
        """The member of this name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.name: member for member in reversed(self.members)}


class Liveness(enum.IntEnum):
    """Advisory: how a peer looks from here. Nothing that must be safe reads it."""

    UNKNOWN = 0
    ALIVE = 1
    SUSPECT = 2
    DEAD = 3


class Position(msgspec.Struct, frozen=True, order=True):
    """A point in a region's history of writes; later boots are later whatever they wrote.

    `life` is drawn anew at every boot: two lives that began from copies of one disk have the same incarnation and
    write the same sequences, but not the same history.
    """

    incarnation: int = 0
    write_sequence: int = 0
    life: int = 0


class CapacityClass(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes of a region that are alike, summed up. `free_max` is, kind by kind, the most that one node has free.
    `taints` are those that forbid a start."""

    node_class: str
    nodes: int
    node_capacity: Resources
    labels: tuple[tuple[str, str], ...]
    free: Resources
    free_max: Resources
    taints: tuple[Taint, ...] = ()


class QueuedShape(msgspec.Struct, frozen=True, kw_only=True):
    """Queued jobs of one shape. `resources` are those of one whole job."""

    shape_key: bytes
    count: int
    resources: Resources
    oldest_wait_us: int = 0


class QuotaNews(msgspec.Struct, frozen=True, kw_only=True):
    """What a region tells of global quotas: the newest document that it goes by, named by the hash of the first one
    (`league`), its number and its own hash; the accounts that it speaks for, with their ids; and, of the quotas of
    which they have most free: (quota, free, held)."""

    league: str
    number: int
    sha256: str
    accounts: tuple[tuple[str, int], ...] = ()
    rights: tuple[tuple[QuotaKey, int, int], ...] = ()


class PolicyNews(msgspec.Struct, frozen=True, kw_only=True):
    """What a region tells of the league's policy: number and hash of the largest document that it has, what became of
    it there, and the version of the policy in force there."""

    number: int
    sha256: str
    standing: LeagueStanding
    version: int

    @property
    def rank(self) -> Rank:
        """What decides which of two documents goes before the other."""
        return (self.number, self.sha256)


# Bytes on the wire, as `make proto` encodes a typical record; estimates, because exact ones would cost an encoding.
RECORD_BYTES = 160
CLASS_BYTES = 48
SHAPE_BYTES = 120
PAIR_BYTES = 24
DATASET_BYTES = 40
POLICY_NEWS_BYTES = 80

# (region, incarnation, version): of two entries of one region the larger is the newer.
DigestEntry = tuple[str, int, int]


class RegionRecord(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a region publishes of itself. It is its only writer, and the larger (incarnation, version) wins, so that
    merging is a join: records may arrive in any order, any number of times, by any way.

    What follows from it is worked out once: a record is compared and passed on far more often than it is made.
    """

    region: str
    incarnation: int
    version: int
    observed_wall_us: int
    classes: tuple[CapacityClass, ...] = ()
    draining: bool = False
    protocol_min: int = PROTOCOL_MIN
    protocol_max: int = PROTOCOL_MAX
    datasets: tuple[str, ...] = ()
    queued: int = 0
    predicted_wait_us: int = 0
    peer_address: str = ""
    public_address: str = ""
    queued_shapes: tuple[QueuedShape, ...] = ()
    price: int = 1000
    power: int = 1000
    # Shards that this region leads, with their terms.
    leads: tuple[tuple[str, int], ...] = ()
    # None: it has heard of no quota.
    quotas: QuotaNews | None = None
    # None: it has heard of no policy of the league.
    policy: PolicyNews | None = None

    @property
    def stamp(self) -> tuple[int, int]:
        """What decides which of two records of a region is newer."""
        return (self.incarnation, self.version)

    @cached_property
    def entry(self) -> DigestEntry:
        """What stands for it in digests."""
        return (self.region, self.incarnation, self.version)

    @cached_property
    def standing(self) -> tuple[object, ...]:
        """What changes only when an operator, a node or a data set does."""
        return (
            tuple((c.node_class, c.nodes, c.node_capacity, c.labels, c.taints) for c in self.classes),
            self.datasets,
            (self.protocol_min, self.protocol_max),
            (self.peer_address, self.public_address),
            (self.price, self.power),
        )

    @cached_property
    def bytes_estimate(self) -> int:
        """About how many bytes it takes on the wire."""
        size = RECORD_BYTES + SHAPE_BYTES * len(self.queued_shapes) + DATASET_BYTES * len(self.datasets)
        for capacity in self.classes:
            pairs = len(capacity.labels) + 2 * len(capacity.node_capacity) + len(capacity.free)
            size += CLASS_BYTES + PAIR_BYTES * pairs
        if self.quotas is not None:
            size += RECORD_BYTES + PAIR_BYTES * (len(self.quotas.accounts) + 2 * len(self.quotas.rights))
        if self.policy is not None:
            size += POLICY_NEWS_BYTES
        return size
