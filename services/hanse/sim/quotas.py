"""Operators of global quotas: they found them, raise and lower limits while jobs run, and sometimes sign two successors
of one document. When everything has healed the last document leaves room for every job."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from hanse.core.events import ApplyQuotas
from hanse.core.model.quota import (
    Quota,
    QuotaDocument,
    SignedQuotas,
    quotas_message,
    quotas_sha256,
    shard_of_account,
)
from hanse.core.model.roster import key_id
from hanse.core.model.time import SECOND_US
from hanse.sim.host import Host
from hanse.sim.keys import SimKeys, public_key_of
from hanse.sim.timeline import Timeline

OPERATOR = "operator"
_CLUSTER = "league"
# (tenant, kind, the least and the largest limit that is drawn): some are below what some jobs need.
_QUOTAS = (
    ("mills", "cpu", 4_000, 100_000),
    ("mills", "gpu", 500, 8_000),
    ("yards", "cpu", 8_000, 160_000),
    ("yards/docks", "cpu", 2_000, 60_000),
)
# More than any job of the workload needs, and less than all of them together.
_AMPLE = {"cpu": 100_000, "gpu": 8_000}
_IN_LOG_SHARE = 0.5
_FORKED_SHARE = 0.2
_FORGED_SHARE = 0.1
_MISDIRECTED_SHARE = 0.2
_LIFTED_SHARE = 0.1
_LOOK_EVERY_US = SECOND_US


class QuotaOperators:
    """`change` hands in something. With `loses_disks` the last document has no limits: what was lost would be missing
    in them."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        hosts: Sequence[Host],
        count: Callable[[str], None],
        *,
        loses_disks: bool,
        limits: dict[tuple[str, str], int] | None = None,
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._hosts = hosts
        self._count = count
        self._loses_disks = loses_disks
        self._limits = limits
        self._issued = 0
        self._healed = False
        shards = [group.shard for group in hosts[0].config.groups]
        names = [host.name for host in hosts]
        # (Too many disks may be lost for a log to go on.)
        in_log = bool(shards) and not loses_disks and randomness.random() < _IN_LOG_SHARE
        self._keeper = randomness.choice([f"@{shard}" for shard in shards] if in_log else names)

    @property
    def keeper(self) -> str:
        """The account that mints. While it is a region's own, that region must not go for ever: it would be the last
        document."""
        return self._keeper

    @property
    def idle(self) -> bool:
        """Everybody goes by the last document, or nobody by any."""
        cores = [host.core for host in self._hosts if not host.gone]
        if any(core is None for core in cores):
            return False
        heads = [core.escrow.documents.chain.head for core in cores if core is not None]
        return all(head is None for head in heads) or all(
            head is not None and self._is_last(head) for head in heads
        )

    def begin(self) -> None:
        """Found the quotas, as soon as that is possible."""
        if (self._limits is not None or not self._healed) and self._newest() is None:
            self._hand_in(self._draw(None))
            self._timeline.after(_LOOK_EVERY_US, self.begin)

    def change(self) -> None:
        """Somebody changes the limits."""
        head = self._newest()
        if head is None or self._healed:
            return
        self._hand_in(self._draw(head))
        if self._random.random() < _FORKED_SHARE:
            self._count("quota_fork")
            self._hand_in(self._draw(head))

    def heal(self) -> None:
        """From now on every job is to have its rights."""
        self._healed = True
        self._settle()

    def _settle(self) -> None:
        head = self._newest()
        if head is not None and not self._is_last(head):
            self._hand_in(self._successor(head, self._last_quotas(head)))
        self._timeline.after(_LOOK_EVERY_US, self._settle)

    # --- documents ---------------------------------------------------------------------------------------------------

    def _newest(self) -> QuotaDocument | None:
        """The newest that anybody goes by."""
        cores = [host.core for host in self._hosts if host.core is not None]
        heads = [head for core in cores if (head := core.escrow.documents.chain.head) is not None]
        return max(heads, key=lambda head: head.number, default=None)

    def _draw(self, head: QuotaDocument | None) -> SignedQuotas:
        if self._limits is not None:
            quotas = [
                Quota(tenant=tenant, resource=kind, limit=limit)
                for (tenant, kind), limit in sorted(self._limits.items())
            ]
            return self._successor(head, quotas)
        quotas = [
            Quota(
                tenant=tenant,
                resource=kind,
                limit=None if self._random.random() < _LIFTED_SHARE else self._random.randint(least, most),
            )
            for tenant, kind, least, most in _QUOTAS
        ]
        return self._successor(head, quotas)

    def _is_last(self, head: QuotaDocument) -> bool:
        return list(head.quotas) == self._last_quotas(head)

    def _last_quotas(self, head: QuotaDocument) -> list[Quota]:
        if self._limits is not None:
            return list(head.quotas)
        return [
            msgspec.structs.replace(quota, limit=None if self._loses_disks else _AMPLE[quota.resource])
            for quota in head.quotas
        ]

    def _successor(self, head: QuotaDocument | None, quotas: list[Quota]) -> SignedQuotas:
        self._issued += 1
        document = QuotaDocument(
            cluster_id=_CLUSTER,
            number=1 if head is None else head.number + 1,
            previous_sha256="" if head is None else quotas_sha256(head),
            keeper=self._keeper,
            issuer=key_id(public_key_of(OPERATOR)),
            issued_wall_us=self._issued,
            quotas=tuple(quotas),
        )
        return signed_quotas(OPERATOR, document)

    def _hand_in(self, signed: SignedQuotas) -> None:
        """To whoever keeps the quotas; sometimes to somebody else, or with a stranger's signature. Nobody waits for the
        answer: what becomes of it shows in the regions."""
        draw = 1.0 if self._healed else self._random.random()
        if draw < _FORGED_SHARE:
            self._count("quota_forged")
            signed = signed_quotas("stranger", signed.document)
        host = self._leader()
        if host is None or _FORGED_SHARE <= draw < _FORGED_SHARE + _MISDIRECTED_SHARE:
            host = self._random.choice([each for each in self._hosts if not each.gone])
        host.post(ApplyQuotas(request_id=-1, signed=signed, cause="operator"))

    def _leader(self) -> Host | None:
        shard = shard_of_account(self._keeper)
        for host in self._hosts:
            if host.leads(shard) if shard else host.name == self._keeper:
                return host
        return None


def signed_quotas(owner: str, document: QuotaDocument) -> SignedQuotas:
    """The document with this owner's signature as its operator's."""
    signature = SimKeys(owner).sign(public_key_of(owner), quotas_message(document))
    return SignedQuotas(document=document, operator_signature=signature)
