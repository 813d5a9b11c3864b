"""`hanse quota`: global quotas, as signed documents, and the rights that regions hold."""

from __future__ import annotations

import asyncio
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer
from hanse.cli.roster_founding import KEY_HELP
from hanse.core.model.quota import (
    Quota,
    QuotaDocument,
    SignedQuotas,
    decode_quotas,
    encode_quotas,
    quotas_message,
    quotas_sha256,
)

if TYPE_CHECKING:
    from hanse.client import AsyncClient
    from hanse.client.messages import QuotaStatus
    from hanse.daemon.keys import PrivateKey

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_TIMEOUT_S = 30.0
_POLL_S = 0.1

RegionArgument = Annotated[
    str,
    typer.Argument(metavar="[REGION]", help="Region; default: the one that is asked.", show_default=False),
]


class QuotaFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `apply` reads. `keeper`: only for the first document."""

    quotas: tuple[Quota, ...]
    keeper: str = ""


@app.callback()
def quota() -> None:
    """Global quotas: what a tenant may use in all regions together."""


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="All quotas, as TOML (docs/quotas.md).")],
    operator_key: Annotated[Path | None, typer.Option(help=KEY_HELP, metavar="FILE")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is in force.", min=0)] = _TIMEOUT_S,
) -> None:
    """Put quotas in force: sign the next document, hand it in, and wait until the region that is asked goes by it.

    A quota that the file does not name any more has no limit from then on. A lower limit stops nothing: it takes effect
    as jobs end.

    JSON keys: number, sha256, keeper, applied_by, known[].{region, number}, quotas[].{tenant, resource, limit,
    written_off}.
    """
    wanted, key = read_file(file), read_key(operator_key)

    async def applied() -> tuple[QuotaDocument, str, QuotaStatus]:
        async with client_of(ctx, retry=WRITE_RETRY) as client:
            status = await client.quotas()
            cluster_id = (await client.status()).cluster_id
            document = next_document(status, wanted, cluster_id, key.public_key)
            signed = SignedQuotas(document=document, operator_signature=key.sign(quotas_message(document)))
            by = await client.apply_quotas(encode_quotas(signed))
            return document, by, await _in_force(client, document, timeout)

    document, by, status = run(applied())
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"quota document {document.number} ({quotas_sha256(document)[:16]}) is in force, taken by {by}")
    else:
        from hanse.cli.quota_views import applied_document

        printer.document(applied_document(document, by, status))


@app.command()
def show(ctx: typer.Context, region: RegionArgument = "") -> None:
    """Show the quotas in force with the rights that a region's accounts hold, and what others last told.

    JSON keys: region, number, sha256, keeper, quotas[].{tenant, resource, limit, written_off}, balances[] as
    QuotaBalance and elsewhere[] as QuotaElsewhere in proto/hanse/v1/regions.proto, known[].{region, number}, waiting.
    """
    from hanse.cli.quota_views import status_details, status_document

    status = _fetched(ctx, region)
    printer = Printer.of(ctx)
    if printer.is_table:
        printer.show(*status_details(status, printer.width))
    else:
        printer.document(status_document(status))


@app.command()
def history(ctx: typer.Context, region: RegionArgument = "") -> None:
    """List the quota documents that were in force, newest first, with what each changed.

    JSON keys: documents[].{number, sha256, issued_at, issuer, changes[].{tenant, resource, before, limit}}.
    """
    from hanse.cli.quota_views import history_document, history_table

    status = _fetched(ctx, region)
    printer = Printer.of(ctx)
    if printer.is_table:
        printer.show(history_table(status, printer.width))
    else:
        printer.document(history_document(status))


def _fetched(ctx: typer.Context, region: str) -> QuotaStatus:
    async def fetched() -> QuotaStatus:
        async with client_of(ctx) as client:
            return await client.quotas(region)

    return run(fetched())


def read_key(path: Path | None) -> PrivateKey:
    """The operator's key. Raises UsageOrConfigError, with how to get one."""
    from hanse.cli.roster_files import told
    from hanse.daemon.keys import OPERATOR_KEY_FILE, load

    where = (path or OPERATOR_KEY_FILE).expanduser()
    if not where.exists():
        raise UsageOrConfigError(
            f"no operator's key at {where}",
            hint="give --operator-key FILE; a development federation has one beside its regions: operator.key",
        )
    with told():
        return load(where)


def read_file(path: Path) -> QuotaFile:
    """Raises UsageOrConfigError with everything that is wrong."""
    from hanse.daemon.config import misfits

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageOrConfigError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageOrConfigError(f"{path}: not TOML: {error}") from error
    problems = [f"{path}: {key}: {reason}" for key, reason in misfits(document, QuotaFile, "")]
    if problems:
        raise UsageOrConfigError("\n".join(problems))
    return msgspec.convert(document, QuotaFile)


def next_document(status: QuotaStatus, wanted: QuotaFile, cluster_id: str, public_key: str) -> QuotaDocument:
    """What follows on the document in force. Raises UsageOrConfigError."""
    from hanse.core.model.roster import key_id

    head = decode_quotas(status.history[-1]).document if status.history else None
    if head is None and not wanted.keeper:
        raise UsageOrConfigError(
            "keeper: required in the first document",
            hint='a region with guardians, such as keeper = "@north": its account outlives it',
        )
    if head is not None and wanted.keeper not in ("", head.keeper):
        raise UsageOrConfigError(f"keeper: {head.keeper} keeps the quotas of this league for good")
    named = {quota.key for quota in wanted.quotas}
    lifted = [
        msgspec.structs.replace(quota, limit=None)
        for quota in (head.quotas if head is not None else ())
        if quota.key not in named
    ]
    return QuotaDocument(
        cluster_id=cluster_id,
        number=1 if head is None else head.number + 1,
        previous_sha256="" if head is None else quotas_sha256(head),
        keeper=wanted.keeper if head is None else head.keeper,
        issuer=key_id(public_key),
        issued_wall_us=time.time_ns() // 1_000,
        quotas=tuple(_with_write_offs(quota, head) for quota in wanted.quotas) + tuple(lifted),
    )


def _with_write_offs(quota: Quota, head: QuotaDocument | None) -> Quota:
    """What was written off once stays so, also if the file does not repeat it."""
    before = None if head is None else head.quota(quota.key)
    if before is None or quota.written_off:
        return quota
    return msgspec.structs.replace(quota, written_off=before.written_off)


async def _in_force(client: AsyncClient, document: QuotaDocument, timeout_s: float) -> QuotaStatus:
    """Once the region that is asked goes by it. Raises CommandError."""
    deadline_s, wanted = time.monotonic() + timeout_s, quotas_sha256(document)
    while True:
        status = await client.quotas()
        if any(quotas_sha256(decode_quotas(each).document) == wanted for each in status.history):
            return status
        if time.monotonic() > deadline_s:
            raise CommandError(
                f"{status.region} does not go by quota document {document.number} yet",
                hint="it is durable, and told by gossip: see `hanse quota show`",
                exit_code=ExitCode.TIMEOUT,
            )
        await asyncio.sleep(_POLL_S)
