"""Global quotas: the operator's documents, and what a job needs of them.

A document names every quota of the league with its limit; its successor names the hash of its bytes. Those bytes are
its JSON with sorted keys, without blanks, in UTF-8 (as rosters', model/roster.py), so that
`jq -cjS .document FILE | sha256sum` gives the same hash on any machine.

A quota of tenant "lab" counts the jobs of "lab" and of all tenants below it ("lab/vision"); one of the kind "gpu"
counts all models of it ("gpu/a100"). So several quotas may apply to one job, and it needs rights of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated

import msgspec

from hanse.core.model.limits import QUOTA_NUMBER_MAX
from hanse.core.model.resources import Resources

# Of the documents. A region refuses a format that it does not know, so all are upgraded before it is used.
QUOTA_FORMAT = 1

# What stands before the bytes that are signed: a signature of one kind never passes for one of another kind.
_OPERATOR_SIGNS = b"hanse quotas\n"

# (tenant, kind of resource): what names a quota.
QuotaKey = tuple[str, str]
# Amounts by quota, in the units of the kind (model/resources.py), sorted, without zeros.
Rights = tuple[tuple[QuotaKey, int], ...]

NO_RIGHTS: Rights = ()

Number = Annotated[int, msgspec.Meta(ge=0, le=QUOTA_NUMBER_MAX)]


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tenant may use of one kind of resource in all regions together.

    `limit` None: as much as it likes. `written_off` counts the rights that were lost with disks, ever, and that the
    operator has had minted anew: it only grows.
    """

    tenant: str
    resource: str
    limit: Number | None = None
    written_off: Number = 0

    @property
    def key(self) -> QuotaKey:
        """What names it."""
        return (self.tenant, self.resource)


class QuotaDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All quotas of a league. `number` counts the documents from 1; `previous_sha256` is empty in the first.

    `keeper` is the account that mints and burns: a region ("north": its own ledger) or a shard ("@north": the log of
    its adoptable jobs, which outlives it). The first document decides it for good. `issuer` is the id of the key that
    signed (model/roster.py: key_id), `issued_wall_us` is for people.
    """

    cluster_id: str
    number: Number
    previous_sha256: str
    keeper: str
    issuer: str
    issued_wall_us: Number
    quotas: tuple[Quota, ...]
    format: Number = QUOTA_FORMAT

    def quota(self, key: QuotaKey) -> Quota | None:
        """The quota of this name."""
        return next((each for each in self.quotas if each.key == key), None)


class SignedQuotas(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document with its operator's signature."""

    document: QuotaDocument
    operator_signature: str = ""


_CANONICAL = msgspec.json.Encoder(order="sorted")
_SIGNED = msgspec.json.Decoder(SignedQuotas)


def canonical_quotas(document: QuotaDocument) -> bytes:
    """The bytes that stand for this document."""
    return _CANONICAL.encode(document)


def quotas_sha256(document: QuotaDocument) -> str:
    """The hash that names this document."""
    return hashlib.sha256(canonical_quotas(document)).hexdigest()


def quotas_message(document: QuotaDocument) -> bytes:
    """What the operator signs."""
    return _OPERATOR_SIGNS + canonical_quotas(document)


def encode_quotas(signed: SignedQuotas) -> bytes:
    """For the wire, the ledger and files."""
    return _CANONICAL.encode(signed)


def decode_quotas(packed: bytes) -> SignedQuotas:
    """Raises msgspec.DecodeError (msgspec.ValidationError is one) if these bytes are no signed document."""
    return _SIGNED.decode(packed)


# --- accounts
# ----------------------------------------------------------------------------------------------------------


def region_account(region: str) -> str:
    """The account in a region's own ledger, for its `wait` jobs."""
    return region


def shard_account(shard: str) -> str:
    """The account in the log of a shard, for the adoptable jobs that are in it. It goes where the log goes."""
    return f"@{shard}"


def shard_of_account(account: str) -> str:
    """The shard whose log has this account; empty: it is a region's own."""
    return account[1:] if account.startswith("@") else ""


# --- what a job needs
# --------------------------------------------------------------------------------------------------


def applies(key: QuotaKey, tenant: str, kind: str) -> bool:
    """Whether this quota counts this kind of resource when that tenant uses it."""
    return _is_below(tenant, key[0]) and _is_below(kind, key[1])


def _is_below(name: str, top: str) -> bool:
    return name == top or name.startswith(top + "/")


def rights_needed(quotas: Iterable[QuotaKey], tenant: str, wanted: Resources) -> Rights:
    """What a job of this tenant, with these resources over all its tasks, needs of each quota."""
    found: list[tuple[QuotaKey, int]] = []
    for key in quotas:
        amount = sum(quantity for kind, quantity in wanted if applies(key, tenant, kind))
        if amount > 0:
            found.append((key, amount))
    return tuple(sorted(found))


def as_rights(amounts: dict[QuotaKey, int]) -> Rights:
    """Sorted, without zeros."""
    return tuple(sorted((key, amount) for key, amount in amounts.items() if amount > 0))
