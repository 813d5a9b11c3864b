"""A policy that was written as a document is read as the same policy."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.policy.model import (
    DEFAULT_POLICY,
    Cohort,
    Flavour,
    Objective,
    Policy,
    Queue,
    Quota,
    Tenant,
    Tier,
    default_policy,
)
from hanse.core.policy.problems import problems
from hanse.policies.document import canonical, digest, read_document
from hanse.policies.writing import document_of

MS = 1_000
QUANTITIES = st.integers(0, 10**9)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    tiers = [
        Tier(
            name=f"t{number}",
            share_permille=draw(st.integers(0, 1000)),
            wait_max_us=draw(st.integers(0, 10**9)) * MS,
            preemptible_by=tuple(f"t{n}" for n in range(number) if draw(st.booleans())),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    quotas = tuple(
        Quota(kind=kind, nominal=nominal, borrowing_limit=draw(st.none() | QUANTITIES), flavour=flavour)
        for kind, flavour, nominal in (("gpu", "f", draw(QUANTITIES)), ("memory", "", draw(QUANTITIES)))
    )
    return Policy(
        tiers=tuple(tiers),
        tenants=(Tenant(name="org/a", weight=draw(st.integers(1, 10**6))),),
        flavours=(Flavour(name="f", constraints=("model in (a100, h100)", "!spot")),),
        cohorts=(Cohort(name="top"), Cohort(name="c", parent="top", quotas=quotas[:1])),
        queues=(Queue(name="q", tenants=("org",), cohort="c", quotas=quotas, within_queue="lower_priority"),),
        objective=Objective(price=draw(st.integers(0, 100))),
    )


@settings(deadline=None)
@given(policies())
def test_what_was_written_is_read_again(policy: Policy) -> None:
    assert list(problems(policy)) == []
    assert read_document(document_of(policy)).policy == policy


def test_the_default_with_any_tiers() -> None:
    for policy in (DEFAULT_POLICY, default_policy(("standard", "urgent"))):
        document = read_document(document_of(policy))
        assert document.policy == policy
        assert document.warnings == ()
        assert document.under(9).version == 9


def test_the_digest_is_of_the_bytes_and_not_of_how_lines_end() -> None:
    assert canonical("a = 1\r\nb = 2") == b"a = 1\nb = 2\n"
    assert digest("a = 1") == digest("a = 1\n\n") == digest("a = 1\r\n")
    assert digest("a = 1 # why") != digest("a = 1")
