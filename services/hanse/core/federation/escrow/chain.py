"""The quota documents that a region goes by, and what may follow on them.

One key signs them, so nobody can vouch that it has signed one successor only. That does no harm: only the keeper's
account mints, and it takes one successor of each document; every other region learns of documents that the keeper has
taken. A document of the same number and with other content is refused, and shown as a conflict.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.roster.faults import FaultKind, RosterFault
from hanse.core.model import limits
from hanse.core.model.quota import (
    QUOTA_FORMAT,
    Quota,
    QuotaDocument,
    QuotaKey,
    SignedQuotas,
    canonical_quotas,
    decode_quotas,
    encode_quotas,
    quotas_message,
    quotas_sha256,
    shard_of_account,
)
from hanse.core.model.resources import is_known_kind
from hanse.core.rows import QuotaDocumentRow

_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_KIND = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?")
_HASH = re.compile(r"[0-9a-f]{64}")


class QuotaChain:
    """Documents in force here, oldest first, without gaps; perhaps none. Bounded by QUOTA_DOCUMENTS_MAX."""

    def __init__(self, rows: Sequence[QuotaDocumentRow]) -> None:
        self._documents = [decode_quotas(row.document) for row in rows]
        self.sha256 = rows[-1].sha256 if rows else ""
        # What names the chain: the hash of its first document; empty: there is none.
        self.league = rows[0].sha256 if rows else ""

    @property
    def signed(self) -> SignedQuotas | None:
        """The newest."""
        return self._documents[-1] if self._documents else None

    @property
    def head(self) -> QuotaDocument | None:
        """The newest, without its signature."""
        return self._documents[-1].document if self._documents else None

    @property
    def number(self) -> int:
        """Of the newest; 0: there is none."""
        return len(self._documents)

    @property
    def is_full(self) -> bool:
        """Whether none may follow."""
        return self.number >= limits.QUOTA_DOCUMENTS_MAX

    def at(self, number: int) -> SignedQuotas | None:
        """The document of this number."""
        return self._documents[number - 1] if 0 < number <= self.number else None

    def after(self, number: int) -> tuple[SignedQuotas, ...]:
        """What followed on this one, oldest first."""
        return tuple(self._documents[max(0, number) :])

    def append(self, signed: SignedQuotas) -> QuotaDocumentRow:
        """It is in force from now on; whether it may be is for `order_fault`. Returns its row."""
        assert signed.document.number == self.number + 1, "numbers follow each other"
        self._documents.append(signed)
        self.sha256 = quotas_sha256(signed.document)
        self.league = self.league or self.sha256
        return QuotaDocumentRow(signed.document.number, self.sha256, encode_quotas(signed))

    def minted(self) -> dict[QuotaKey, Quota]:
        """What all of them have minted: the newest limit of each quota that is one. (A quota that is lifted takes no
        rights from anybody.)"""
        found: dict[QuotaKey, Quota] = {}
        for signed in self._documents:
            for quota in signed.document.quotas:
                before = found.get(quota.key)
                limit = quota.limit if quota.limit is not None or before is None else before.limit
                found[quota.key] = msgspec.structs.replace(quota, limit=limit)
        return found

    def limits(self) -> dict[QuotaKey, int]:
        """What is limited, and to how much."""
        if self.head is None:
            return {}
        return {quota.key: quota.limit for quota in self.head.quotas if quota.limit is not None}


# --- a document by itself
# ----------------------------------------------------------------------------------------------


def document_faults(
    document: QuotaDocument, cluster_id: str, members: Sequence[str], kinds: Sequence[str]
) -> Iterator[RosterFault]:
    """Everything in which it contradicts itself, breaks a bound, or names what this league does not have."""
    if document.format != QUOTA_FORMAT:
        yield _invalid(
            "format", f"{document.format} is not known here, only {QUOTA_FORMAT}: upgrade this region"
        )
        return
    if document.cluster_id != cluster_id:
        yield _invalid("cluster_id", f"{document.cluster_id[:64]!r} is another league, not {cluster_id!r}")
    if not 1 <= document.number <= limits.QUOTA_NUMBER_MAX:
        yield _invalid("number", f"{document.number}; from 1 on")
    elif (document.number == 1) != (not document.previous_sha256):
        yield _invalid("previous_sha256", "the first document follows on nothing, and all others on one")
    elif document.previous_sha256 and _HASH.fullmatch(document.previous_sha256) is None:
        yield _invalid("previous_sha256", "must be 64 hexadecimal digits")
    home = shard_of_account(document.keeper) or document.keeper
    if document.number == 1 and home not in members:
        yield _invalid("keeper", f"{home[:64]!r} is not among the members: {', '.join(members)}")
    if len(document.quotas) > limits.QUOTAS_MAX:
        yield _invalid("quotas", f"{len(document.quotas)}; at most {limits.QUOTAS_MAX}")
        return
    for index, quota in enumerate(document.quotas):
        yield from _quota_faults(f"quotas[{index}]", quota, kinds)
    for key, count in Counter(quota.key for quota in document.quotas).items():
        if count > 1:
            yield _invalid("quotas", f"{key[0]!r} has {count} quotas of {key[1]!r}")
    if (size := len(canonical_quotas(document))) > limits.QUOTA_DOCUMENT_BYTES_MAX:
        yield _invalid("", f"{size} bytes; at most {limits.QUOTA_DOCUMENT_BYTES_MAX}")


def _quota_faults(at: str, quota: Quota, kinds: Sequence[str]) -> Iterator[RosterFault]:
    levels = quota.tenant.split("/")
    words = all(_WORD.fullmatch(level) and len(level) <= limits.TENANT_LEVEL_LENGTH_MAX for level in levels)
    if not words or len(levels) > limits.TENANT_LEVELS_MAX:
        yield _invalid(f"{at}.tenant", f"{quota.tenant[:64]!r} is not a tenant such as org/team")
    if _KIND.fullmatch(quota.resource) is None or len(quota.resource) > limits.RESOURCE_KIND_LENGTH_MAX:
        yield _invalid(f"{at}.resource", f"{quota.resource[:64]!r} is not a kind such as cpu or gpu/a100")
    elif not is_known_kind(quota.resource, frozenset(kinds)):
        yield _invalid(f"{at}.resource", f"{quota.resource[:64]!r} is not a kind of resource of this league")


# --- what may follow
# -----------------------------------------------------------------------------------------------------


def order_fault(head: QuotaDocument | None, head_sha256: str, document: QuotaDocument) -> RosterFault | None:
    """Why it may not follow on what is in force; None: it may."""
    number = 0 if head is None else head.number
    if document.number <= number:
        if document.number == number:
            return RosterFault(
                FaultKind.FORK, "number", f"another document {number} is in force: {head_sha256[:16]}"
            )
        return RosterFault(FaultKind.OLDER, "number", f"{document.number}, and {number} is in force")
    if document.number > number + 1:
        return RosterFault(FaultKind.GAP, "number", f"{document.number}, and only {number} is in force")
    if document.previous_sha256 != head_sha256:
        return RosterFault(
            FaultKind.FORK, "previous_sha256", f"it follows on another document than {head_sha256[:16]}"
        )
    return None if head is None else next(_change_faults(head, document), None)


def _change_faults(head: QuotaDocument, document: QuotaDocument) -> Iterator[RosterFault]:
    if document.keeper != head.keeper:
        yield _invalid("keeper", f"{head.keeper} keeps the quotas of this league for good")
    present = {quota.key for quota in document.quotas}
    for quota in head.quotas:
        if quota.key not in present:
            yield _invalid(
                "quotas", f"{quota.tenant} {quota.resource} is missing: to lift it, give it no limit (null)"
            )
    for index, quota in enumerate(document.quotas):
        before = head.quota(quota.key)
        if before is not None and quota.written_off < before.written_off:
            yield _invalid(
                f"quotas[{index}].written_off", f"{quota.written_off}: it was {before.written_off}"
            )


def signature_fault(
    signed: SignedQuotas, keys: Mapping[str, str], verifier: Verifier | None
) -> RosterFault | None:
    """Whether an operator's key has signed it. `keys` are public keys by their ids."""
    key = keys.get(signed.document.issuer)
    if verifier is None or not keys:
        why = "this region knows no operator's key: found a league (hanse federation init), or name operator_keys"
        return RosterFault(FaultKind.UNABLE, "", why)
    if key is None:
        return RosterFault(
            FaultKind.STRANGER, "issuer", f"{signed.document.issuer[:64]!r} is no operator's key here"
        )
    if not verifier.verify(key, quotas_message(signed.document), signed.operator_signature):
        return RosterFault(FaultKind.STRANGER, "operator_signature", "it does not fit the document")
    return None


def _invalid(field: str, message: str) -> RosterFault:
    return RosterFault(FaultKind.INVALID, field, message)
