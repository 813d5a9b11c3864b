"""Reads a region's TOML file, and judges it whole: every problem is reported at once, with file, key and reason."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from hanse.core.federation.guardians import choose_groups, shared_domains
from hanse.core.federation.roster.chain import Chain, config_in_force
from hanse.core.model import limits
from hanse.core.model.jobs import OnLoss
from hanse.core.model.regions import DomainCap, Member, Node, RegionConfig, Timings, Topology
from hanse.core.model.resources import is_known_kind, resources
from hanse.core.model.roster import SignedRoster
from hanse.core.model.rules import NODE_LEVEL, parse_taint
from hanse.core.policy.model import Policy, default_policy
from hanse.daemon.errors import ConfigError, Problem
from hanse.daemon.rosters import RosterFileFault, chain_problems, read_roster_file
from hanse.daemon.settings import GUARDIANS_DEFAULT, TIMINGS_OF_FEDERATION, NodesTable, Settings
from hanse.ledger.disk import DiskPolicy
from hanse.ledger.retention import RetentionPolicy
from hanse.policies.document import Document, read_bytes, read_document
from hanse.policies.mapping import World
from hanse.policies.problems import DocumentRefused
from hanse.policies.problems import Problem as Mistake
from hanse.policies.writing import document_of
from hanse.wire.checks import FieldRefused, check_label

_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
_NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PORT_MAX = 65_535
# What has to be noticed and repeated within a lease must come several times in it.
_LEASE_PARTS = 4


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that was found right. Directories are absolute."""

    path: Path
    data_dir: Path
    anchor_dir: Path
    settings: Settings
    region: RegionConfig
    # What a ledger begins with that holds no policy yet.
    policy: Document


def load_config(path: Path) -> DaemonConfig:
    """Raises ConfigError with all that is wrong."""
    return make_config(path, _read_toml(path))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem(str(path), "", error.strerror or str(error))]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), "", f"not TOML: {error}")]) from error


def load_policy(path: Path, world: World) -> Document:
    """Raises ConfigError with all that is wrong."""
    try:
        return read_bytes(path.read_bytes(), world)
    except OSError as error:
        raise ConfigError([Problem(str(path), "", error.strerror or str(error))]) from error
    except DocumentRefused as refused:
        found = [each for each in refused.problems if each.severity == "error"]
        raise ConfigError(
            [Problem(f"{path}:{each.line}:{each.column}", each.path, _with_hint(each)) for each in found]
        ) from refused


def _with_hint(problem: Mistake) -> str:
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


def make_config(path: Path, document: dict[str, Any]) -> DaemonConfig:
    """As `load_config`, for a document that was read already."""
    problems = [
        Problem(str(path), key, reason)
        for key, reason in (*_misplaced(document), *misfits(document, Settings, ""))
    ]
    if problems:
        raise ConfigError(problems)
    settings = msgspec.convert(document, Settings)
    chain, roster_problems = _roster(path, settings)
    problems = [
        Problem(str(path), key, reason) for key, reason in (*_contradictions(settings), *roster_problems)
    ]
    if problems:
        raise ConfigError(problems)
    data_dir = (path.parent / settings.region.data_dir).resolve()
    anchor_dir = settings.region.anchor_dir
    policy = _policy(path, settings, chain)
    problems = [Problem(str(path), key, reason) for key, reason in _tier_problems(settings, policy.policy)]
    if problems:
        raise ConfigError(problems)
    return DaemonConfig(
        path=path,
        data_dir=data_dir,
        anchor_dir=(path.parent / anchor_dir).resolve() if anchor_dir else data_dir,
        settings=settings,
        region=_region_config(settings, policy.policy, chain),
        policy=policy,
    )


def _policy(path: Path, settings: Settings, chain: tuple[SignedRoster, ...]) -> Document:
    file = settings.policy.file
    if not file:
        return read_document(document_of(default_policy(settings.region.tiers)))
    members = Chain(chain).head.members if chain else settings.members
    world = World(
        regions=tuple(sorted(member.name for member in members)),
        resource_kinds=frozenset(settings.region.resource_kinds),
    )
    return load_policy(path.parent / file, world)


def disk_policy(settings: Settings) -> DiskPolicy:
    """The bounds of [disk]. Raises ValueError if they contradict each other."""
    return DiskPolicy(**msgspec.structs.asdict(settings.disk))


def retention_policy(settings: Settings) -> RetentionPolicy:
    """The bounds of [retention]."""
    table = settings.retention
    return RetentionPolicy(
        age_max_us=table.age_s * 1_000_000,
        settled_jobs_max=table.settled_jobs_max,
        bytes_max=table.ledger_bytes_max,
    )


