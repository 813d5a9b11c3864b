"""A file as lines of text, plain or packed with gzip, never more than the bounds allow."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hanse.replay import bounds
from hanse.replay.errors import TraceRefused

_GZIP_MAGIC = b"\x1f\x8b"


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its end) of each line. Raises TraceRefused."""
    name = path.name
    try:
        with path.open("rb") as raw:
            yield from _lines(name, _unpacked(raw))
    except OSError as error:
        # A truncated or damaged gzip is an OSError or EOFError, too.
        raise TraceRefused(name, 0, "", f"cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise TraceRefused(name, 0, "", f"is not whole: {error}") from error


def _unpacked(raw: BinaryIO) -> BinaryIO:
    magic = raw.read(len(_GZIP_MAGIC))
    raw.seek(0)
    if magic == _GZIP_MAGIC:
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]  # reads as any binary file does
    return raw


def _lines(name: str, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    total, number = 0, 0
    while data := stream.readline(bounds.LINE_BYTES_MAX + 1):
        number += 1
        total += len(data)
        if len(data) > bounds.LINE_BYTES_MAX:
            raise TraceRefused(name, number, "", f"a line of more than {bounds.LINE_BYTES_MAX >> 10} KiB")
        if total > bounds.FILE_BYTES_MAX:
            raise TraceRefused(name, number, "", f"more than {bounds.FILE_BYTES_MAX >> 30} GiB")
        yield number, _text(name, number, data)


def _text(name: str, number: int, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise TraceRefused(name, number, "", f"not UTF-8 at byte {error.start + 1}") from error
    if "\0" in text:
        raise TraceRefused(name, number, "", "a NUL character")
    return text.rstrip("\r\n")
