"""Nodes, shapes and jobs for scheduling tests, by hand and generated."""

from __future__ import annotations

from hypothesis import strategies as st

from hanse.core.model.jobs import GroupShape, Job, Reason, ReasonCode, Shape, ShapeBody, make_shape
from hanse.core.model.regions import Node
from hanse.core.model.resources import resources
from hanse.core.model.time import Now

NOW = Now(mono_us=1_000_000, wall_us=1_700_000_000_000_000)
TIERS = ("premium", "standard", "basic")


def node(name: str, labels: dict[str, str] | None = None, node_class: str = "any", **capacity: int) -> Node:
    """A node; `gpu_a100=2000` means the kind "gpu/a100"."""
    kinds = {kind.replace("_", "/"): quantity for kind, quantity in capacity.items()}
    pairs = tuple(sorted((labels or {}).items()))
    return Node(name=name, node_class=node_class, capacity=resources(kinds), labels=pairs)


def group(count: int = 1, least: int | None = None, where: tuple[str, ...] = (), **wanted: int) -> GroupShape:
    """A group of `count` tasks, at least `least` (default: all)."""
    kinds = {kind.replace("_", "/"): quantity for kind, quantity in wanted.items()}
    return GroupShape(count, count if least is None else least, resources(kinds), where)


def shape(*groups: GroupShape, tier: str = "standard", priority: int = 0, estimate_us: int = 0) -> Shape:
    """The shape of these groups."""
    return make_shape(ShapeBody(groups=groups, tier=tier, priority=priority, runtime_estimate_us=estimate_us))


def job(job_id: str, wanted: Shape, order_us: int = 0) -> Job:
    """A queued job."""
    return Job(
        id=job_id,
        home="north",
        tenant="team",
        name=f"name-{job_id}",
        client_key=job_id,
        spec=b"",
        spec_sha256=b"",
        shape=wanted,
        grace_us=0,
        retries_max=0,
        submitted_wall_us=order_us,
        reason=Reason(ReasonCode.SUBMITTED),
        order_us=order_us,
    )


def nodes_strategy(max_size: int = 5) -> st.SearchStrategy[tuple[Node, ...]]:
    """Small regions: few sizes, two zones, so that ties and near misses are common."""
    one = st.builds(
        lambda cpu, gpu, other, zone: (
            {"zone": zone},
            {"cpu": cpu, "gpu": gpu * 1000, "gpu_a100": other * 1000},
        ),
        st.integers(1, 6),
        st.integers(0, 3),
        st.integers(0, 1),
        st.sampled_from("ab"),
    )
    return st.lists(one, min_size=1, max_size=max_size).map(
        lambda parts: tuple(node(f"n{at}", labels, **have) for at, (labels, have) in enumerate(parts))
    )


CONSTRAINTS = st.sampled_from([(), (), ("zone = a",), ("zone in (a, b)",), ("zone != b", "zone")])


@st.composite
def group_strategy(draw: st.DrawFn, tasks_max: int = 4) -> GroupShape:
    """Groups with whole devices, shares of one, or none."""
    count = draw(st.integers(1, tasks_max))
    kinds = {
        "cpu": draw(st.integers(1, 4)),
        "gpu": draw(st.sampled_from([0, 0, 250, 400, 1000, 2000])),
        "gpu_a100": draw(st.sampled_from([0, 0, 0, 500, 1000])),
    }
    return group(count, draw(st.integers(1, count)), draw(CONSTRAINTS), **kinds)


def shape_strategy(groups_max: int = 2, tasks_max: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes of some groups, in three tiers and three priorities."""
    return st.builds(
        lambda groups, tier, priority: shape(*groups, tier=tier, priority=priority),
        st.lists(group_strategy(tasks_max), min_size=1, max_size=groups_max),
        st.sampled_from(TIERS),
        st.integers(0, 2),
    )
