"""`hanse region backup` and `restore`: copies of a region's ledger, on the machine where it lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.output import Printer, note

if TYPE_CHECKING:
    from hanse.daemon.config import DaemonConfig
    from hanse.ledger.backup import Verified

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The region's TOML file.", metavar="FILE", show_default=False)
]


def backup(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to make.")],
    config: ConfigOption,
) -> None:
    """Copy a region's ledger, beside a daemon that runs or without one, on its own machine.

    The copy is read whole and checked before it gets its name. Keep the region's keys elsewhere: they are not in it.

    JSON keys: file, region, ledger_id, incarnation, write_sequence, schema_version, jobs, shard_records, size_bytes.
    """
    from hanse.ledger.backup import backup as make_copy
    from hanse.ledger.connection import connect_read_only
    from hanse.ledger.errors import LedgerRefused, RefusedKind

    found = _load(config)
    ledger = _ledger_of(found)
    if not ledger.exists():
        raise UsageOrConfigError(f"there is no ledger: {ledger}", hint="correct --config, or mount its disk")
    with _told():
        with closing(connect_read_only(ledger)) as connection:
            verified = make_copy(connection, target)
        if verified.region != found.region.name:
            target.unlink()
            message = f"{ledger} is of region {verified.region}, not {found.region.name}"
            raise LedgerRefused(RefusedKind.OTHER_REGION, message)
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"{target}: {_described(verified)}")
    else:
        printer.document(_document(target, verified))


def restore(
    ctx: typer.Context,
    config: ConfigOption,
    copy: Annotated[
        Path | None, typer.Argument(metavar="[COPY]", help="What `backup` made.", show_default=False)
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="There is no copy: begin an empty ledger.")] = False,
) -> None:
    """Put a copy where a region's ledger is to be, after that was lost; on its machine, with its daemon stopped.

    THE COPY IS OLD: the region has forgotten what it did since. So it starts in quarantine and runs nothing until every
    member has told what it knows; what follows from that is printed. A ledger that is there is never replaced. Restore
    only what is really lost: a daemon that merely crashed needs nothing.

    JSON keys: file, region, ledger_id, incarnation, write_sequence, schema_version, jobs, shard_records, size_bytes,
    empty, asks[], guardians[], next[].
    """
    from hanse.daemon.ledger_ids import LEDGER_ID_FILE, read_prepared
    from hanse.ledger.backup import begin_empty
    from hanse.ledger.backup import restore as put_back

    if (copy is None) != empty:
        raise UsageOrConfigError("what is to be restored?", hint="COPY, or --empty if there is none")
    found = _load(config)
    _insist_directory(found.data_dir)
    ledger = _ledger_of(found)
    with _told():
        if copy is not None:
            verified = put_back(copy, ledger, found.region.name)
        else:
            verified = begin_empty(ledger, found.region.name, read_prepared(found.data_dir))
            # No other ledger may have that id.
            (found.data_dir / LEDGER_ID_FILE).unlink(missing_ok=True)
    outlook = _outlook(found, verified, is_empty=empty)
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"{ledger}: {'an empty ledger' if empty else _described(verified)}")
        note("\n".join(("what happens next:", *(f"- {each}" for each in outlook["next"]))))
    else:
        printer.document({**_document(ledger, verified), "empty": empty, **outlook})


def _load(path: Path) -> DaemonConfig:
    from hanse.daemon.config import load_config
    from hanse.daemon.errors import ConfigError

    try:
        return load_config(path)
    except ConfigError as error:
        raise UsageOrConfigError(str(error), hint=f"hanse config check {path}") from error


def _ledger_of(config: DaemonConfig) -> Path:
    from hanse.daemon.ledger_ids import LEDGER_FILE

    return config.data_dir / LEDGER_FILE


def _insist_directory(data_dir: Path) -> None:
    """A disk that is not mounted must not look like one that was lost; and the daemon must be able to write there."""
    if not data_dir.is_dir():
        raise UsageOrConfigError(
            f"{data_dir} does not exist", hint="mount its disk; if that was lost, make the directory"
        )
    owner = data_dir.stat().st_uid
    if owner != os.geteuid():
        raise UsageOrConfigError(
            f"{data_dir} belongs to user {owner}, who runs the daemon", hint="run this as that user"
        )


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a ledger or a copy, as an error of the command line."""
    import sqlite3

    from hanse.core.model.errors import CallerFault
    from hanse.ledger.errors import LedgerFailed, LedgerRefused, RefusedKind

    try:
        yield
    except LedgerRefused as refused:
        hints = {
            RefusedKind.LOCKED: "stop the daemon first",
            RefusedKind.NEWER_SCHEMA: "use the Hanse that made it",
            RefusedKind.CORRUPT: "take another copy",
        }
        raise CommandError(str(refused), hint=hints.get(refused.kind, "")) from refused
    except FileExistsError as error:
        raise CommandError(str(error), hint="nothing is ever replaced") from error
    except (LedgerFailed, CallerFault, OSError, sqlite3.Error) as error:
        raise CommandError(str(error), hint="nothing was changed") from error


