"""A campaign: one TOML file of chaos/campaigns, read and judged whole. Every problem is told at once."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chaos.live.faults import (
    KINDS,
    CorruptLedger,
    CutOneWay,
    DestroyRegion,
    Fault,
    FillDisk,
    Links,
    Partition,
    Seconds,
)
from hanse.cli.devnet.layout import region_names
from hanse.daemon.config import misfits
from hanse.daemon.errors import ConfigError, Problem

Promise = Literal["P1", "P3", "P4", "P5", "P6", "P7"]
# Without these two no campaign says anything.
PROMISES_ALWAYS: tuple[Promise, ...] = ("P1", "P3")
# Regions that keep a shard, unless a configuration says otherwise.
GROUP_MEMBERS = 3
Fraction = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[int, Meta(ge=0, le=100)]


class Topology(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[topology]: `nodes` per region with `slots` each (a GPU and a core); peers linked directly or by the proxy."""

    regions: Annotated[int, Meta(ge=2, le=8)] = 3
    nodes: Annotated[int, Meta(ge=1, le=16)] = 2
    slots: Annotated[int, Meta(ge=1, le=16)] = 2
    links: Links = "direct"


class Wave(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[workload]]: `jobs` submitted evenly over `over_s` from `from_s` on, running `run_s[0]` to `run_s[1]`.

    Shares of them fail, are cancelled, are gangs of `gang_tasks`, may run at home only, are adoptable. `homes`: weights
    by region; empty: all alike.
    """

    jobs: Annotated[int, Meta(ge=1, le=5_000)]
    from_s: Seconds = 0.0
    over_s: Annotated[float, Meta(ge=0.1, le=600)]
    run_s: tuple[Seconds, Seconds]
    fail_share: Fraction = 0.0
    cancel_share: Fraction = 0.0
    gang_share: Fraction = 0.0
    gang_tasks: Annotated[int, Meta(ge=2, le=16)] = 2
    stay_share: Fraction = 0.0
    adopt_share: Fraction = 0.0
    homes: dict[str, Weight] = {}


class CampaignTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[campaign]. `budget_s`: how long it may take in all; `settle_s`: of that, for the queues to drain at the end."""

    title: Annotated[str, Meta(min_length=1, max_length=120)]
    promises: tuple[Promise, ...]
    seed: int = 1
    budget_s: Annotated[float, Meta(ge=10, le=1_200)]
    settle_s: Annotated[float, Meta(ge=5, le=600)] = 60.0


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    campaign: CampaignTable
    topology: Topology = Topology()
    workload: tuple[Wave, ...]
    faults: tuple[dict[str, Any], ...]


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign that was found right. `digest` names the very text that was run."""

    name: str
    digest: str
    about: CampaignTable
    topology: Topology
    workload: tuple[Wave, ...]
    faults: tuple[Fault, ...]

    @property
    def regions(self) -> list[str]:
        """Their names."""
        return region_names(self.topology.regions)

    @property
    def jobs(self) -> int:
        """How many will be submitted, probes aside."""
        return sum(wave.jobs for wave in self.workload)

    @property
    def needs_root(self) -> bool:
        """Whether it cannot be run by anybody else."""
        return any(fault.needs_root for fault in self.faults)

    def links(self, *, root: bool) -> Links:
        """How peers are linked: without root there are no namespaces, so only the proxy can cut."""
        return self.topology.links if root else "proxy"


def load_campaign(path: Path) -> Campaign:
    """Raises ConfigError with all that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError([Problem(str(path), "", error.strerror or str(error))]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), "", f"not TOML: {error}")]) from error
    _raise(path, _misfits(document))
    read = msgspec.convert(document, _Document)
    campaign = Campaign(
        name=path.stem,
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        about=read.campaign,
        topology=read.topology,
        workload=read.workload,
        faults=tuple(_fault(table) for table in read.faults),
    )
    _raise(path, _contradictions(campaign))
    return campaign


def _raise(path: Path, found: Iterator[tuple[str, str]]) -> None:
    problems = [Problem(str(path), key, reason) for key, reason in found]
    if problems:
        raise ConfigError(problems)


def _fault(table: dict[str, Any]) -> Fault:
    parameters = {key: value for key, value in table.items() if key != "kind"}
    return msgspec.convert(parameters, KINDS[table["kind"]])


