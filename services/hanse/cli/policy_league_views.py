"""The policy of the whole league for people, and as a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from hanse.cli.policy_league import document_of
from hanse.cli.tables import Column, make_table
from hanse.client.messages import LeaguePolicyStatus, PolicyNews, PolicyStanding
from hanse.policies.document import digest

if TYPE_CHECKING:
    from rich.console import RenderableType

_HASH_SHOWN = 12
_STANDINGS = {
    PolicyStanding.POLICY_STANDING_PENDING: "pending",
    PolicyStanding.POLICY_STANDING_IN_FORCE: "in_force",
    PolicyStanding.POLICY_STANDING_UNFIT: "unfit",
    PolicyStanding.POLICY_STANDING_DEVIATES: "deviates",
}
_STYLES = {"in_force": "green", "unfit": "red", "deviates": "yellow"}


def status_document(status: LeaguePolicyStatus) -> dict[str, Any]:
    """Every key is always there."""
    document = document_of(status)
    return {
        "region": status.region,
        "number": status.news.number,
        "sha256": status.news.sha256,
        "digest": "" if document is None else digest(document.text),
        "issuer": "" if document is None else document.issuer,
        "issued_at": "" if document is None else _instant(document.issued_wall_us),
        "author": "" if document is None else document.author,
        "why": "" if document is None else document.why,
        "unfit": status.unfit,
        "regions": [
            {
                "region": region,
                "number": news.number,
                "sha256": news.sha256,
                "standing": standing_of(news),
                "version": version,
            }
            for region, news, version in _rows(status)
        ],
    }


def status_lines(status: LeaguePolicyStatus, width: int) -> list[RenderableType]:
    """The document, and how it stands in each region, as it was last told."""
    document = document_of(status)
    if document is None:
        return [
            Text(f"{status.region} has heard of no policy of the league: `hanse policy apply FILE --league`")
        ]
    said = ", ".join(
        part
        for part in (
            f"the league's policy {document.number} ({status.news.sha256[:_HASH_SHOWN]})",
            f"issued {_instant(document.issued_wall_us)}",
            f"by {document.author}" if document.author else "",
            document.why,
        )
        if part
    )
    shown: list[RenderableType] = [Text(said, style="bright_black"), _table(status, width)]
    if status.unfit:
        shown.append(Text(f"{status.region}: {status.unfit}", style="red"))
    return shown


def applied_line(status: LeaguePolicyStatus, number: int) -> Text:
    """What came of an apply."""
    by_standing: dict[str, list[str]] = {}
    for region, news, _ in _rows(status):
        standing = standing_of(news) if news.sha256 == status.news.sha256 else "pending"
        by_standing.setdefault(standing, []).append(region)
    if status.news.number > number:
        return Text(f"! policy {status.news.number} of the league came after it", style="yellow")
    in_force, rest = by_standing.pop("in_force", []), by_standing
    words = {"pending": "not heard yet from", "unfit": "unfit for", "deviates": "replaced already in"}
    parts = [f"in force in {', '.join(in_force)}"] if in_force else []
    parts += [f"{words[standing]} {', '.join(regions)}" for standing, regions in rest.items()]
    mark, style = ("✘", "bold red") if "unfit" in rest else ("✔", "green")
    told = "; ".join(parts)
    return Text(
        f"{mark} the league's policy {number} ({status.news.sha256[:_HASH_SHOWN]}): {told}", style=style
    )


def unfit_in(status: LeaguePolicyStatus) -> Sequence[str]:
    """Regions that can't put it in force."""
    return [region for region, news, _ in _rows(status) if standing_of(news) == "unfit"]


def standing_of(news: PolicyNews) -> str:
    """In one word; "none": the region has told of no policy of the league."""
    return _STANDINGS.get(news.standing, "pending") if news.number else "none"


def _rows(status: LeaguePolicyStatus) -> list[tuple[str, PolicyNews, int]]:
    """(region, what it tells, version of the policy in force there; 0: not told), the one that answers first."""
    known = [(each.region, each.news, each.news.version) for each in status.known]
    return [(status.region, status.news, status.version), *known]


def _table(status: LeaguePolicyStatus, width: int) -> RenderableType:
    columns = (
        Column("REGION"),
        Column("LEAGUE'S", justify="right"),
        Column("IN FORCE", justify="right"),
        Column("STANDING", flexible=True),
        Column("SHA256", drop=1),
    )
    rows = [
        (
            region,
            str(news.number) if news.number else "-",
            str(version) if version else "-",
            Text(_told(news), style=_STYLES.get(standing_of(news), "")),
            news.sha256[:_HASH_SHOWN],
        )
        for region, news, version in _rows(status)
    ]
    return make_table(columns, rows, width)


def _told(news: PolicyNews) -> str:
    match standing_of(news):
        case "in_force":
            return "in force"
        case "unfit":
            return f"unfit here, policy {news.version} stays"
        case "deviates":
            return f"policy {news.version}, the league's {news.number} is not in force"
        case "none":
            return "has told of none"
        case _:
            return "not judged yet"


def _instant(wall_us: int) -> str:
    return datetime.fromtimestamp(wall_us / 1e6, UTC).isoformat(timespec="seconds")
