"""What callers want: kinds of jobs drawn from the seed, and where each batch goes."""

from __future__ import annotations

import hashlib
import random
from typing import Protocol

import msgspec

from hanse.core.model.arrays import ArrayRules
from hanse.core.model.jobs import GroupShape, OnLoss, Shape, ShapeBody, Submission, make_shape
from hanse.core.model.regions import Group, Member, Node, RegionConfig, Timings
from hanse.core.model.resources import resources
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from hanse.sim.executor import Behaviour
from hanse.sim.keys import public_key_of

GIBIBYTE = 1 << 30
CPU_PER_NODE = 16_000
_MEMORY_PER_NODE = 64 * GIBIBYTE
_GPUS_PER_NODE = 4_000
_COMPLETE_NODES = 4
# Longer than any run of the simulator.
_ETERNAL_US = 1000 * 86_400 * SECOND_US
_CPU_PER_TASK_MAX = 8_000
_TASKS_MAX = 3
LARGEST_JOB_CPU = _TASKS_MAX * _CPU_PER_TASK_MAX
_RUNTIME_MIN_US = 50 * MILLISECOND_US
_RESTARTABLE_SHARE = 0.5


class JobKind(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of one kind share spec and shape. `endless` kinds end only by a cancel. Of a kind of array, `plain` is the
    kind of job that it was made of."""

    name: str
    spec: bytes
    spec_sha256: bytes
    shape: Shape
    behaviour: Behaviour
    grace_us: int
    retries_max: int
    endless: bool = False
    array: ArrayRules | None = None
    plain: JobKind | None = None


class SpecWriter(Protocol):
    """Makes the bytes of a spec that the real codec can read back; the default is for worlds without a codec."""

    def __call__(
        self, name: str, body: ShapeBody, grace_us: int, retries_max: int, array: ArrayRules | None = None, /
    ) -> bytes: ...


def opaque_spec(
    name: str, body: ShapeBody, grace_us: int, retries_max: int, array: ArrayRules | None = None
) -> bytes:
    """Bytes that only this module understands."""
    if array is None:
        return msgspec.msgpack.encode((name, body, grace_us, retries_max))
    return msgspec.msgpack.encode((name, body, grace_us, retries_max, array))


def draw_nodes(region: str, randomness: random.Random, *, complete: bool) -> tuple[Node, ...]:
    """The machines of one region: some with devices, in two zones. In a `complete` region every kind of job fits."""
    nodes = []
    for number in range(_COMPLETE_NODES if complete else randomness.randint(2, 4)):
        has_devices = complete or randomness.random() < 0.5
        capacity = {"cpu": CPU_PER_NODE, "memory": _MEMORY_PER_NODE}
        if has_devices:
            capacity["gpu"] = _GPUS_PER_NODE
        nodes.append(
            Node(
                name=f"{region}-{number}",
                node_class="gpu" if has_devices else "cpu",
                capacity=resources(capacity),
                labels=(("zone", "ab"[number % 2]),),
            )
        )
    return tuple(nodes)


def is_complete(nodes: tuple[Node, ...]) -> bool:
    """Whether every kind of job fits into a region with these machines."""
    return len(nodes) >= _COMPLETE_NODES and all("gpu" in dict(node.capacity) for node in nodes)


_GROUP_SIZE = 3


def draw_timings(randomness: random.Random) -> Timings:
    """The protocol's waits: as they are, or so short that its rarer rows (withdrawn, expired, timed out) are met."""
    usual = Timings()
    if randomness.random() < 0.5:
        return usual
    return Timings(
        # Not below the longest round trip of a healed league: nothing would ever be handed over.
        offer_deadline_us=randomness.randint(400 * MILLISECOND_US, usual.offer_deadline_us),
        hold_ttl_us=randomness.randint(50 * MILLISECOND_US, usual.hold_ttl_us),
        commit_retry_max_us=randomness.randint(SECOND_US, usual.commit_retry_max_us),
        withdraw_after_us=int(100 * MILLISECOND_US + randomness.random() ** 3 * usual.withdraw_after_us),
        report_retry_max_us=randomness.randint(SECOND_US, usual.report_retry_max_us),
    )


def draw_configs(count: int, randomness: random.Random, timings: Timings) -> tuple[RegionConfig, ...]:
    """Regions r0, r1, ... of one league; in some leagues queues are short."""
    names = [f"r{number}" for number in range(count)]
    complete = randomness.choice(names)
    queue_depth_max = 1_000_000 if randomness.random() < 0.5 else randomness.randint(4, 60)
    groups = draw_groups(names, randomness)
    members = tuple(Member(name=name, peer_address=f"{name}:1", public_address=f"{name}:2") for name in names)
    return tuple(
        RegionConfig(
            name=name,
            cluster_id="league",
            members=members,
            nodes=draw_nodes(name, randomness, complete=name == complete),
            timings=timings,
            queue_depth_max=queue_depth_max,
            groups=groups,
            operator_keys=(public_key_of("operator"),),
        )
        for name in names
    )


def draw_groups(names: list[str], randomness: random.Random) -> tuple[Group, ...]:
    """Each region's shard with its guardians: two, sometimes four. Fewer than three regions keep nothing for others."""
    if len(names) < _GROUP_SIZE:
        return ()
    guardians = 4 if len(names) > 4 and randomness.random() < 0.2 else _GROUP_SIZE - 1
    offset = randomness.randrange(len(names))
    groups = []
    for number, name in enumerate(names):
        others = [names[(number + 1 + offset + step) % len(names)] for step in range(len(names))]
        members = (name, *[other for other in others if other != name][:guardians])
        groups.append(Group(shard=name, members=members))
    return tuple(groups)


def draw_kinds(
    randomness: random.Random, count: int, runtime_max_us: int, write_spec: SpecWriter
) -> tuple[JobKind, ...]:
    """So many kinds that can run on some node, one that fits nowhere, and one that never ends by itself."""
    kinds = [_draw_kind(f"kind-{number}", randomness, runtime_max_us, write_spec) for number in range(count)]
    vast = ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 1000 * CPU_PER_NODE})),))
    kinds.append(_kind("vast", vast, 1.0, SECOND_US, 0, SECOND_US, write_spec, endless=True))
    eternal = ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 1000})),), restartable=True)
    kinds.append(_kind("eternal", eternal, 0.0, _ETERNAL_US, 0, SECOND_US, write_spec, endless=True))
    return tuple(kinds)


