"""`hanse job logs`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from hanse.cli.output import Printer, note
from hanse.client import AsyncClient
from hanse.client.messages import LogStream, StreamLogsResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """What the command line asks for."""

    job_id: str
    follow: bool
    task: int
    stderr: bool
    offset: int
    attempt: int
    index: int | None = None


async def print_logs(printer: Printer, connect: Callable[[], AsyncClient], request: LogRequest) -> None:
    """The whole command."""
    stream = LogStream.LOG_STREAM_STDERR if request.stderr else LogStream.LOG_STREAM_STDOUT
    dropped = 0
    async with connect() as client:
        pieces = client.logs(
            request.job_id,
            task=request.task,
            stream=stream,
            follow=request.follow,
            offset=request.offset,
            attempt=request.attempt,
            index=request.index,
        )
        async with aclosing(pieces):
            async for piece in pieces:
                _print_piece(printer, piece)
                dropped = max(dropped, piece.dropped)
    if dropped and printer.is_table:
        note(f"warning: {dropped:,} bytes in the middle are lost: the output was larger than its file may be")


def _print_piece(printer: Printer, piece: StreamLogsResponse) -> None:
    if printer.is_table:
        sys.stdout.buffer.write(piece.data)
        sys.stdout.buffer.flush()
        return
    printer.item(
        {
            "data": piece.data.decode(errors="backslashreplace"),
            "offset": piece.next_offset - len(piece.data),
            "next_offset": piece.next_offset,
            "dropped": piece.dropped,
        }
    )
