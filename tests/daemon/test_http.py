"""/metrics, /livez and /readyz."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hanse.core.model import limits
from tests.daemon.league import DEADLINE_S, Place, league, submission


async def ask(place: Place, request: bytes) -> tuple[int, str]:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.daemon.http.port)
        writer.write(request)
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ", 2)[1]) if head else 0, body


async def get(place: Place, path: str) -> tuple[int, str]:
    return await ask(place, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def test_metrics_count_what_happens(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east") as regions:
        north = regions["north"]
        await north.submit(submission("a"), submission("bad", tier="gold"))

        status, text = await get(north, "/metrics")

    assert status == 200
    lines = set(text.splitlines())
    assert 'hanse_rpcs_total{code="OK",method="/hanse.v1.JobService/SubmitJobs"} 1.0' in lines
    assert 'hanse_refusals_total{code="INVALID"} 1.0' in lines
    assert 'hanse_capacity{kind="cpu"} 8000.0' in lines
    assert 'hanse_job_changes_total{state="QUEUED"} 1.0' in lines
    for name in (
        "hanse_step_seconds_count",
        "hanse_commit_seconds_count",
        "hanse_peer_queue",
        "hanse_inbox_items",
    ):
        assert any(line.startswith(name) for line in lines), name


async def test_health_follows_the_region(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        assert await get(north, "/livez") == (200, "ok\n")
        assert await get(north, "/readyz") == (200, "ok\n")

        north.daemon.serving.clear()

        assert (await get(north, "/readyz"))[0] == 503


async def test_what_is_no_request_gets_an_answer_or_none_but_never_hangs(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        assert (await get(north, "/nothing"))[0] == 404
        assert (await ask(north, b"POST /livez HTTP/1.1\r\n\r\n"))[0] == 405
        assert await ask(north, b"HEAD /livez HTTP/1.1\r\n\r\n") == (200, "")
        assert (await ask(north, b"x" * (limits.HTTP_REQUEST_BYTES_MAX + 1) + b"\r\n\r\n"))[0] == 0
        assert (await get(north, "/livez?probe=1"))[0] == 200
