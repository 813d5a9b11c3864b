"""Regions with racks, taints, islands and caps, and groups with rules for them."""

from __future__ import annotations

from hypothesis import strategies as st

from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.regions import DomainCap, Node, Topology
from hanse.core.model.resources import resources
from hanse.core.model.rules import (
    Affinity,
    Alternative,
    Island,
    Preference,
    Rules,
    Spread,
    Taint,
    TaintEffect,
    Within,
)

TENANT = "team"
RACKS = Topology(
    levels=("pod", "rack"),
    caps=(DomainCap(level="rack", domain="p/a", capacity=resources({"power": 7})),),
)
SPOT = Taint("spot", "", TaintEffect.NO_START)
OLD = Taint("old", "yes", TaintEffect.PREFER_NO_START)


def racked(name: str, rack: str, taints: tuple[Taint, ...] = (), **capacity: int) -> Node:
    """A node of a rack in pod p, whose devices come in islands of two."""
    return Node(
        name=name,
        node_class="any",
        capacity=resources(capacity),
        labels=(("pod", "p"), ("rack", rack)),
        taints=taints,
        islands=(("nvlink", 2),),
    )


@st.composite
def racked_nodes(draw: st.DrawFn, max_size: int = 7) -> tuple[Node, ...]:
    """Some nodes, the first in rack a, so that its cap is about something."""
    count = draw(st.integers(1, max_size))
    return tuple(
        racked(
            f"n{at}",
            "a" if at == 0 else draw(st.sampled_from("abc")),
            draw(st.sampled_from([(), (), (), (SPOT,), (OLD,)])),
            cpu=draw(st.integers(1, 6)),
            gpu=1000 * draw(st.sampled_from([0, 1, 2, 4])),
            power=draw(st.integers(0, 4)),
        )
        for at in range(count)
    )


LEVELS = st.sampled_from(["node", "rack", "pod", "row"])
AFFINITIES = st.builds(
    lambda name, level, apart, weight: Affinity(TENANT, name, level, apart, weight),
    st.sampled_from(["", "web", "db"]),
    LEVELS,
    st.booleans(),
    st.sampled_from([0, 0, 5]),
)
RULES = st.builds(
    Rules,
    alternatives=st.lists(
        st.builds(
            lambda cpu, gpu: Alternative(resources({"cpu": cpu, "gpu": gpu})),
            st.integers(1, 2),
            st.sampled_from([0, 300, 1000]),
        ),
        max_size=1,
    ).map(tuple),
    preferences=st.lists(
        st.builds(Preference, st.sampled_from(["rack = b", "rack != a"]), st.integers(1, 9)), max_size=2
    ).map(tuple),
    tolerations=st.sampled_from([(), ("spot",), ("*",), ("old=yes",)]),
    affinities=st.lists(AFFINITIES, max_size=1).map(tuple),
    within=st.none() | st.builds(Within, LEVELS, st.booleans()),
    spread=st.none() | st.builds(Spread, LEVELS, st.integers(0, 2)),
    island=st.none() | st.builds(Island, st.sampled_from(["nvlink", "numa"]), st.booleans()),
)


@st.composite
def ruled_group(draw: st.DrawFn) -> GroupShape:
    """A group with some rules."""
    count = draw(st.integers(1, 4))
    wanted = {
        "cpu": draw(st.integers(1, 3)),
        "gpu": draw(st.sampled_from([0, 0, 300, 500, 1000, 2000])),
        "power": draw(st.sampled_from([0, 0, 1, 2])),
    }
    rules = draw(st.none() | RULES)
    # Rules that say nothing are none, as specs are read.
    said = rules if rules != Rules() else None
    where = draw(st.sampled_from([(), (), (), ("rack = b",), ("rack != a",)]))
    return GroupShape(count, draw(st.integers(1, count)), resources(wanted), where, said)


RULED_SHAPES = st.builds(
    lambda groups, within: make_shape(ShapeBody(groups=tuple(groups), within=within)),
    st.lists(ruled_group(), min_size=1, max_size=2),
    st.none() | st.builds(Within, st.sampled_from(["rack", "pod"]), st.booleans()),
)


def single(rules: Rules | None = None, count: int = 1, least: int | None = None, **wanted: int) -> Shape:
    """A shape of one group."""
    group = GroupShape(count, count if least is None else least, resources(wanted), (), rules)
    return make_shape(ShapeBody(groups=(group,)))
