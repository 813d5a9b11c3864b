"""Regions, nodes, members and capacity as people see them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hanse.cli.display import (
    NONE,
    STATE_ORDER,
    age_text,
    bar_text,
    clock_text,
    duration_text,
    state_text,
    used_text,
)
from hanse.cli.tables import Cell, Column, make_table
from hanse.client.messages import (
    ChannelStatus,
    DrainStatus,
    GetInventoryResponse,
    GetStatusResponse,
    ListMembersResponse,
    Liveness,
    Member,
    Node,
    Quarantine,
    Reason,
    RegionRecord,
    RunningJobs,
    ShardStatus,
)

# Kinds come in this order, all others after them by name.
_KINDS_FIRST = ("gpu", "npu", "cpu", "memory")


def status_details(status: GetStatusResponse, width: int) -> list[RenderableType]:
    """Health, jobs, capacity and channels of one region."""
    parts: list[RenderableType] = [_status_facts(status)]
    if status.HasField("quarantine"):
        parts += [Text(), _quarantine_facts(status.quarantine)]
    if status.HasField("drain"):
        parts += [Text(), _drain_facts(status.drain)]
    if status.jobs_by_state:
        parts += [Text(), _jobs_line(status.jobs_by_state)]
    if status.capacity:
        parts += [Text(), _capacity_table(status.free, status.capacity, width)]
    if status.channels:
        parts += [Text(), _channels_table(status.channels, width)]
    if status.shards:
        parts += [Text(), _shards_table(status.shards, width)]
    return parts


def _status_facts(status: GetStatusResponse) -> Table:
    facts: list[tuple[str, Cell]] = [
        ("region", Text(status.region, style="bold cyan")),
        ("health", _health(status.impairments, draining=status.draining)),
        ("cluster", status.cluster_id),
        ("version", status.version),
        ("up", f"{age_text(status.started_at)}, since {clock_text(status.started_at)}"),
        (
            "ledger",
            f"{status.ledger_id} incarnation {status.incarnation}, commit {status.revision.sequence:,}",
        ),
    ]
    if status.jobs_taken_over or status.jobs_let_go:
        facts.append(("jobs", f"{status.jobs_taken_over:,} taken over, {status.jobs_let_go:,} let go"))
    if status.orphans or status.orphans_ended:
        facts.append(("orphans", f"{status.orphans:,} being ended, {status.orphans_ended:,} ended"))
    return _facts_table(facts)


def _quarantine_facts(quarantine: Quarantine) -> Table:
    facts: list[tuple[str, Cell]] = [
        (
            "quarantine",
            Text("the disk is an old one: nothing runs until all have told what they know", style="red"),
        ),
        ("since", f"{clock_text(quarantine.since)}, {age_text(quarantine.since)} ago"),
        ("because", quarantine.why),
        ("waits for", ", ".join(quarantine.missing) or "nobody: it is about to go on"),
        ("suspect", f"{quarantine.suspects:,} jobs that may have gone on elsewhere"),
    ]
    if quarantine.without:
        facts.append(("without", f"{', '.join(quarantine.without)}, as an operator decided"))
    return _facts_table(facts)


# In the order in which they are told; others after them.
_WHY_THEY_RUN_ON = {
    "FINISHING": "as was asked for",
    "NEXT": "about to be stopped",
    "NO_ROOM_ELSEWHERE": "until another region has room for them",
    "ENDS_SOON": "about to end",
    "NOT_RESTARTABLE": "not restartable: no checkpoint named",
    "MOVED_OFTEN": "moved as often as a job may be",
}


def _drain_facts(drain: DrainStatus) -> Table:
    moves = drain.running == RunningJobs.RUNNING_JOBS_MOVE
    facts: list[tuple[str, Cell]] = [
        ("drain", f"running jobs {'move if they may' if moves else 'finish'}"),
        ("queued", f"{drain.queued:,} wait for a region that takes them, {drain.leaving:,} on their way"),
    ]
    if moves:
        facts.append(("moving", f"{drain.stopping:,} being stopped, {drain.stopped:,} stopped so far"))
    order = [*_WHY_THEY_RUN_ON, *sorted(set(drain.running_on) - set(_WHY_THEY_RUN_ON))]
    for why in order:
        if count := drain.running_on.get(why, 0):
            facts.append(("run on", f"{count:,} {_WHY_THEY_RUN_ON.get(why, why)}"))
    return _facts_table(facts)


def _facts_table(facts: Iterable[tuple[str, Cell]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ignore")
    for name, value in facts:
        table.add_row(name, value)
    return table


def _health(impairments: Sequence[Reason], *, draining: bool) -> Text:
    if impairments:
        said = "; ".join(f"{reason.code} {reason.detail}".strip() for reason in impairments)
        return Text(f"✘ takes no new work: {said}", style="bold red")
    return Text("◐ draining", style="yellow") if draining else Text("● healthy", style="green")


def _jobs_line(counts: Mapping[str, int]) -> Text:
    named = {name.removeprefix("JOB_STATE_"): count for name, count in counts.items()}
    order = [*(state for state in STATE_ORDER if state in named), *sorted(set(named) - set(STATE_ORDER))]
    line = Text("jobs", style="bright_black")
    for state in order:
        line.append("   ").append_text(state_text(state)).append(f" {named[state]:,}", style="")
    return line


def _capacity_table(free: Mapping[str, int], capacity: Mapping[str, int], width: int) -> Table:
    rows = [
        (
            kind,
            used_text(kind, free.get(kind, 0), capacity[kind]),
            bar_text(free.get(kind, 0), capacity[kind]),
        )
        for kind in ordered_kinds(capacity)
    ]
    return make_table(
        (Column("CAPACITY"), Column("IN USE", justify="right"), Column("", drop=1)), rows, width
    )


def _channels_table(channels: Sequence[ChannelStatus], width: int) -> Table:
    columns = (
        Column("CHANNEL TO"),
        Column("SESSION"),
        Column("UNDECIDED", justify="right"),
        Column("GIVEN", justify="right"),
        Column("TAKEN", justify="right"),
        Column("BURNED", justify="right", drop=1),
    )
    rows = [
        (
            channel.peer,
            Text("● open", style="green") if channel.session else Text("✘ none", style="red"),
            f"{channel.undecided:,}",
            f"{channel.given:,}",
            f"{channel.taken:,}",
            f"{channel.burned:,}",
        )
        for channel in channels
    ]
    return make_table(columns, rows, width)


def _shards_table(shards: Sequence[ShardStatus], width: int) -> Table:
    columns = (
        Column("ADOPTABLE JOBS OF"),
        Column("LED BY"),
        Column("TERM", justify="right"),
        Column("HERE"),
        Column("OPEN", justify="right"),
        Column("LEASE LEFT", justify="right"),
        Column("NOT HELD YET", justify="right", drop=1),
    )
    rows = [
        (
            shard.shard,
            shard.leader,
            f"{shard.term:,}",
            Text(shard.role, style="red" if shard.role == "BLANK" else ""),
            f"{shard.open_jobs:,}",
            _lease_text(shard),
            f"{max(0, shard.sequence - shard.committed):,}",
        )
        for shard in shards
    ]
    return make_table(columns, rows, width)


def _lease_text(shard: ShardStatus) -> str:
    """A lease is renewed only while there are jobs."""
    if not shard.HasField("lease_left") or not shard.open_jobs:
        return ""
    return f"{shard.lease_left.ToMicroseconds() / 1e6:.1f} s"


def nodes_table(nodes: Sequence[Node], width: int) -> RenderableType:
    """One line per node: what is in use of each kind, and whose jobs are there."""
    if not nodes:
        return Text("no nodes", style="bright_black")
    kinds = ordered_kinds(kind for node in nodes for kind in node.capacity)
    columns = (
        Column("NODE"),
        Column("CLASS", drop=2),
        *(Column(kind.upper(), justify="right") for kind in kinds),
        Column("JOBS", justify="right", drop=1),
        Column("LABELS", drop=3, flexible=True),
    )
    rows = [
        (
            node.name,
            node.node_class,
            *(_used_cell(kind, node.free, node.capacity) for kind in kinds),
            str(len(node.jobs)),
            ", ".join(f"{key}={node.labels[key]}" for key in sorted(node.labels)),
        )
        for node in nodes
    ]
    return make_table(columns, rows, width)


def members_table(members: ListMembersResponse, width: int) -> list[RenderableType]:
    """One line per member, and who says so."""
    columns = (
        Column("REGION"),
        Column("SEEN AS"),
        Column("HEARD", justify="right"),
        Column("PUBLIC", drop=1),
        Column("PEERS", drop=2),
        Column("INCARNATION", drop=3, justify="right"),
        Column("PROTOCOL", drop=4),
        Column("NOTE", drop=5),
    )
    rows = [
        (
            member.name,
            state_text(Liveness.Name(member.liveness).removeprefix("LIVENESS_")),
            _heard(member, members.region),
            member.public_address,
            member.peer_address,
            str(member.incarnation),
            f"{member.protocol_min}-{member.protocol_max}",
            "draining" if member.draining else "",
        )
        for member in members.members
    ]
    remark = Text(f"as {members.region} sees it, roster {members.roster_epoch}", style="bright_black")
    return [make_table(columns, rows, width), remark]


def inventory_table(inventory: GetInventoryResponse, width: int) -> RenderableType:
    """One line per region: capacity in use, queue, predicted wait, and how old the news is."""
    records = inventory.records
    if not records:
        return Text("nothing is known of any region yet", style="bright_black")
    kinds = ordered_kinds(kind for record in records for one in record.classes for kind in one.node_capacity)
    columns = (
        Column("REGION"),
        Column("NODES", justify="right", drop=2),
        *(Column(kind.upper(), justify="right") for kind in kinds),
        Column("QUEUED", justify="right"),
        Column("WAIT", justify="right", drop=1),
        Column("AS OF", justify="right", drop=3),
        Column("NOTE", drop=4),
    )
    now_s = time.time()
    rows = []
    for record in sorted(records, key=lambda record: record.region):
        free, capacity = _totals(record)
        rows.append(
            (
                record.region,
                str(sum(one.nodes for one in record.classes)),
                *(_used_cell(kind, free, capacity) for kind in kinds),
                f"{record.queued:,}",
                duration_text(record.predicted_wait_ms / 1000),
                age_text(record.observed_at, now_s),
                "draining" if record.draining else "",
            )
        )
    return make_table(columns, rows, width)


def ordered_kinds(kinds: Iterable[str]) -> list[str]:
    """Devices first, then cpu and memory, then what the operator named."""
    return sorted(set(kinds), key=lambda kind: (_rank(kind), kind))


def _rank(kind: str) -> int:
    base = kind.split("/", 1)[0]
    return _KINDS_FIRST.index(base) if base in _KINDS_FIRST else len(_KINDS_FIRST)


def _totals(record: RegionRecord) -> tuple[dict[str, int], dict[str, int]]:
    """(free, capacity) of all classes together."""
    free: dict[str, int] = {}
    capacity: dict[str, int] = {}
    for one in record.classes:
        for kind, amount in one.node_capacity.items():
            capacity[kind] = capacity.get(kind, 0) + amount * one.nodes
        for kind, amount in one.free.items():
            free[kind] = free.get(kind, 0) + amount
    return free, capacity


def _used_cell(kind: str, free: Mapping[str, int], capacity: Mapping[str, int]) -> Cell:
    if kind not in capacity:
        return NONE
    return used_text(kind, free.get(kind, 0), capacity[kind])


def _heard(member: Member, observer: str) -> str:
    if member.name == observer:
        return "itself"
    if member.liveness == Liveness.LIVENESS_UNKNOWN:
        return "never"
    return f"{duration_text(member.heard_ago_ms / 1000)} ago"
