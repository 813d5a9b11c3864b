"""A process that commits until it is killed or fails. Arguments: ledger path, file size limit in bytes (0: none).

Transaction n submits jobs n * JOBS to n * JOBS + JOBS - 1 in two steps and says "n" once it is durable.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
from pathlib import Path

from hanse.core.effects import Effects
from hanse.ledger.errors import LedgerFailed
from hanse.ledger.ledger import Ledger
from tests.ledger.samples import REGION, submits

JOBS = 20


async def main(path: Path, file_size_max: int) -> None:
    ledger = await Ledger.open(path, region=REGION)
    if file_size_max:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_max, file_size_max))
    first = ledger.opened.write_sequence // 2
    for number in itertools.count(first):
        halves = (submits(number * JOBS, JOBS // 2), submits(number * JOBS + JOBS // 2, JOBS // 2))
        batch = [Effects(sequence=2 * number + 1 + index, writes=half) for index, half in enumerate(halves)]
        try:
            await ledger.commit(batch)
        except LedgerFailed as failure:
            say(failure.kind.value)
            break
        say(str(number))
    await ledger.close()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
