"""The parts of a league: a region with its disk and its processes, and a message under way."""

from __future__ import annotations

from typing import Any

import msgspec

from hanse.core.effects import Launch
from hanse.core.events import Event, TaskEnded
from hanse.core.messages import Envelope, Message
from hanse.core.model.jobs import GroupShape, RunId, Shape, ShapeBody, make_shape
from hanse.core.model.regions import RegionConfig
from hanse.core.model.resources import resources
from hanse.core.region import Region
from hanse.core.replies import Answer
from hanse.sim.ledger import SimLedger

SLOT = 1_000
SIGTERM = 15
GPU = GroupShape(1, 1, resources({"gpu": SLOT}))


class TokenError(AssertionError):
    """A job has more than one owner, or none: what every shortcut of the protocol ends in."""


class NoAnswerError(Exception):
    """The daemon died before it could answer its caller."""


def shape_of(*groups: GroupShape, estimate_us: int = 0, **body: Any) -> Shape:
    """What a job asks for: one GPU unless groups are given; `body` are fields of ShapeBody."""
    return make_shape(ShapeBody(groups=groups or (GPU,), runtime_estimate_us=estimate_us, **body))


class Parcel(msgspec.Struct, frozen=True):
    """One message under way."""

    sender: str
    to: str
    envelope: Envelope
    message: Message


class Station:
    """One region: its daemon (None: it is down), its disk, and the processes that run there."""

    def __init__(self, config: RegionConfig) -> None:
        self.name = config.name
        self.config = config
        self.ledger = SimLedger(config.name, f"ledger-{config.name}")
        self.core: Region | None = None
        self.lives = 0
        # Run -> task -> how it ended; None: it lives.
        self.processes: dict[RunId, dict[int, TaskEnded | None]] = {}
        self.reports: list[Event] = []
        self.launches: list[Launch] = []
        self.answers: dict[int, Answer] = {}
        # (before the write?, what the step has to send or launch) at which the daemon dies.
        self.crash_at: tuple[bool, type] | None = None
        # A mutation: messages of this kind leave before the step's rows are durable.
        self.leaks: type | None = None
        self.obeys_stop = True
        # Whose private keys it has.
        self.keys = [config.name]

    @property
    def region(self) -> Region:
        """The running core."""
        assert self.core is not None, f"{self.name} is down"
        return self.core

    def alive(self, job_id: str) -> bool:
        """Whether processes of this job run here."""
        return any(run.job_id == job_id and None in tasks.values() for run, tasks in self.processes.items())


def is_parcel(parcel: Parcel, kind: type, sender: str, to: str) -> bool:
    """Whether it is of this kind, and from and to these regions, where they are named."""
    return (
        isinstance(parcel.message, kind)
        and (not sender or parcel.sender == sender)
        and (not to or parcel.to == to)
    )