def _draw_kind(name: str, randomness: random.Random, runtime_max_us: int, write_spec: SpecWriter) -> JobKind:
    wants = {
        "cpu": randomness.randint(1, 16) * _CPU_PER_TASK_MAX // 16,
        "memory": randomness.randint(1, 16) * GIBIBYTE,
    }
    if randomness.random() < 0.3:
        wants["gpu"] = randomness.choice((500, 1000, 1000, 2000))
    tasks = randomness.choice((1, 1, 1, 2, _TASKS_MAX))
    runtime_us = _RUNTIME_MIN_US + int(randomness.random() ** 3 * runtime_max_us)
    constraints = ("zone = a",) if randomness.random() < 0.2 else ()
    body = ShapeBody(
        groups=(GroupShape(tasks, tasks, resources(wants), constraints),),
        tier=randomness.choice(("premium", "standard", "standard", "basic")),
        priority=randomness.choice((0, 0, 0, 10, -10)),
        runtime_estimate_us=runtime_us if randomness.random() < 0.5 else 0,
        restartable=randomness.random() < _RESTARTABLE_SHARE,
    )
    fail_share = randomness.choice((0.0, 0.0, 0.05, 0.5))
    grace_us = randomness.choice((0, 100 * MILLISECOND_US, 5 * SECOND_US))
    return _kind(name, body, fail_share, runtime_us, randomness.randint(0, 2), grace_us, write_spec)


def _kind(
    name: str,
    body: ShapeBody,
    fail_share: float,
    runtime_us: int,
    retries_max: int,
    grace_us: int,
    write_spec: SpecWriter,
    *,
    endless: bool = False,
) -> JobKind:
    spec = write_spec(name, body, grace_us, retries_max)
    return JobKind(
        name=name,
        spec=spec,
        spec_sha256=hashlib.sha256(spec).digest(),
        shape=make_shape(body),
        behaviour=Behaviour(
            runtime_us, fail_share, tuple(group.resources for group in body.groups), body.restartable
        ),
        grace_us=grace_us,
        retries_max=retries_max,
        endless=endless,
    )


def submission(
    job_id: str, client_key: str, tenant: str, kind: JobKind, on_loss: OnLoss = OnLoss.WAIT
) -> Submission:
    """One job of this kind, under a caller's key."""
    return Submission(
        job_id=job_id,
        client_key=client_key,
        tenant=tenant,
        name=kind.name,
        spec=kind.spec,
        spec_sha256=kind.spec_sha256,
        shape=kind.shape,
        grace_us=kind.grace_us,
        retries_max=kind.retries_max,
        on_loss=on_loss,
        array=kind.array,
    )
