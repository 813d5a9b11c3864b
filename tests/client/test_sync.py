"""The blocking client is the same client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from hanse.client import Client, NotFoundError
from hanse.client.messages import JobSpec
from hanse.client.sync import LoopThread
from tests.client.conftest import QUICK
from tests.client.league import League, served


@pytest.fixture
def blocking(league: League) -> Iterator[Client]:
    """The servers run in the client's own loop: grpc.aio wants one loop a process."""
    thread = LoopThread.shared()
    servers = served(league)
    addresses = thread.run(servers.__aenter__())
    with Client(addresses, retry=QUICK) as client:
        yield client
    thread.run(servers.__aexit__(None, None, None))


def test_submit_get_list_and_wait(blocking: Client, league: League) -> None:
    submitted = blocking.submit(JobSpec(name="a", tenant="t"))
    league.record(submitted.job_id, "SUCCEEDED")
    assert blocking.get(submitted.job_id).spec.name == "a"
    assert [job.id for job in blocking.list()] == [submitted.job_id]
    assert list(blocking.wait([submitted.job_id], timeout_s=5)) == [submitted.job_id]


def test_a_watch_can_be_left(blocking: Client, league: League) -> None:
    job = league.add("north")
    with closing(blocking.watch()) as changes:
        assert next(changes).job_id == job


def test_errors_are_the_same(blocking: Client) -> None:
    with pytest.raises(NotFoundError):
        blocking.get("north-nope")


def test_it_can_be_used_from_several_threads(blocking: Client, league: League) -> None:
    job = league.add("north")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(blocking.get(job).id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [job] * 4
