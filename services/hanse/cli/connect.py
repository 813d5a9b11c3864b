"""Which regions to talk to: --server, else HANSE_SERVER, else the local federation that `hanse dev up` started."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from hanse.cli.errors import UsageOrConfigError
from hanse.cli.settings import settings_of
from hanse.client.retry import RetryPolicy

if TYPE_CHECKING:
    from hanse.client import AsyncClient

T = TypeVar("T")

DEV_DIRECTORY = ".hanse"
DEV_FILE = "dev.json"

# A person waits for the answer: long enough for a region that restarts, short enough to say that it is down.
READ_RETRY = RetryPolicy(retry_for_s=5.0)
# Whether it was carried out matters: give a region that restarts the time for it.
WRITE_RETRY = RetryPolicy(retry_for_s=30.0)


def client_of(ctx: typer.Context, *, home: str = "", retry: RetryPolicy | None = None) -> AsyncClient:
    """A client for the regions asked for. Make it inside of the event loop, and close it."""
    from hanse.client import AsyncClient

    return AsyncClient(addresses_of(ctx), home=home, retry=retry or READ_RETRY)


def addresses_of(ctx: typer.Context) -> list[str]:
    """Public addresses to use, in this order. UsageOrConfigError if none is known."""
    server = settings_of(ctx).server
    if server:
        return [part.strip() for part in server.split(",") if part.strip()]
    found = find_dev_file(Path.cwd())
    if found is None:
        raise UsageOrConfigError(
            "no region to talk to",
            hint="start three local ones with `hanse dev up`, or give --server HOST:PORT or HANSE_SERVER",
        )
    return dev_addresses(found)


def find_dev_file(start: Path) -> Path | None:
    """`.hanse/dev.json` in this directory or the nearest one above it."""
    candidates = (directory / DEV_DIRECTORY / DEV_FILE for directory in (start, *start.parents))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def dev_addresses(dev_file: Path) -> list[str]:
    """Public addresses in a `dev.json`."""
    try:
        document = json.loads(dev_file.read_text(encoding="utf-8"))
        return [str(region["public_address"]) for region in document["regions"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageOrConfigError(
            f"{dev_file} is damaged: {error}", hint="write it anew with `hanse dev up`"
        ) from error


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result."""
    return asyncio.run(coroutine)