def _misfits(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from misfits(document, _Document, "")
    tables = document.get("faults", [])
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        if not isinstance(table, dict):
            continue
        kind = KINDS.get(table.get("kind", ""))
        if kind is None:
            known = ", ".join(KINDS)
            yield f"faults[{index}].kind", f"{table.get('kind')!r} is no kind of fault; there are {known}"
        else:
            parameters = {key: value for key, value in table.items() if key != "kind"}
            yield from misfits(parameters, kind, f"faults[{index}]")


def _contradictions(campaign: Campaign) -> Iterator[tuple[str, str]]:
    yield from _promise_problems(campaign)
    for index, wave in enumerate(campaign.workload):
        for key, reason in _wave_problems(campaign, wave):
            yield f"workload[{index}].{key}", reason
    for index, fault in enumerate(campaign.faults):
        for key, reason in _fault_problems(campaign, fault):
            yield f"faults[{index}].{key}", reason
    ends_s = max([wave.from_s + wave.over_s for wave in campaign.workload], default=0.0)
    ends_s = max([ends_s, *(fault.ends_s for fault in campaign.faults)])
    if ends_s + campaign.about.settle_s > campaign.about.budget_s:
        needed_s = ends_s + campaign.about.settle_s
        yield "campaign.budget_s", f"timeline and settle_s alone may take {needed_s:g} s"


def _promise_problems(campaign: Campaign) -> Iterator[tuple[str, str]]:
    promises = campaign.about.promises
    for promise in PROMISES_ALWAYS:
        if promise not in promises:
            yield "campaign.promises", f"{promise} is checked in every campaign"
    if "P4" in promises and not any(wave.adopt_share for wave in campaign.workload):
        yield "campaign.promises", "P4 is about adoptable jobs: a wave needs adopt_share"
    if "P7" in promises and not any(isinstance(fault, Partition) for fault in campaign.faults):
        yield "campaign.promises", "P7 is about regions that are cut off: it needs a partition"
    if not campaign.workload:
        yield "workload", "at least one wave"
    if not campaign.faults:
        yield "faults", "at least one"


def _wave_problems(campaign: Campaign, wave: Wave) -> Iterator[tuple[str, str]]:
    if wave.run_s[0] > wave.run_s[1]:
        yield "run_s", "from the shortest to the longest"
    if wave.fail_share + wave.cancel_share > 1:
        yield "fail_share", "more than all jobs would fail or be cancelled"
    if wave.adopt_share and campaign.topology.regions < GROUP_MEMBERS:
        yield "adopt_share", f"guardians need {GROUP_MEMBERS} regions"
    if wave.adopt_share < 1 and any(isinstance(fault, DestroyRegion) for fault in campaign.faults):
        yield "adopt_share", "jobs that wait are lost with their region's disk: 1 is all that can be promised"
    if wave.gang_share and wave.gang_tasks > campaign.topology.nodes * campaign.topology.slots:
        yield "gang_tasks", "no region has so many slots"
    for name in wave.homes:
        if name not in campaign.regions:
            yield "homes", f"{name!r} is not among {', '.join(campaign.regions)}"
    if wave.homes and not any(wave.homes.values()):
        yield "homes", "one of them must have a weight"


def _fault_problems(campaign: Campaign, fault: Fault) -> Iterator[tuple[str, str]]:
    names = fault.regions_named()
    for name in names:
        if name not in campaign.regions:
            yield "region", f"{name!r} is not among {', '.join(campaign.regions)}"
    if len(set(names)) != len(names):
        yield "region", "one region is named twice"
    if campaign.topology.links not in fault.links:
        yield "kind", f"needs topology.links = {fault.links[0]!r}"
    if fault.times > 1 and fault.every_s <= fault.for_s:
        yield "every_s", "must be longer than for_s"
    if isinstance(fault, Partition) and (len(fault.groups) < 2 or set(names) != set(campaign.regions)):
        yield "groups", "two or more, which together name every region"
    if isinstance(fault, CutOneWay | Partition | FillDisk) and not fault.for_s:
        yield "for_s", "must be longer than nothing"
    if isinstance(fault, CorruptLedger) and fault.restore == "backup":
        late = [wave for wave in campaign.workload if wave.from_s <= fault.at_s < wave.from_s + wave.over_s]
        if late:
            yield "at_s", "a backup may be restored only when nothing is being submitted"
