"""Namespaces, rules and mounts: made, cut, and gone again, also if the harness is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.live.commands import run
from chaos.live.janitor import mounts_below
from chaos.live.links import DirectLinks, Imposed, Trouble, Way
from chaos.live.network import Network, prefix_of, rules_text

ROOT = Path(__file__).parent.parent.parent
NAMESPACES = Path("/run/netns")
needs_root = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path("/usr/sbin/nft").exists(), reason="needs nft"),
]


def namespaces(number: int) -> list[str]:
    found = NAMESPACES.iterdir() if NAMESPACES.exists() else iter(())
    return [path.name for path in found if path.name.startswith(prefix_of(number))]


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Other processes have no event that this one could wait for."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition never held"
        time.sleep(0.02)


def test_rules_replace_those_that_were_there() -> None:
    lines = rules_text(["ip saddr 198.18.0.10 drop"]).splitlines()
    assert lines[:2] == ["table inet hanse_chaos", "delete table inet hanse_chaos"]
    assert "  ip saddr 198.18.0.10 drop" in lines


class TestAsRoot:
    pytestmark = needs_root

    @pytest.fixture
    def network(self) -> Iterator[Network]:
        made = Network(["north", "east"])
        made.build()
        yield made
        made.sweep()
        assert namespaces(made.number) == []

    def test_two_runs_do_not_meet(self, network: Network) -> None:
        other = Network(["north", "east"])
        other.build()
        assert other.address("north") != network.address("north")
        assert len(namespaces(network.number)) == len(namespaces(other.number)) == 3
        other.sweep()
        assert len(namespaces(network.number)) == 3

    async def test_a_cut_has_one_direction_and_heals(self, network: Network) -> None:
        links = DirectLinks(network)
        cut = [Imposed(Trouble.CUT, Way("north", "east"))]
        assert await _can_connect(network, "north", "east")
        links.impose(cut)
        assert not await _can_connect(network, "north", "east")
        rules = run(*network.enter("north"), "nft", "list", "ruleset")
        assert "drop" not in rules
        links.lift(cut)
        assert await _can_connect(network, "north", "east")

    def test_the_sweep_ends_what_runs_in_a_namespace(self, network: Network) -> None:
        sleeper = subprocess.Popen([*network.enter("north"), "/bin/sleep", "600"])
        until(lambda: bool(run("ip", "netns", "pids", network.namespace("north")).split()))
        network.build()
        assert sleeper.wait(timeout=10) == -signal.SIGKILL

    def test_nothing_is_left_of_a_harness_that_was_killed(self, tmp_path: Path) -> None:
        harness = subprocess.Popen(
            [sys.executable, "-c", _HARNESS, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'services'}"},
        )
        assert harness.stdout is not None
        number, sleeper = (int(word) for word in harness.stdout.readline().split())
        assert len(namespaces(number)) == 2
        assert mounts_below(tmp_path) == [tmp_path / "disk"]
        harness.kill()
        harness.wait()
        harness.stdout.close()
        until(lambda: not namespaces(number) and not mounts_below(tmp_path))
        assert not Path(f"/proc/{sleeper}/exe").exists()


# A harness of one region with a process in it and a mounted disk, which waits to be killed.
_HARNESS = """
import signal, subprocess, sys
from pathlib import Path
from chaos.live.commands import run
from chaos.live.janitor import Janitor
from chaos.live.network import Network
directory = Path(sys.argv[1])
network = Network(["north"])
janitor = Janitor(directory, network.number, network.lock)
network.build()
(directory / "disk").mkdir()
run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory / "disk"))
sleeper = subprocess.Popen([*network.enter("north"), "/bin/sleep", "600"], start_new_session=True)
print(network.number, sleeper.pid, flush=True)
signal.pause()
"""

_LISTEN = "import socket; s = socket.create_server(('', 7402)); print(flush=True); s.accept()"
_DIAL = "import socket, sys; socket.create_connection((sys.argv[1], 7402), timeout=0.4)"


async def _can_connect(network: Network, dialler: str, dialled: str) -> bool:
    listener = await asyncio.create_subprocess_exec(
        *network.enter(dialled), sys.executable, "-ISc", _LISTEN, stdout=asyncio.subprocess.PIPE
    )
    assert listener.stdout is not None
    await listener.stdout.readline()
    dialling = await asyncio.create_subprocess_exec(
        *network.enter(dialler),
        sys.executable,
        "-ISc",
        _DIAL,
        network.address(dialled),
        stderr=asyncio.subprocess.DEVNULL,
    )
    connected = await dialling.wait() == 0
    if not connected:
        listener.kill()
    await listener.wait()
    return connected
