"""A document that is refused changes nothing: neither the policy, nor the order, nor the ledger."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanse.core.events import PolicyChanged, PolicyText
from hanse.core.model.jobs import GroupShape, ShapeBody, make_shape
from hanse.core.model.regions import Node
from hanse.core.model.resources import resources
from hanse.core.policy.model import DEFAULT_POLICY, Cohort, Policy, Queue, Quota, Tenant, Tier
from hanse.core.policy.problems import problems
from hanse.core.replies import PolicyAdopted, Refused
from hanse.policies.document import Document, read_document
from hanse.policies.problems import DocumentRefused, Problem
from hanse.policies.virtual import VirtualJob, VirtualRegion

SAMPLE = (Path(__file__).parents[2] / "deploy" / "policy" / "example.toml").read_text(encoding="utf-8")
LINES = SAMPLE.splitlines()


def busy_region() -> VirtualRegion:
    """One job runs, five wait."""
    nodes = (Node(name="n", node_class="c", capacity=resources({"cpu": 2_000})),)
    region = VirtualRegion(nodes, DEFAULT_POLICY)
    shape = make_shape(ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 2_000})),)))
    region.add(
        [VirtualJob(id=f"j{n}", shape=shape, at_us=n, run_us=10**6, tenant=f"org/{n % 2}") for n in range(6)]
    )
    region.run(until_us=100)
    return region


def picture(region: VirtualRegion) -> tuple[object, ...]:
    """All that a policy could have changed."""
    core = region.region
    return (
        core.local.standing.policy,
        [job.id for job in core.local.queue.in_order(10)],
        core.router.objective,
        core.sequence,
        {job.id: job.state for job in core.books.jobs.values()},
    )


names = st.sampled_from(["", "a", "b", "c", "standard"])
quotas = st.builds(
    Quota,
    kind=st.sampled_from(["", "cpu"]),
    nominal=st.integers(-1, 3),
    lending_limit=st.none() | st.integers(0, 4),
    flavour=st.sampled_from(["", "nowhere"]),
)
wild = st.builds(
    Policy,
    tiers=st.lists(
        st.builds(
            Tier, name=names, share_permille=st.sampled_from([0, 2_000]), preemptible_by=st.tuples(names)
        ),
        max_size=2,
    ).map(tuple),
    tenants=st.lists(st.builds(Tenant, name=names, parent=names), max_size=3).map(tuple),
    cohorts=st.lists(st.builds(Cohort, name=names, parent=names), max_size=2).map(tuple),
    queues=st.lists(
        st.builds(Queue, name=names, cohort=names, quotas=st.lists(quotas, max_size=2).map(tuple)), max_size=2
    ).map(tuple),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(wild, st.sampled_from([0, 1, 2]))
def test_what_the_core_refuses_changes_nothing(policy: Policy, expected: int) -> None:
    region = busy_region()
    before = picture(region)
    text = PolicyText(document="d", digest="x", author="a", why="w")
    out = region.step(
        PolicyChanged(request_id=10**6, policy=policy, cause="test", expected_version=expected, text=text)
    )
    (reply,) = out.replies
    if isinstance(reply.answer, Refused):
        assert picture(region) == before
        assert out.writes.policies == []
        assert expected == 2 or list(problems(policy))
    else:
        assert reply.answer == PolicyAdopted(2)
        assert [(row.version, row.digest) for row in out.writes.policies] == [(1, ""), (2, "x")]
        assert region.region.local.standing.policy == msgspec.structs.replace(policy, version=2)


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """The sample with some lines lost, doubled, swapped, or with a piece of another inside."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        at, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["lose", "double", "swap", "cut", "mix"])):
            case "lose":
                del lines[at]
            case "double":
                lines.insert(other, lines[at])
            case "swap":
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case _:
                cut = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:cut] + lines[other][cut:]
    return "\n".join(lines)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(mutilated())
def test_any_text_is_read_or_refused_with_places_that_exist(text: str) -> None:
    found = judged(text)
    if isinstance(found, Document):
        assert list(problems(found.policy)) == []
        assert read_document(found.text).digest == found.digest
        return
    lines = text.split("\n")
    assert any(each.severity == "error" for each in found)
    for each in found:
        assert each.message
        assert 1 <= each.line <= len(lines)
        assert each.source == lines[each.line - 1]
        assert 1 <= each.column <= len(each.source) + 1
        assert each.width >= 1


def judged(text: str) -> Document | tuple[Problem, ...]:
    """The document, or what is wrong with it."""
    try:
        return read_document(text)
    except DocumentRefused as refused:
        return refused.problems
