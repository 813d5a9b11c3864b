"""The files of a local federation.

.hanse/dev.json             the federation: names and addresses; what the command line looks for
.hanse/north/north.toml     the region's configuration
.hanse/north/daemon.pid     pid and start time of its daemon
.hanse/north/daemon.log     its output
.hanse/north/data/          its ledger and its tasks
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hanse.cli.connect import DEV_DIRECTORY, DEV_FILE
from hanse.cli.errors import CommandError, UsageOrConfigError

REGIONS_DEFAULT = 3
# Each region is two processes and a database; more than this is a matter for the simulator.
REGIONS_MAX = 32

_FORMAT_VERSION = 1
# Below are the ports of well-known services.
_PORT_MIN = 10_000
# Taken ports are rare: of five times as many that are tried, enough are free.
_PORT_TRIES = 5
_EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_NAMES = ("north", "east", "west")
# With which quotas are signed.
OPERATOR_KEY = "operator.key"
_CLUSTER_ID = "dev"
# The development profile: a region that is killed is taken over within seconds.
LEASE_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionShape:
    """What each region is made of. `tables` adds to the TOML, such as {"executor": {"kind": "simulated"}}; `files` are
    written beside it."""

    nodes: int = 2
    resources: Mapping[str, int] = field(
        default_factory=lambda: {"cpu": 8_000, "gpu": 4_000, "memory": 32 << 30}
    )
    labels: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LocalRegion:
    """One region: its name, its directory, and the addresses that it listens on."""

    name: str
    directory: Path
    public_address: str
    peer_address: str
    http_address: str

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.directory / f"{self.name}.toml"

    @property
    def log(self) -> Path:
        """What its daemon writes."""
        return self.directory / "daemon.log"

    @property
    def pid_file(self) -> Path:
        """Which process its daemon is."""
        return self.directory / "daemon.pid"

    @property
    def data(self) -> Path:
        """Its ledger and its tasks."""
        return self.directory / "data"


@dataclass(frozen=True, slots=True)
class Federation:
    """All regions of one directory."""

    directory: Path
    regions: tuple[LocalRegion, ...]

    @property
    def dev_file(self) -> Path:
        """Where the command line finds it."""
        return self.directory / DEV_FILE

    def region(self, name: str) -> LocalRegion:
        """The region of this name. KeyError if there is none."""
        return next(region for region in self.regions if region.name == name)


def region_names(count: int) -> list[str]:
    """north, east, west, r4, r5, ..."""
    return [*_NAMES, *(f"r{number}" for number in range(len(_NAMES) + 1, count + 1))][:count]


def load(parent: Path) -> Federation | None:
    """The federation whose files are below `parent`, or None. UsageOrConfigError if they are damaged."""
    dev_file = parent / DEV_DIRECTORY / DEV_FILE
    try:
        document = json.loads(dev_file.read_text(encoding="utf-8"))
        directory = dev_file.parent
        regions = tuple(
            LocalRegion(
                name=str(entry["name"]),
                directory=directory / str(entry["name"]),
                public_address=str(entry["public_address"]),
                peer_address=str(entry["peer_address"]),
                http_address=str(entry["http_address"]),
            )
            for entry in document["regions"]
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageOrConfigError(
            f"{dev_file} is damaged: {error}", hint="delete it, then `hanse dev up`"
        ) from error
    return Federation(directory, regions)


def create(parent: Path, count: int, shape: RegionShape | None = None) -> Federation:
    """A new federation of `count` regions on free ports of the loopback interface, written to disk."""
    if not 1 <= count <= REGIONS_MAX:
        raise UsageOrConfigError(f"{count} regions: from 1 to {REGIONS_MAX} can be run here")
    directory = parent.absolute() / DEV_DIRECTORY
    ports = iter(free_ports(3 * count))
    regions = tuple(
        LocalRegion(
            name=name,
            directory=directory / name,
            public_address=f"127.0.0.1:{next(ports)}",
            peer_address=f"127.0.0.1:{next(ports)}",
            http_address=f"127.0.0.1:{next(ports)}",
        )
        for name in region_names(count)
    )
    federation = Federation(directory, regions)
    write(federation, shape or RegionShape())
    return federation


def write(federation: Federation, shape: RegionShape) -> None:
    """Write every configuration, and `dev.json` last: where it is, the rest is too."""
    shape = with_operator(federation, shape)
    try:
        for region in federation.regions:
            region.directory.mkdir(parents=True, exist_ok=True)
            for name, text in shape.files.items():
                (region.directory / name).write_text(text, encoding="utf-8")
            region.config.write_text(toml_text(configuration(federation, region, shape)), encoding="utf-8")
        _write_dev_file(federation)
    except OSError as error:
        raise CommandError(f"cannot write to {federation.directory}: {error.strerror or error}") from error


def with_operator(federation: Federation, shape: RegionShape) -> RegionShape:
    """An operator's key of its own, so that quotas and policies of the league can be tried out."""
    from hanse.daemon.keys import generate, load

    path = federation.directory / OPERATOR_KEY
    key = load(path) if path.exists() else generate(path)
    table = {**shape.tables.get("federation", {}), "operator_keys": [key.public_key]}
    return replace(shape, tables={**shape.tables, "federation": table})