def _document(file: Path, verified: Verified) -> dict[str, Any]:
    return {
        "file": str(file),
        "region": verified.region,
        "ledger_id": verified.ledger_id,
        "incarnation": verified.position.incarnation,
        "write_sequence": verified.position.write_sequence,
        "schema_version": verified.schema_version,
        "jobs": verified.jobs,
        "shard_records": verified.shard_records,
        "size_bytes": verified.size_bytes,
    }


def _described(verified: Verified) -> str:
    position = verified.position
    return (
        f"region {verified.region} after write {position.write_sequence:,} of start {position.incarnation}, "
        f"{verified.jobs:,} jobs, {verified.size_bytes:,} bytes, sound"
    )


def _outlook(config: DaemonConfig, verified: Verified, *, is_empty: bool) -> dict[str, Any]:
    """From whom the region learns what it has forgotten, and what becomes of its jobs."""
    region = config.region
    others = [member.name for member in region.members if member.name != region.name]
    group = next((group.members for group in region.groups if group.shard == region.name), ())
    guardians = [name for name in group if name != region.name]
    return {
        "asks": others,
        "guardians": guardians,
        "next": [*_next(config, verified, others, guardians, is_empty=is_empty)],
    }


def _next(
    config: DaemonConfig, verified: Verified, others: list[str], guardians: list[str], *, is_empty: bool
) -> Iterator[str]:
    name = config.region.name
    yield f"Start the daemon: hanse serve --config {config.path}"
    if others:
        yield (
            f"It is in quarantine and launches nothing until all of {', '.join(others)} have told what they know; "
            f"`hanse region status {name}` names those that have not. For one that is gone for good: "
            f"`hanse federation remove` or `hanse region trust-disk {name} --without MEMBER`, with their warnings."
        )
    if guardians:
        yield f"Its adoptable jobs, all of them, come from the copies that {' and '.join(guardians)} keep."
    missing = (
        "were accepted by the ledger that was lost" if is_empty else "were accepted after the copy was made"
    )
    yield (
        f"`wait` jobs that {missing} are gone, but for those that a member had to do with, such as by a handoff. "
        "Submit them again with the client keys that they had: what is still known is not taken twice."
    )
    if config.settings.federation.roster:
        yield from _next_of_roster(config, verified, is_empty=is_empty)


def _next_of_roster(config: DaemonConfig, verified: Verified, *, is_empty: bool) -> Iterator[str]:
    from hanse.daemon.keys import REGION_KEY_FILE

    name = config.region.name
    if not (config.data_dir / REGION_KEY_FILE).exists():
        yield (
            f"Its key is gone as well: `hanse federation keygen --data-dir {config.data_dir}` before it starts, and "
            f"then `hanse federation rotate {name} --public-key HEX --ledger-id {verified.ledger_id}`."
        )
    elif is_empty:
        yield (
            "It countersigns no roster until one names its new ledger: "
            f"`hanse federation rotate {name} --ledger-id {verified.ledger_id}`."
        )
    else:
        yield (
            "When it has left quarantine it countersigns no roster until one names its ledger anew: "
            f"`hanse federation show {name}` says how."
        )
