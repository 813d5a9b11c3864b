"""Commands that clear up, whichever way they are ended."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from hanse.cli.signals import run_to_the_end

PROGRAM = """
import asyncio
import signal
import sys
from hanse.cli.signals import run_to_the_end

async def work():
    print("working", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.01)
        print("cleared up", flush=True)

# Whoever started the tests may ignore it, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(run_to_the_end(work()))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_whoever_is_told_to_end_clears_up_first(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.stdout.read() == "cleared up\n"
        code = process.wait(20)
    # Python itself ends by the signal after a KeyboardInterrupt that nobody caught.
    assert code == (-number if number is signal.SIGINT else 128 + number)


def test_a_result_is_returned() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run_to_the_end(work()) == 7


def test_of_several_errors_the_first_is_raised() -> None:
    async def fail() -> None:
        raise OSError("first")

    async def work() -> None:
        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
            inner.create_task(fail())
            outer.create_task(asyncio.sleep(60))

    with pytest.raises(OSError, match="first"):
        run_to_the_end(work())
