"""A region's configuration file as types: one Struct for each TOML table. `config.py` reads and judges it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hanse.core.model import limits
from hanse.core.model.regions import Timings
from hanse.ledger.disk import DiskPolicy

RegionName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=limits.REGION_NAME_LENGTH_MAX)
]
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=128)]
Address = Annotated[str, Meta(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$", max_length=256)]
Kind = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$", max_length=limits.RESOURCE_KIND_LENGTH_MAX)
]
Quantity = Annotated[int, Meta(ge=0, le=limits.QUANTITY_MAX)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 60)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Thousandths = Annotated[int, Meta(ge=1, le=1_000_000)]
Ratio = Annotated[float, Meta(ge=0, le=1)]


GUARDIANS_DEFAULT: Literal[3] = 3
# Below, one slow disk or garbage collection ends tasks.
LEASE_S_MIN = 2.0
# Timings that follow from [federation], by the key that they follow from.
TIMINGS_OF_FEDERATION = {
    "lease_us": "lease_s",
    "kill_us": "kill_s",
    "drift_ppm": "drift_ppm",
    "halt_us": "halt_s",
}


class RegionTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[region]: who this is. Directories are relative to the file. `anchor_dir`, on another disk than `data_dir`, shows
    a ledger that was replaced by an older copy or a new one; empty: in `data_dir`."""

    name: RegionName
    cluster_id: Word
    data_dir: str
    anchor_dir: str = ""
    roster_epoch: Count = 1
    tiers: tuple[Word, ...] = ("premium", "standard", "basic")
    # Kinds of resources beyond the built-in ones, as specs may ask for them.
    resource_kinds: tuple[Kind, ...] = ()
    datasets: tuple[str, ...] = ()
    # Keys of the labels that say where a node is, from the widest to the narrowest: ["pod", "rack"].
    topology: tuple[str, ...] = ()
    price: Thousandths = 1000
    power: Thousandths = 1000


class ListenTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[listen]: where. `public` for callers, `peers` for the other regions, `http` for metrics and health."""

    public: Address
    peers: Address
    http: Address | None = None


class MemberTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[members]]: a region of the league; this one too. Addresses are those by which the others reach it. `labels`
    name its failure domains: two regions with an equal one may be lost together."""

    name: RegionName
    peer_address: Address
    public_address: Address | None = None
    labels: dict[str, str] = {}


class FederationTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[federation]: who belongs to it, and how adoptable jobs outlive their region. The same in every region's file.
    `guardians` counts all who keep a region's shard, itself included; 0: nothing is adoptable."""

    # A signed roster's file, and the id of the operator's key that founded it. With them [[members]], `guardians` and
    # `domains` are the roster's to say.
    roster: str = ""
    # Public keys of operators whose quota documents and policies of the league count; with a signed roster, its
    # operators' as well.
    operator_keys: tuple[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    operator: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$")] = ""
    guardians: Literal[0, 3, 5] = GUARDIANS_DEFAULT
    # "strict": two of a group in one failure domain are an error.
    domains: Literal["spread", "strict"] = "spread"
    lease_s: Annotated[float, Meta(ge=LEASE_S_MIN, le=3_600)] = 60.0
    kill_s: Annotated[float, Meta(ge=0.1, le=60)] = Timings().kill_us / 1e6
    drift_ppm: Annotated[int, Meta(ge=0, le=100_000)] = Timings().drift_ppm
    halt_s: Annotated[float, Meta(ge=0, le=3_600)] = Timings().halt_us / 1e6


class TierTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[tiers.NAME]: what jobs of this tier are that do not say it themselves."""

    on_region_loss: Literal["wait", "adopt", "adopt_or_wait"] = "wait"


class NodesTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[nodes]]: machines that are alike. "n[01-16]" names sixteen."""

    name: str
    # "class" in the file.
    node_class: Word = msgspec.field(name="class")
    resources: dict[Kind, Quantity]
    labels: dict[str, str] = {}
    # As "key=value:no-start" or "key:prefer-no-start".
    taints: tuple[str, ...] = ()
    # Devices in one island, by level: { nvlink = 4, numa = 8 }.
    islands: dict[Word, Annotated[int, Meta(ge=1, le=limits.DEVICES_PER_NODE_MAX)]] = {}


class CapsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[caps]]: what the nodes of one domain may use together. `domain` is the value of the level's label, after those
    of the wider levels: "pod-1/rack-7"."""

    level: str
    domain: str
    resources: dict[Kind, Quantity]


class ExecutorTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[executor]: what runs the tasks. `duration_us` only for "simulated": how long each task takes."""

    kind: Literal["local", "simulated"] = "local"
    log_bytes_max: Annotated[int, Meta(ge=4096, le=1 << 40)] = 16 * 1024 * 1024
    duration_us: Annotated[int, Meta(ge=0, le=86_400_000_000)] = 0


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[policy]: the document that a new ledger begins with (docs/policy.md), relative to this file; empty: the default,
    with the tiers of [region]. With a file, its tiers count. Once another was applied, that one counts."""

    file: str = ""


class LimitsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[limits]: bounds that depend on the machine. `inbox_items_max` counts jobs and messages."""

    queue_depth_max: Count = 1_000_000
    inbox_items_max: Count = limits.INBOX_ITEMS_MAX
    watchers_max: Count = limits.WATCHERS_MAX


class RetentionTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[retention]: how long final jobs are kept, and how large the ledger may grow."""

    age_s: Count = 30 * 86_400
    settled_jobs_max: Count = 1_000_000
    ledger_bytes_max: Annotated[int, Meta(ge=1 << 20)] = 8 << 30
    # How often it is looked for jobs to forget, and at the disk.
    interval_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 10.0


class DiskTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[disk]: free bytes below which the region takes no new work, from which on it does again, and below which the
    reserve is given up so that what runs can still be finished."""

    nearly_full_bytes: Bytes = DiskPolicy().nearly_full_bytes
    clear_bytes: Bytes = DiskPolicy().clear_bytes
    critical_bytes: Bytes = DiskPolicy().critical_bytes
    reserve_bytes: Bytes = DiskPolicy().reserve_bytes


class DecisionsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[decisions]: the journal of what entered the core, in `data_dir`, from which decisions can be replayed."""

    enabled: bool = True
    bytes_max: Annotated[int, Meta(ge=1 << 20, le=1 << 44)] = 256 * 1024 * 1024
    image_interval_s: Annotated[float, Meta(ge=1, le=86_400)] = 600.0


class TelemetryTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[telemetry]. Traces are exported only where `otlp_endpoint` says where to."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    trace_sample_ratio: Ratio = 0.01
    otlp_endpoint: Annotated[str, Meta(pattern=r"^(https?://.+)?$", max_length=256)] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    region: RegionTable
    listen: ListenTable
    nodes: tuple[NodesTable, ...]
    # Required, unless there is a signed roster.
    members: tuple[MemberTable, ...] = ()
    federation: FederationTable = FederationTable()
    tiers: dict[Word, TierTable] = {}
    caps: tuple[CapsTable, ...] = ()
    executor: ExecutorTable = ExecutorTable()
    policy: PolicyTable = PolicyTable()
    limits: LimitsTable = LimitsTable()
    retention: RetentionTable = RetentionTable()
    disk: DiskTable = DiskTable()
    decisions: DecisionsTable = DecisionsTable()
    telemetry: TelemetryTable = TelemetryTable()
    # Microseconds; the defaults suit production and development alike. TIMINGS_OF_FEDERATION can't be set here.
    timings: Timings = Timings()
