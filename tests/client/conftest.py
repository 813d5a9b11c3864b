"""A league that fails on purpose, and a client that tries again quickly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hanse.client import AsyncClient, RetryPolicy
from tests.client.league import League, served

QUICK = RetryPolicy(call_timeout_s=2.0, retry_for_s=5.0, backoff_s=0.001, backoff_max_s=0.02)


@pytest.fixture
def league() -> League:
    return League()


@pytest.fixture
async def addresses(league: League) -> AsyncIterator[list[str]]:
    async with served(league) as found:
        yield found


@pytest.fixture
async def client(addresses: list[str]) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(addresses, retry=QUICK) as made:
        yield made
