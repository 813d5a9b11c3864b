"""The event record: what happened in a run, in order, as an observer outside of all regions saw it.

Checkers (chaos/checkers) read it and nothing else, so it holds facts, no judgement: what became durable, what left a
region, when processes lived. Instants are microseconds of the world's clock, which no region can read.
"""

from __future__ import annotations

import msgspec

from hanse.core.messages import Message
from hanse.core.model.jobs import RunId
from hanse.core.model.regions import Node
from hanse.core.model.resources import Resources
from hanse.core.policy.model import DEFAULT_POLICY, Policy
from hanse.core.replies import Explanation, Refused
from hanse.core.rows import JobRow, JobStateRow, Writes


class RegionJoined(msgspec.Struct, frozen=True, gc=False):
    """A region of the run, with what it has."""

    at_us: int
    region: str
    nodes: tuple[Node, ...]


class Committed(msgspec.Struct, frozen=True, gc=False):
    """One transaction became durable; `writes` in the order of their steps, `sequence` of the last."""

    at_us: int
    region: str
    sequence: int
    writes: tuple[Writes, ...]


def place_of(region: str, row: JobRow | JobStateRow) -> str:
    """Where a row in this region's ledger says that the job is: the shard, whoever leads it; a `wait` job: the region.

    Shards are called as their homes, but a job is never in both.
    """
    return row.shard or region


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A message of the handoff left its region, for another region or for a shard (gossip, probes and offers are not
    recorded: nothing rests on them; but for offers that are to even out queues)."""

    at_us: int
    region: str
    to: str
    message: Message


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """The answer that the job is on disk left its home."""

    at_us: int
    region: str
    tenant: str
    client_key: str
    job_id: str
    existed: bool


class FederatedAck(msgspec.Struct, frozen=True, gc=False):
    """A caller was told that a majority of its home's guardians holds an adoptable job."""

    at_us: int
    home: str
    tenant: str
    client_key: str
    job_id: str
    existed: bool


class SubmitRefused(msgspec.Struct, frozen=True, gc=False):
    """The answer that the job is not taken left the region."""

    at_us: int
    region: str
    client_key: str
    refused: Refused


class CancelAsked(msgspec.Struct, frozen=True, gc=False):
    """A caller's wish to end the job reached a region."""

    at_us: int
    region: str
    job_id: str


class CancelTaken(msgspec.Struct, frozen=True, gc=False):
    """The answer that the wish is taken left the region."""

    at_us: int
    region: str
    job_id: str


class Explained(msgspec.Struct, frozen=True, gc=False):
    """The answer to "why is this job not running" left the region."""

    at_us: int
    region: str
    explanation: Explanation


class Launched(msgspec.Struct, frozen=True, gc=False):
    """The order to start these tasks reached the engine."""

    at_us: int
    region: str
    run: RunId
    tasks: tuple[int, ...]
    # Of an adoptable job: under whose lease.
    shard: str = ""


class TaskBegan(msgspec.Struct, frozen=True, gc=False):
    """A process began to live. `devices` are (kind, index) on `node`."""

    at_us: int
    region: str
    run: RunId
    task: int
    node: str
    resources: Resources
    devices: tuple[tuple[str, int], ...] = ()
    tenant: str = ""


class TaskFinished(msgspec.Struct, frozen=True, gc=False):
    """A process is gone. `natural`: it ended by itself, neither killed nor lost with its machine. `told_to_end`: it had
    been sent SIGTERM by then."""

    at_us: int
    region: str
    run: RunId
    task: int
    exit_code: int
    natural: bool
    told_to_end: bool = False


class LaunchFailed(msgspec.Struct, frozen=True, gc=False):
    """A task never came to life."""

    at_us: int
    region: str
    run: RunId
    task: int


class Started(msgspec.Struct, frozen=True, gc=False):
    """The daemon is up with this incarnation, under this policy."""

    at_us: int
    region: str
    incarnation: int
    policy: Policy = DEFAULT_POLICY


class Died(msgspec.Struct, frozen=True, gc=False):
    """The daemon is gone. `how` names the crash point."""

    at_us: int
    region: str
    how: str


class FaultInjected(msgspec.Struct, frozen=True, gc=False):
    """Something was done to a region or a link."""

    at_us: int
    kind: str
    detail: str


# The image of a disk that nothing was ever written to.
EMPTY_IMAGE = 0


class ImageTaken(msgspec.Struct, frozen=True, gc=False):
    """What is durable in this region now was copied away, under this number."""

    at_us: int
    region: str
    image: int


class DiskReplaced(msgspec.Struct, frozen=True, gc=False):
    """The daemon is down, and what it will find is this image. `reboot`: its machine went, too, so that no process is
    left; else those of the lost life live on. `by_anchor`: a file on another disk will tell that the disk is old.
    `for_ever`: the region never comes back."""

    at_us: int
    region: str
    image: int
    reboot: bool
    by_anchor: bool
    for_ever: bool = False


class Healed(msgspec.Struct, frozen=True, gc=False):
    """From now on nothing fails any more, and everything must come to an end by `deadline_us`."""

    at_us: int
    deadline_us: int


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The run is over. `waits_for`: what should have been over by then, and was not; empty: nothing."""

    at_us: int
    waits_for: str = ""


Entry = (
    RegionJoined
    | Committed
    | Sent
    | Acknowledged
    | FederatedAck
    | SubmitRefused
    | CancelAsked
    | CancelTaken
    | Explained
    | Launched
    | TaskBegan
    | TaskFinished
    | LaunchFailed
    | Started
    | Died
    | FaultInjected
    | ImageTaken
    | DiskReplaced
    | Healed
    | Finished
)

# Append only; a list because nothing else about it is needed, and appending is what it must be fast at.
Record = list[Entry]