def _write_dev_file(federation: Federation) -> None:
    regions = [
        {key: value for key, value in asdict(region).items() if key != "directory"}
        for region in federation.regions
    ]
    document = {"version": _FORMAT_VERSION, "regions": regions}
    written = federation.dev_file.with_suffix(".new")
    written.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    written.replace(federation.dev_file)
    # Whatever is below is nobody's source code.
    (federation.directory / ".gitignore").write_text("*\n", encoding="utf-8")


def configuration(federation: Federation, region: LocalRegion, shape: RegionShape) -> dict[str, Any]:
    """The region's TOML file as a dictionary."""
    members = [
        {"name": one.name, "peer_address": one.peer_address, "public_address": one.public_address}
        for one in federation.regions
    ]
    nodes = {
        "name": f"{region.name}-[1-{shape.nodes}]",
        "class": "local",
        "resources": dict(shape.resources),
        "labels": {"region": region.name} | dict(shape.labels),
    }
    document: dict[str, Any] = {
        "region": {"name": region.name, "cluster_id": _CLUSTER_ID, "data_dir": region.data.name},
        "listen": {
            "public": region.public_address,
            "peers": region.peer_address,
            "http": region.http_address,
        },
        "members": members,
        "nodes": [nodes],
        "federation": {"lease_s": LEASE_S},
    }
    for name, table in shape.tables.items():
        document[name] = document.get(name, {}) | dict(table)
    return document


def toml_text(document: Mapping[str, Any]) -> str:
    """A dictionary of tables, and lists of tables, as TOML."""
    lines = [
        "# Written by `hanse dev up` once, and not again: it may be edited while the region is down.",
        "",
    ]
    for name, table in document.items():
        many = isinstance(table, list)
        for one in table if many else [table]:
            lines.append(f"[[{name}]]" if many else f"[{name}]")
            lines += [f"{key} = {_toml_value(value)}" for key, value in one.items()]
            lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    # Strings, numbers and booleans are written alike in JSON and TOML.
    return json.dumps(value)


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on at this moment, all different.

    None of those that the system gives to outgoing connections: one of these could be gone when a region that was down
    for a moment wants to listen on its port again.
    """
    candidates = random.sample(range(_PORT_MIN, _ephemeral_port_min()), k=count * _PORT_TRIES)
    with ExitStack() as held:
        ports = []
        for port in candidates:
            one = held.enter_context(socket.socket())
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise CommandError(f"no {count} free ports below {_ephemeral_port_min()}")


def _ephemeral_port_min() -> int:
    """The first port that outgoing connections may get."""
    return int(_EPHEMERAL_PORTS.read_text(encoding="ascii").split()[0])
