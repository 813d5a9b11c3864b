"""A TCP proxy between regions: one listener for each (dialling region, dialled region).

Bytes on a connection that `a` dialled to `b` go a -> b one way and b -> a the other, so that what is done to the way
a -> b touches the connections of both. A way that is held keeps its bytes and passes them on when it is let go, as TCP
does over a cut link. A way that swallows loses them for good; connections that lost something are aborted once their
pair swallows no more, for their streams have holes.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

Address = tuple[str, int]
Ends = tuple[str, str]

_CHUNK_BYTES = 64 * 1024
# Bounds what one direction of a connection has in flight: 4 MiB, more than a delayed link of ours can fill.
_CHUNKS_MAX = 64


class _Way:
    """One direction between two regions."""

    def __init__(self) -> None:
        self.holds = 0
        self.swallows = 0
        self.delay_s = 0.0
        self.free = asyncio.Event()
        self.free.set()


class _Connection:
    """Both ends of one connection. `holed`: bytes of it were swallowed."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.writers: list[asyncio.StreamWriter] = []
        self.holed = False

    def abort(self) -> None:
        """Both ends see a reset."""
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Use it as an async context manager: `listen` for each pair, then impose what is to be imposed."""

    def __init__(self) -> None:
        self._ways: dict[Ends, _Way] = {}
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], _Connection] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.close()
        serving = list(self._connections)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def listen(self, ends: Ends, host: str, upstream: Address) -> Address:
        """Where ends[0] is to dial ends[1], which really listens at `upstream`."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None, "asyncio serves each connection in a task"
            connection = _Connection(ends)
            connection.writers.append(writer)
            self._connections[task] = connection
            try:
                await self._serve(connection, reader, upstream)
            except asyncio.CancelledError:
                return  # by ourselves, when all is closed; asyncio's streams would log it as a failure
            finally:
                del self._connections[task]
                connection.abort()

        server = await asyncio.start_server(serve, host, 0)
        self._servers.append(server)
        found: Address = server.sockets[0].getsockname()[:2]
        return found

    def hold(self, way: Ends, by: int) -> None:
        """`by` 1: keep what comes; -1: pass it on again."""
        state = self._way(way)
        state.holds += by
        if state.holds:
            state.free.clear()
        else:
            state.free.set()

    def delay(self, way: Ends, by_s: float) -> None:
        """Everything takes that much longer from now on (or less, if negative)."""
        self._way(way).delay_s += by_s

    def swallow(self, way: Ends, by: int) -> None:
        """`by` 1: lose what comes; -1: no more, and abort the connections that lost something."""
        self._way(way).swallows += by
        pair = set(way)
        if any(self._way(one).swallows for one in (way, (way[1], way[0]))):
            return
        for connection in self._connections.values():
            if set(connection.ends) == pair and connection.holed:
                connection.abort()

    def _way(self, ends: Ends) -> _Way:
        return self._ways.setdefault((ends[0], ends[1]), _Way())

    async def _serve(self, connection: _Connection, reader: asyncio.StreamReader, upstream: Address) -> None:
        """Connect and pump both ways until either end is through, or is reset."""
        there, back = self._way(connection.ends), self._way((connection.ends[1], connection.ends[0]))
        # A handshake needs both ways too.
        await there.free.wait()
        await back.free.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*upstream)
        except OSError:
            return  # nobody listens there now: the dialler sees a reset, as it would without us
        connection.writers.append(far_writer)
        near_writer = connection.writers[0]
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(connection, there, reader, far_writer))
                pumps.create_task(_pump(connection, back, far_reader, near_writer))
        except* (OSError, EOFError):
            pass  # one end is gone, and the other is told by a reset


async def _pump(
    connection: _Connection, way: _Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Pass on what is read, each piece when it is due. Ends with EOFError: a connection ends as a whole."""
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_MAX)
    now_s = asyncio.get_running_loop().time

    async def read() -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await pieces.put((now_s() + way.delay_s, data))
        await pieces.put((now_s() + way.delay_s, b""))

    async def write() -> None:
        while True:
            due_s, data = await pieces.get()
            await asyncio.sleep(due_s - now_s())
            await way.free.wait()
            if connection.holed or way.swallows:
                connection.holed = True
                continue
            if not data:
                raise EOFError
            writer.write(data)
            await writer.drain()

    async with asyncio.TaskGroup() as both:
        both.create_task(read())
        both.create_task(write())
