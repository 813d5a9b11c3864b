"""Which quota documents are taken, and what is said of those that are not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hanse.core.federation.escrow.chain import QuotaChain, document_faults, order_fault, signature_fault
from hanse.core.federation.escrow.wishes import divide
from hanse.core.federation.roster.faults import FaultKind
from hanse.core.model.quota import (
    Quota,
    QuotaDocument,
    SignedQuotas,
    applies,
    quotas_message,
    quotas_sha256,
    rights_needed,
)
from hanse.core.model.regions import QuotaNews
from hanse.core.model.resources import resources
from hanse.core.model.roster import key_id
from hanse.sim.keys import SimKeys, public_key_of
from tests.core.federation.escrow.accounts import CPU, GPU

KEY = public_key_of("operator")
KEYS = SimKeys("operator")


def _first(**changes: Any) -> QuotaDocument:
    document = QuotaDocument(
        cluster_id="league",
        number=1,
        previous_sha256="",
        keeper="@north",
        issuer=key_id(KEY),
        issued_wall_us=0,
        quotas=(Quota(tenant="lab", resource="gpu", limit=8),),
    )
    return msgspec.structs.replace(document, **changes)


def _next(before: QuotaDocument, **changes: Any) -> QuotaDocument:
    return msgspec.structs.replace(
        before, number=before.number + 1, previous_sha256=quotas_sha256(before), **changes
    )


def _signed(document: QuotaDocument) -> SignedQuotas:
    return SignedQuotas(document=document, operator_signature=KEYS.sign(KEY, quotas_message(document)))


def _faults(document: QuotaDocument) -> list[str]:
    return [str(fault) for fault in document_faults(document, "league", ("north", "south"), ())]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": 2}, "format"),
        ({"cluster_id": "other"}, "cluster_id"),
        ({"number": 0}, "number"),
        ({"number": 2}, "previous_sha256"),
        ({"previous_sha256": "00"}, "previous_sha256"),
        ({"keeper": "west"}, "keeper"),
        ({"keeper": "@west"}, "keeper"),
        ({"quotas": (Quota(tenant="", resource="gpu", limit=1),)}, "quotas[0].tenant"),
        ({"quotas": (Quota(tenant="a/b/c/d", resource="gpu", limit=1),)}, "quotas[0].tenant"),
        ({"quotas": (Quota(tenant="lab", resource="gpus", limit=1),)}, "quotas[0].resource"),
        ({"quotas": (Quota(tenant="lab", resource="gpu//", limit=1),)}, "quotas[0].resource"),
        ({"quotas": 2 * (Quota(tenant="lab", resource="gpu", limit=1),)}, "quotas"),
        (
            {"quotas": tuple(Quota(tenant=f"t{n}", resource="gpu", limit=1) for n in range(257))},
            "quotas",
        ),
    ],
)
def test_a_document_that_is_wrong_by_itself(changes: dict[str, Any], field: str) -> None:
    assert any(fault.startswith(f"{field}:") for fault in _faults(_first(**changes)))


def test_a_document_that_is_right() -> None:
    assert _faults(_first()) == []


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"number": 1, "previous_sha256": ""}, FaultKind.FORK, "number"),
        ({"number": 3}, FaultKind.GAP, "number"),
        ({"previous_sha256": 64 * "0"}, FaultKind.FORK, "previous_sha256"),
        ({"keeper": "south"}, FaultKind.INVALID, "keeper"),
        ({"quotas": ()}, FaultKind.INVALID, "quotas"),
    ],
)
def test_a_document_that_may_not_follow(changes: dict[str, Any], kind: FaultKind, field: str) -> None:
    head = _first()
    follower = msgspec.structs.replace(_next(head), **changes)
    fault = order_fault(head, quotas_sha256(head), follower)
    assert fault is not None
    assert (fault.kind, fault.field) == (kind, field)


def test_an_older_document() -> None:
    head = _next(_first())
    fault = order_fault(head, quotas_sha256(head), _first())
    assert fault is not None
    assert fault.kind is FaultKind.OLDER


def test_what_was_written_off_only_grows() -> None:
    head = _first(quotas=(Quota(tenant="lab", resource="gpu", limit=8, written_off=2),))
    follower = _next(head, quotas=(Quota(tenant="lab", resource="gpu", limit=8, written_off=1),))
    fault = order_fault(head, quotas_sha256(head), follower)
    assert fault is not None
    assert fault.field == "quotas[0].written_off"


def test_a_chain_grows_by_what_follows_and_is_read_back() -> None:
    chain = QuotaChain(())
    rows = [chain.append(_signed(_first()))]
    rows.append(
        chain.append(_signed(_next(_first(), quotas=(Quota(tenant="lab", resource="gpu", limit=9),))))
    )
    again = QuotaChain(rows)
    assert (again.number, again.sha256, again.league) == (2, chain.sha256, rows[0].sha256)
    assert again.limits() == {GPU: 9}
    assert [signed.document.number for signed in again.after(1)] == [2]


def test_a_lifted_quota_still_counts_as_minted() -> None:
    chain = QuotaChain(())
    chain.append(_signed(_first()))
    lifted = _next(_first(), quotas=(Quota(tenant="lab", resource="gpu", limit=None, written_off=2),))
    chain.append(_signed(lifted))
    assert chain.limits() == {}
    assert chain.minted() == {GPU: Quota(tenant="lab", resource="gpu", limit=8, written_off=2)}


def test_only_an_operators_signature_counts() -> None:
    keys = {key_id(KEY): KEY}
    assert signature_fault(_signed(_first()), keys, KEYS) is None
    forged = msgspec.structs.replace(_signed(_first()), document=_first(keeper="south"))
    fault = signature_fault(forged, keys, KEYS)
    assert fault is not None
    assert (fault.kind, fault.field) == (FaultKind.STRANGER, "operator_signature")
    stranger = signature_fault(_signed(_first(issuer="somebody")), keys, KEYS)
    assert stranger is not None
    assert stranger.field == "issuer"
    nobody = signature_fault(_signed(_first()), {}, None)
    assert nobody is not None
    assert nobody.kind is FaultKind.UNABLE


def test_a_quota_counts_what_is_below_it() -> None:
    assert applies(("lab", "gpu"), "lab/vision", "gpu/a100")
    assert not applies(("lab", "gpu"), "labs", "gpu")
    assert not applies(("lab", "gpu/a100"), "lab", "gpu")
    wanted = resources({"gpu": 1000, "gpu/a100": 500, "cpu": 7})
    assert rights_needed((GPU, CPU, ("other", "cpu")), "lab/vision", wanted) == ((CPU, 7), (GPU, 1500))


def _news(free: int, held: int) -> QuotaNews:
    return QuotaNews(league="x", number=1, sha256="y", rights=((GPU, free, held),))


def test_rights_are_asked_of_those_that_are_said_to_have_some() -> None:
    news = [("a", _news(2, 5)), ("b", _news(4, 4)), ("c", None)]
    assert divide(((GPU, 5),), news, ("a", "b", "c")) == {"b": ((GPU, 4),), "a": ((GPU, 1),)}
    asked = divide(((GPU, 9),), news, ("a", "b", "c"))
    assert asked == {"b": ((GPU, 4),), "a": ((GPU, 3),), "c": ((GPU, 3),)}
    assert divide(((GPU, 6),), news, (), recall=True) == {"a": ((GPU, 5),), "b": ((GPU, 1),)}
