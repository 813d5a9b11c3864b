from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanse.ledger.ledger import Ledger
from tests.ledger.samples import REGION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(path, region=REGION)
    yield opened
    await opened.close()
