"""What the proxy does to connections, and that it is undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.live.links import Imposed, ProxyLinks, Trouble, Way
from hanse.bench.proxy import Proxy

ENDS = ("north", "east")
THERE = Way("north", "east")
BACK = Way("east", "north")
# So long nothing is to arrive: several times what loopback needs.
NOTHING_S = 0.15

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """East, which sends back what it hears; through a proxy, with links."""

    def __init__(self, proxy: Proxy, address: tuple[str, int]) -> None:
        self.links = ProxyLinks(proxy)
        self.address = address

    async def connect(self) -> Streams:
        return await asyncio.open_connection(*self.address)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # that is what some of these tests are for
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Proxy() as proxy:
        upstream = server.sockets[0].getsockname()[:2]
        yield Echo(proxy, await proxy.listen(ENDS, "127.0.0.1", upstream))
    server.close()


async def said(streams: Streams, word: bytes) -> None:
    streams[1].write(word)
    await streams[1].drain()


async def heard(streams: Streams, word: bytes) -> bool:
    async with asyncio.timeout(10):
        return await streams[0].readexactly(len(word)) == word


async def hears_nothing(streams: Streams) -> bool:
    try:
        async with asyncio.timeout(NOTHING_S):
            await streams[0].readexactly(1)
    except TimeoutError:
        return True
    return False


async def test_without_trouble_everything_passes(echo: Echo) -> None:
    streams = await echo.connect()
    await said(streams, b"hello")
    assert await heard(streams, b"hello")
    streams[1].close()


@pytest.mark.parametrize("way", [THERE, BACK])
async def test_a_cut_way_keeps_what_is_sent_until_it_is_healed(echo: Echo, way: Way) -> None:
    streams = await echo.connect()
    await said(streams, b"a")
    assert await heard(streams, b"a")
    cut = [Imposed(Trouble.CUT, way)]
    echo.links.impose(cut)
    echo.links.impose(cut)
    await said(streams, b"b")
    assert await hears_nothing(streams)
    echo.links.lift(cut)
    assert await hears_nothing(streams), "it was cut twice"
    echo.links.lift(cut)
    assert await heard(streams, b"b")
    streams[1].close()


async def test_a_delayed_way_takes_its_time_and_keeps_the_order(echo: Echo) -> None:
    streams = await echo.connect()
    slow = [Imposed(Trouble.DELAY, THERE, 3 * NOTHING_S)]
    echo.links.impose(slow)
    await said(streams, b"a")
    assert await hears_nothing(streams)
    echo.links.lift(slow)
    await said(streams, b"b")
    assert await heard(streams, b"ab")
    streams[1].close()


async def test_a_half_open_connection_swallows_and_is_reset_when_healed(echo: Echo) -> None:
    streams, untouched = await echo.connect(), await echo.connect()
    swallowed = [Imposed(Trouble.SWALLOW, THERE), Imposed(Trouble.SWALLOW, BACK)]
    echo.links.impose(swallowed)
    await said(streams, b"lost")
    assert await hears_nothing(streams)
    fresh = await echo.connect()
    await said(fresh, b"lost too")
    assert await hears_nothing(fresh)
    echo.links.lift(swallowed)
    for broken in (streams, fresh):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await heard(broken, b"lost")
        broken[1].close()
    await said(untouched, b"a")
    assert await heard(untouched, b"a"), "what lost nothing goes on"
    untouched[1].close()


async def test_an_end_that_is_gone_resets_the_other(echo: Echo) -> None:
    async with Proxy() as proxy:
        nobody = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        upstream = nobody.sockets[0].getsockname()[:2]
        nobody.close()
        await nobody.wait_closed()
        address = await proxy.listen(("north", "west"), "127.0.0.1", upstream)
        streams = await asyncio.open_connection(*address)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await heard(streams, b"anything")
        streams[1].close()
