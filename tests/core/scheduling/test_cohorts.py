"""Quotas in trees of cohorts: Kueue's definitions by table, and what must hold whatever is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.policy.model import Cohort, Policy, Queue, Quota
from hanse.core.scheduling.cohorts import Usage
from hanse.core.scheduling.quota import QuotaBook

CPU = ("", "cpu")


def queue(
    name: str, nominal: int, borrow: int | None = None, lend: int | None = None, cohort: str = "c"
) -> Queue:
    """A queue with a quota of cpu."""
    quota = Quota(kind="cpu", nominal=nominal, borrowing_limit=borrow, lending_limit=lend)
    return Queue(name=name, tenants=(name,), cohort=cohort, quotas=(quota,))


def book(*queues: Queue, cohorts: tuple[Cohort, ...] = ()) -> QuotaBook:
    """The queues of a policy."""
    return QuotaBook(Policy(queues=queues, cohorts=cohorts))


def available(quotas: QuotaBook, used: dict[str, int]) -> dict[str, int]:
    """What each queue may still use when so much is used, in this order."""
    for name, quantity in used.items():
        member = quotas.queues[name]
        member.node.add(CPU, quantity, member.root.usage)
    return {name: q.node.available(CPU, q.root.usage) for name, q in quotas.queues.items()}


@pytest.mark.parametrize(
    ("queues", "used", "left"),
    [
        pytest.param((queue("a", 10, cohort=""),), {"a": 4}, {"a": 6}, id="alone"),
        pytest.param((queue("a", 10), queue("b", 5)), {}, {"a": 15, "b": 15}, id="all is lent"),
        pytest.param((queue("a", 10), queue("b", 5)), {"b": 9}, {"a": 6, "b": 6}, id="borrowed"),
        pytest.param((queue("a", 10, borrow=0), queue("b", 5)), {}, {"a": 10, "b": 15}, id="may not borrow"),
        pytest.param((queue("a", 10, borrow=2), queue("b", 5)), {"a": 11}, {"a": 1, "b": 4}, id="limit"),
        pytest.param((queue("a", 10, lend=4), queue("b", 5)), {}, {"a": 15, "b": 9}, id="lends some"),
        pytest.param((queue("a", 10, lend=4), queue("b", 5)), {"b": 9}, {"a": 6, "b": 0}, id="keeps some"),
        pytest.param(
            (queue("a", 10, lend=0), queue("b", 5)), {"a": 3}, {"a": 12, "b": 5}, id="lends nothing"
        ),
        pytest.param(
            (queue("a", 10, lend=4), queue("b", 5)), {"a": 8}, {"a": 7, "b": 7}, id="uses its own first"
        ),
        pytest.param((queue("a", 10), queue("b", 5)), {"a": 10, "b": 7}, {"a": -2, "b": -2}, id="lowered"),
    ],
)
def test_available(queues: tuple[Queue, ...], used: dict[str, int], left: dict[str, int]) -> None:
    assert available(book(*queues), used) == left


def test_cohorts_lend_to_cohorts() -> None:
    cohorts = (
        Cohort(name="top", quotas=(Quota(kind="cpu", nominal=3),)),
        Cohort(name="left", parent="top", quotas=(Quota(kind="cpu", nominal=0, lending_limit=5),)),
        Cohort(name="right", parent="top", quotas=(Quota(kind="cpu", nominal=2, borrowing_limit=1),)),
    )
    queues = (queue("a", 10, cohort="left"), queue("b", 5, cohort="right"))
    # The left keeps five of its ten; the right has seven of its own and may borrow one.
    assert available(book(*queues, cohorts=cohorts), {}) == {"a": 20, "b": 8}
    assert available(book(*queues, cohorts=cohorts), {"a": 16}) == {"a": 4, "b": 4}


def test_what_is_short_is_named_where_it_is_short() -> None:
    quotas = book(queue("a", 10, borrow=2), queue("b", 5))
    a, b = quotas.queues["a"], quotas.queues["b"]
    assert a.bound(((CPU, 12),), a.root.usage) is None
    own = a.bound(((CPU, 13),), a.root.usage)
    assert own is not None
    assert (own.node, own.wanted, own.available) == ("a", 13, 12)
    a.node.add(CPU, 12, a.root.usage)
    whole = b.bound(((CPU, 4),), b.root.usage)
    assert whole is not None
    assert (whole.node, whole.available) == ("c", 3)
    assert b.bound(((CPU, 15),), {}) is None
    never = b.bound(((CPU, 16),), {})
    assert never is not None
    assert never.available == 15


def test_tenants_wait_in_the_queue_that_names_most_of_their_path() -> None:
    quotas = QuotaBook(
        Policy(queues=(Queue(name="org", tenants=("org",)), Queue(name="team", tenants=("org/team", "x"))))
    )
    names = ["org", "org/other", "org/team", "org/team/user", "x/y", "organ", ""]
    found = [quotas.queue_of(name) for name in names]
    assert [each.name if each else None for each in found] == [
        "org",
        "org",
        "team",
        "team",
        "team",
        None,
        None,
    ]


@st.composite
def trees(draw: st.DrawFn) -> QuotaBook:
    """Up to four queues in up to three cohorts, of which two may be below the first."""
    limit = st.one_of(st.none(), st.integers(0, 10))

    def quota(nominal: int, *, lends: bool) -> Quota:
        borrow = draw(limit)
        lend = draw(st.one_of(st.none(), st.integers(0, nominal))) if lends else None
        return Quota(kind="cpu", nominal=nominal, borrowing_limit=borrow, lending_limit=lend)

    cohorts = [Cohort(name="c0", quotas=(Quota(kind="cpu", nominal=draw(st.integers(0, 5))),))]
    for number in (1, 2):
        nominal = draw(st.integers(0, 5))
        cohorts.append(Cohort(name=f"c{number}", parent="c0", quotas=(quota(nominal, lends=True),)))
    queues = []
    for number in range(draw(st.integers(1, 4))):
        nominal = draw(st.integers(0, 10))
        cohort = draw(st.sampled_from(["c0", "c1", "c2"]))
        queues.append(Queue(name=f"q{number}", cohort=cohort, quotas=(quota(nominal, lends=True),)))
    return QuotaBook(Policy(queues=tuple(queues), cohorts=tuple(cohorts)))


@given(trees(), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), max_size=20))
def test_nobody_uses_more_than_there_is_and_giving_back_undoes_taking(
    quotas: QuotaBook, wishes: list[tuple[int, int]]
) -> None:
    members = list(quotas.queues.values())
    taken: list[tuple[int, int]] = []
    for number, quantity in wishes:
        member = members[number % len(members)]
        usage: Usage = member.root.usage
        before = member.node.available(CPU, usage)
        if member.bound(((CPU, quantity),), usage) is not None:
            continue
        member.node.add(CPU, quantity, usage)
        taken.append((number % len(members), quantity))
        assert member.node.available(CPU, usage) == before - quantity
    root = members[0].root
    nodes = list(root.nodes.values())
    top = next(node for node in nodes if node.parent is None)
    assert sum(quantity for _, quantity in taken) <= sum(node.nominal.get(CPU, 0) for node in nodes)
    assert root.usage.get((top.number, CPU), 0) <= top.subtree_quota(CPU)
    for number, quantity in taken:
        members[number].node.add(CPU, -quantity, root.usage)
    assert root.usage == {}


@given(trees(), st.integers(0, 3), st.integers(0, 10))
def test_what_a_queue_keeps_to_itself_nobody_else_can_use(quotas: QuotaBook, number: int, used: int) -> None:
    members = list(quotas.queues.values())
    owner = members[number % len(members)]
    for other in members:
        if other is not owner:
            most = max(0, other.node.available(CPU, other.root.usage))
            other.node.add(CPU, most, other.root.usage)
    assert owner.node.available(CPU, owner.root.usage) >= owner.node.local_quota(CPU)