def loss_by_tier(settings: Settings) -> dict[str, OnLoss]:
    """What becomes of jobs that don't say it themselves; a tier that isn't named here: WAIT."""
    return {name: OnLoss[table.on_region_loss.upper()] for name, table in settings.tiers.items()}


def _roster(path: Path, settings: Settings) -> tuple[tuple[SignedRoster, ...], list[tuple[str, str]]]:
    """The signed roster of this configuration, if it has one, and what is wrong with it."""
    federation, region = settings.federation, settings.region
    if not federation.roster:
        return (), []
    if not federation.operator:
        return (), [
            ("federation.operator", "required with federation.roster: the key that it must be founded by")
        ]
    try:
        chain = read_roster_file((path.parent / federation.roster).resolve())
    except RosterFileFault as fault:
        return (), [("federation.roster", str(fault))]
    problems = chain_problems(chain, federation.operator, region.cluster_id, region.name)
    return chain, [("federation.roster", problem) for problem in problems]


def _region_config(settings: Settings, policy: Policy, chain: tuple[SignedRoster, ...]) -> RegionConfig:
    config = _static_config(settings, policy)
    if not chain:
        return config
    return config_in_force(msgspec.structs.replace(config, roster=chain), Chain(chain))


def _static_config(settings: Settings, policy: Policy) -> RegionConfig:
    region = settings.region
    members = _members(settings)
    return RegionConfig(
        name=region.name,
        cluster_id=region.cluster_id,
        roster_epoch=region.roster_epoch,
        members=members,
        groups=choose_groups(members, settings.federation.guardians, region.roster_epoch),
        nodes=tuple(node for table in settings.nodes for node in _nodes(table)),
        topology=Topology(
            levels=region.topology,
            caps=tuple(
                DomainCap(level=cap.level, domain=cap.domain, capacity=resources(cap.resources))
                for cap in settings.caps
            ),
        ),
        tiers=policy.tier_names,
        resource_kinds=region.resource_kinds,
        datasets=region.datasets,
        price=region.price,
        power=region.power,
        queue_depth_max=settings.limits.queue_depth_max,
        timings=_timings(settings),
        operator_keys=settings.federation.operator_keys,
    )


def _members(settings: Settings) -> tuple[Member, ...]:
    return tuple(
        Member(
            name=member.name,
            peer_address=member.peer_address,
            public_address=member.public_address or "",
            labels=tuple(sorted(member.labels.items())),
        )
        for member in settings.members
    )


def _timings(settings: Settings) -> Timings:
    federation = settings.federation
    return msgspec.structs.replace(
        settings.timings,
        lease_us=round(federation.lease_s * 1e6),
        kill_us=round(federation.kill_s * 1e6),
        drift_ppm=federation.drift_ppm,
        halt_us=round(federation.halt_s * 1e6),
    )


def _nodes(table: NodesTable) -> Iterator[Node]:
    for name in expanded(table.name):
        yield Node(
            name=name,
            node_class=table.node_class,
            capacity=resources(table.resources),
            labels=tuple(sorted(table.labels.items())),
            taints=tuple(sorted(parse_taint(text) for text in table.taints)),
            islands=tuple(sorted(table.islands.items(), key=lambda item: (item[1], item[0]))),
        )


def expanded(pattern: str) -> list[str]:
    """Node names of a pattern: "n[1-3]" is n1, n2, n3; leading zeros are kept. Raises ValueError."""
    match = _RANGE.search(pattern)
    if match is None:
        if _NODE_NAME.fullmatch(pattern) is None or len(pattern) > limits.NAME_LENGTH_MAX:
            raise ValueError(f"{pattern!r} is not a node name")
        return [pattern]
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + limits.NODES_MAX:
        raise ValueError(f"{match[0]} is no range of 1 to {limits.NODES_MAX} nodes")
    width = len(match[1]) if match[1].startswith("0") else 0
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [name for n in range(first, last + 1) for name in expanded(f"{head}{n:0{width}d}{tail}")]


# --- what is wrong: by type ------------------------------------------------------------------------------------------


