"""/metrics, /livez and /readyz over plain HTTP/1.1.

Three fixed answers to GET need no framework: a framework would be the largest dependency on the path that has to work
when everything else does not. (The console will bring one, on a listener of its own.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
import structlog

from hanse.core.model import limits

log = structlog.get_logger()
_END_OF_HEAD = b"\r\n\r\n"


class Page(msgspec.Struct, frozen=True):
    """An answer."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Handler = Callable[[], Awaitable[Page]]


class HttpListener:
    """Serves fixed paths, one request per connection."""

    def __init__(self, pages: dict[str, Handler]) -> None:
        self._pages = pages
        self._connections = 0
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, address: str) -> None:
        """Listen on "host:port". Raises OSError."""
        host, _, port = address.rpartition(":")
        self._server = await asyncio.start_server(
            self._serve, host.strip("[]"), int(port), limit=limits.HTTP_REQUEST_BYTES_MAX
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; answers under way are finished by their own timeout."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            async with asyncio.timeout(limits.HTTP_TIMEOUT_S):
                page = await self._answer(reader)
                writer.write(_encoded(page))
                await writer.drain()
        except (
            TimeoutError,
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            log.debug("http.connection_failed", error=repr(error))
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Page:
        head = await reader.readuntil(_END_OF_HEAD)
        if self._connections > limits.HTTP_CONNECTIONS_MAX:
            return Page(HTTPStatus.SERVICE_UNAVAILABLE, b"too many connections\n")
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        handler = self._pages.get(path)
        if handler is None:
            return Page(HTTPStatus.NOT_FOUND, b"there are " + " ".join(self._pages).encode() + b"\n")
        if method not in ("GET", "HEAD"):
            return Page(HTTPStatus.METHOD_NOT_ALLOWED, b"GET only\n")
        page = await handler()
        return msgspec.structs.replace(page, body=b"") if method == "HEAD" else page


def _encoded(page: Page) -> bytes:
    head = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\nContent-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + page.body
