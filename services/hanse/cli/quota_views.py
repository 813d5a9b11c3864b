"""Global quotas for people, and as documents for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from hanse.cli.tables import Column, make_table
from hanse.core.model.quota import QuotaDocument, QuotaKey, decode_quotas, quotas_sha256

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hanse.client.messages import QuotaStatus

_REMARK = "bright_black"


def applied_document(document: QuotaDocument, by: str, status: QuotaStatus) -> dict[str, Any]:
    """Of a document that came into force."""
    return {
        "number": document.number,
        "sha256": quotas_sha256(document),
        "keeper": document.keeper,
        "applied_by": by,
        "known": [{"region": each.region, "number": each.number} for each in status.known],
        "quotas": msgspec.to_builtins(document.quotas),
    }


def status_document(status: QuotaStatus) -> dict[str, Any]:
    """Everything that a region says of quotas."""
    from hanse.client import to_plain

    head = _head(status)
    return {
        "region": status.region,
        "number": 0 if head is None else head.number,
        "sha256": "" if head is None else quotas_sha256(head),
        "keeper": "" if head is None else head.keeper,
        "quotas": [] if head is None else msgspec.to_builtins(head.quotas),
        "balances": [to_plain(each) for each in status.balances],
        "elsewhere": [to_plain(each) for each in status.elsewhere],
        "known": [{"region": each.region, "number": each.number} for each in status.known],
        "waiting": status.waiting,
    }


def status_details(status: QuotaStatus, width: int) -> list[RenderableType]:
    """The quotas with what is held here and elsewhere."""
    head = _head(status)
    if head is None:
        return [Text(f"{status.region} has heard of no quota: `hanse quota apply FILE`", style=_REMARK)]
    shown: list[RenderableType] = [_heading(status, head), _quotas(status, head, width)]
    behind = [each.region for each in status.known if each.number != head.number]
    if behind:
        shown.append(Text(f"go by another document, as last told: {', '.join(behind)}", style="yellow"))
    if status.waiting:
        shown.append(Text(f"{status.waiting:,} jobs wait for rights here"))
    return shown


def history_document(status: QuotaStatus) -> dict[str, Any]:
    """Newest first."""
    return {
        "documents": [
            {
                "number": document.number,
                "sha256": quotas_sha256(document),
                "issued_at": _instant(document),
                "issuer": document.issuer,
                "changes": [
                    {"tenant": key[0], "resource": key[1], "before": before, "limit": limit}
                    for key, before, limit in changes
                ],
            }
            for document, changes in _changes(status)
        ]
    }


def history_table(status: QuotaStatus, width: int) -> RenderableType:
    """Newest first, a line for each document."""
    columns = (
        Column("NUMBER", justify="right"),
        Column("ISSUED"),
        Column("SHA256", drop=2),
        Column("CHANGES"),
    )
    rows = [
        (
            str(document.number),
            _instant(document),
            quotas_sha256(document)[:16],
            "; ".join(
                f"{key[0]} {key[1]}: {_told(before)} > {_told(limit)}" for key, before, limit in changes
            ),
        )
        for document, changes in _changes(status)
    ]
    return make_table(columns, rows, width)


def _head(status: QuotaStatus) -> QuotaDocument | None:
    return decode_quotas(status.history[-1]).document if status.history else None


def _heading(status: QuotaStatus, head: QuotaDocument) -> Text:
    return Text(
        f"quota document {head.number} ({quotas_sha256(head)[:16]}) as {status.region} has it; kept by {head.keeper}",
        style=_REMARK,
    )


def _quotas(status: QuotaStatus, head: QuotaDocument, width: int) -> RenderableType:
    columns = (
        Column("TENANT"),
        Column("RESOURCE"),
        Column("LIMIT", justify="right"),
        Column("ACCOUNT"),
        Column("HELD", justify="right"),
        Column("USED", justify="right", drop=2),
        Column("FREE", justify="right"),
        Column("IN TRANSIT", justify="right", drop=4),
        Column("DEBT", justify="right", drop=3),
        Column("LOST", justify="right", drop=5),
        Column("WAITING", justify="right", drop=1),
    )
    rows = []
    for quota in head.quotas:
        limit = "none" if quota.limit is None else f"{quota.limit:,}"
        for each in status.balances:
            if (each.tenant, each.resource) == quota.key:
                amounts = (
                    each.held,
                    each.used,
                    max(0, each.held - each.used),
                    each.in_transit,
                    each.debt,
                    each.lost,
                    each.waiting,
                )
                rows.append((*quota.key, limit, each.account, *(f"{amount:,}" for amount in amounts)))
        for other in status.elsewhere:
            for told in other.news.rights:
                if (told.tenant, told.resource) == quota.key:
                    used = f"{told.held - told.free:,}"
                    where = f"({other.region})"
                    rows.append(
                        (*quota.key, limit, where, f"{told.held:,}", used, f"{told.free:,}", "", "", "", "")
                    )
    return make_table(columns, rows, width)


def _changes(
    status: QuotaStatus,
) -> list[tuple[QuotaDocument, list[tuple[QuotaKey, int | None, int | None]]]]:
    found = []
    before: dict[QuotaKey, int | None] = {}
    for packed in status.history:
        document = decode_quotas(packed).document
        limits = {quota.key: quota.limit for quota in document.quotas}
        changed = [
            (key, before.get(key), limit)
            for key, limit in sorted(limits.items())
            if key not in before or before[key] != limit
        ]
        found.append((document, changed))
        before = limits
    return found[::-1]


def _told(limit: int | None) -> str:
    return "none" if limit is None else f"{limit:,}"


def _instant(document: QuotaDocument) -> str:
    return datetime.fromtimestamp(document.issued_wall_us / 1e6, UTC).isoformat(timespec="seconds")