def misfits(value: Any, kind: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every place in which `value` is not a `kind`. (msgspec itself stops at the first.)"""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if isinstance(value, dict):
            yield from _table_misfits(value, kind, key)
        else:
            yield key, "must be a table"
    elif get_origin(kind) is tuple and _is_struct(get_args(kind)[0]):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from misfits(item, get_args(kind)[0], f"{key}[{index}]")
        else:
            yield key, f"must be an array of tables ([[{key}]])"
    elif get_origin(kind) is dict and _is_struct(get_args(kind)[1]):
        yield from _named_misfits(value, kind, key)
    else:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield key, str(error)


def _named_misfits(value: Any, kind: Any, key: str) -> Iterator[tuple[str, str]]:
    """Of tables by name: [key.NAME]."""
    if not isinstance(value, dict):
        yield key, f"must be tables by name ([{key}.NAME])"
        return
    name_kind, table_kind = get_args(kind)
    for name, item in value.items():
        yield from misfits(name, name_kind, f"{key}.{name}")
        yield from misfits(item, table_kind, f"{key}.{name}")


def _misplaced(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _said_twice(document)
    timings = document.get("timings")
    for name, key in TIMINGS_OF_FEDERATION.items():
        if isinstance(timings, dict) and name in timings:
            yield f"timings.{name}", f"is set by federation.{key}"


def _said_twice(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    federation = document.get("federation")
    if not isinstance(federation, dict) or not federation.get("roster"):
        return
    if "members" in document:
        yield "members", "the signed roster says who they are (federation.roster)"
    for key in ("guardians", "domains"):
        if key in federation:
            yield f"federation.{key}", "is said by the signed roster (federation.roster)"


def _table_misfits(value: dict[str, Any], kind: type[msgspec.Struct], key: str) -> Iterator[tuple[str, str]]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    prefix = f"{key}." if key else ""
    for name in value.keys() - fields.keys():
        yield f"{prefix}{name}", f"unknown key; there are {', '.join(sorted(fields))}"
    for name, field in fields.items():
        if name in value:
            yield from misfits(value[name], field.type, f"{prefix}{name}")
        elif field.required:
            yield f"{prefix}{name}", "required"


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


# --- what is wrong: by meaning ---------------------------------------------------------------------------------------


def _contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from _member_problems(settings)
    yield from _listen_problems(settings)
    yield from _node_problems(settings)
    yield from _topology_problems(settings)
    yield from _duplicates("region.tiers", settings.region.tiers)
    if not settings.region.tiers:
        yield "region.tiers", "at least one"
    if not settings.region.data_dir:
        yield "region.data_dir", "required"
    yield from _timing_problems(settings.timings)
    yield from _federation_problems(settings)
    try:
        disk_policy(settings)
    except ValueError as error:
        yield "disk", str(error)


def _member_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    members = settings.members
    if settings.federation.roster:
        return
    if not members:
        yield "members", "required, unless federation.roster has a signed roster"
        return
    yield from _duplicates("members.name", (member.name for member in members))
    yield from _duplicates(
        "members.peer_address / public_address",
        (
            address
            for member in members
            for address in (member.peer_address, member.public_address)
            if address is not None
        ),
    )
    for index, member in enumerate(members):
        yield from _port_problems(f"members[{index}].peer_address", member.peer_address)
        yield from _port_problems(f"members[{index}].public_address", member.public_address)
        yield from _label_problems(f"members[{index}].labels", member.labels)
    if settings.region.name not in {member.name for member in members}:
        yield "region.name", f"{settings.region.name!r} is not among [[members]]"


def _listen_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    listen = settings.listen
    addresses = {"public": listen.public, "peers": listen.peers, "http": listen.http}
    for name, address in addresses.items():
        yield from _port_problems(f"listen.{name}", address)
    # Port 0 lets the system choose, so that it cannot clash.
    chosen = [address for address in addresses.values() if address is not None and not address.endswith(":0")]
    yield from _duplicates("listen", chosen)


def _node_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    declared = frozenset(settings.region.resource_kinds)
    names: list[str] = []
    for index, table in enumerate(settings.nodes):
        key = f"nodes[{index}]"
        try:
            names += expanded(table.name)
        except ValueError as error:
            yield f"{key}.name", str(error)
        if not any(table.resources.values()):
            yield f"{key}.resources", "a node without any capacity runs nothing"
        for kind in table.resources:
            if not is_known_kind(kind, declared):
                yield f"{key}.resources.{kind}", "neither built in nor in region.resource_kinds"
        yield from _label_problems(f"{key}.labels", table.labels)
        yield from _taint_problems(f"{key}.taints", table.taints)
    if len(names) > limits.NODES_MAX:
        yield "nodes", f"{len(names)} nodes; at most {limits.NODES_MAX}"
    yield from _duplicates("nodes.name", names)


def _taint_problems(key: str, taints: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(taints) > limits.TAINTS_MAX:
        yield key, f"{len(taints)} taints; at most {limits.TAINTS_MAX}"
    for index, text in enumerate(taints):
        try:
            taint = parse_taint(text)
            check_label(f"{key}[{index}]", taint.key, taint.value)
        except ValueError as error:
            yield f"{key}[{index}]", str(error)
        except FieldRefused as refusal:
            yield refusal.field, refusal.message


def _topology_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    levels = settings.region.topology
    if len(levels) > limits.TOPOLOGY_LEVELS_MAX:
        yield "region.topology", f"{len(levels)} levels; at most {limits.TOPOLOGY_LEVELS_MAX}"
    if NODE_LEVEL in levels:
        yield "region.topology", f"{NODE_LEVEL!r} is below all levels already"
    yield from _duplicates("region.topology", levels)
    for index, cap in enumerate(settings.caps):
        key = f"caps[{index}]"
        if cap.level not in levels:
            yield f"{key}.level", f"{cap.level!r} is not in region.topology"
            continue
        inside = [table for table in settings.nodes if cap.domain == _domain(table, levels, cap.level)]
        if not inside:
            yield f"{key}.domain", f"no node is in {cap.level} {cap.domain!r}"
        for kind in cap.resources:
            if inside and not all(table.resources.get(kind) for table in inside):
                yield f"{key}.resources.{kind}", "not every node of the domain has it"
    yield from _duplicates("caps", (f"{cap.level} {cap.domain}" for cap in settings.caps))


def _domain(table: NodesTable, levels: tuple[str, ...], level: str) -> str | None:
    """Where nodes with these labels are; None: in no domain of this level."""
    keys = levels[: levels.index(level) + 1]
    if not all(key in table.labels for key in keys):
        return None
    return "/".join(table.labels[key] for key in keys)


def _timing_problems(timings: Timings) -> Iterator[tuple[str, str]]:
    for name in timings.__struct_fields__:
        if getattr(timings, name) < 0:
            yield f"timings.{name}", "must not be negative"
    for name in (
        "gossip_interval_us",
        "commit_retry_us",
        "report_retry_us",
        "hello_retry_us",
        "offer_deadline_us",
    ):
        if getattr(timings, name) < limits.TIMING_US_MIN:
            yield f"timings.{name}", f"at least {limits.TIMING_US_MIN}"


def _federation_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    federation, members = settings.federation, settings.members
    # Three is what is tried where nothing is said; it takes no part in a smaller federation.
    if (
        not federation.roster
        and federation.guardians > GUARDIANS_DEFAULT
        and len(members) < federation.guardians
    ):
        yield (
            "federation.guardians",
            f"{federation.guardians} keep a shard, and there are {len(members)} members",
        )
    part_us = federation.lease_s * 1e6 / _LEASE_PARTS
    for name in ("probe_timeout_us", "append_retry_us"):
        waited_us = getattr(settings.timings, name)
        if waited_us >= part_us:
            yield (
                "federation.lease_s",
                f"a quarter of it, {part_us / 1e6:g} s, leaves no room for timings.{name} = {waited_us}",
            )
    if federation.kill_s * 2 > federation.lease_s:
        yield "federation.kill_s", f"more than half of lease_s = {federation.lease_s:g}"
    if federation.domains == "strict" and not federation.roster:
        yield from _domain_problems(settings)


def _domain_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    kinds = sorted({label for member in settings.members for label in member.labels})
    for index, member in enumerate(settings.members):
        missing = [label for label in kinds if label not in member.labels]
        if missing or not kinds:
            what = ", ".join(missing) or "required"
            yield f"members[{index}].labels", f"{member.name}: {what}: federation.domains is strict"
            return
    members = _members(settings)
    if len({member.name for member in members}) < len(members):
        return
    groups = choose_groups(members, settings.federation.guardians)
    for shared in shared_domains(groups, members):
        yield "members", str(shared)


def _tier_problems(settings: Settings, policy: Policy) -> Iterator[tuple[str, str]]:
    federation = settings.federation
    # What a signed roster has of guardians may change while the region runs.
    adopted = federation.roster or (federation.guardians and len(settings.members) >= federation.guardians)
    for name, table in settings.tiers.items():
        if name not in policy.tier_names:
            yield f"tiers.{name}", f"no tier {name!r}; there are {', '.join(policy.tier_names)}"
        if table.on_region_loss == "adopt" and not adopted:
            yield (
                f"tiers.{name}.on_region_loss",
                "without guardians every job of this tier would be refused; say adopt_or_wait",
            )


def _label_problems(key: str, labels: dict[str, str]) -> Iterator[tuple[str, str]]:
    for label, value in labels.items():
        try:
            check_label(key, label, value)
        except FieldRefused as refusal:
            yield refusal.field, refusal.message


def _port_problems(key: str, address: str | None) -> Iterator[tuple[str, str]]:
    if address is not None and int(address.rsplit(":", 1)[1]) > _PORT_MAX:
        yield key, f"no port above {_PORT_MAX}"


def _duplicates(key: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name, count in Counter(names).items():
        if count > 1:
            yield key, f"{name!r} is given {count} times"
