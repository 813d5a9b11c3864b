"""One network namespace per region, on a bridge in a namespace of its own, with nft rules that cut and drop.

    harness --veth-- [hub: bridge] --veth-- [north]
                                   --veth-- [east]  ...

The bridge is not in the machine's own namespace, so no firewall rule of the machine (Docker's, say) touches what passes
between regions. Names and addresses derive from one number, which belongs to a run as long as it holds the lock on
that number's file: several runs on a machine do not meet, and what a dead one left is swept by the next that has it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from chaos.live.commands import attempt, run
from chaos.live.errors import HarnessError

_LOCKS = Path("/run/hanse-chaos")
_NAMESPACES = Path("/run/netns")
# 198.18.0.0/15 is set aside for tests of networks (RFC 2544): each run has a /24 of it.
_RUNS_MAX = 250
_HARNESS_HOST = 1
_FIRST_REGION_HOST = 10
_SWEEP_ROUNDS_MAX = 50
_SWEEP_INTERVAL_S = 0.05
NSENTER = "/usr/bin/nsenter"
TABLE = "inet hanse_chaos"


class Network:
    """The namespaces of one run. Create it, `build`, and `sweep` at the end, whatever happened."""

    def __init__(self, regions: Sequence[str]) -> None:
        self.lock, self.number = _take_number()
        self.regions = tuple(regions)

    @property
    def prefix(self) -> str:
        """What every namespace of this run is called first."""
        return prefix_of(self.number)

    def namespace(self, region: str) -> str:
        """The region's."""
        return f"{self.prefix}{region}"

    def address(self, region: str) -> str:
        """The region's, seen from everywhere."""
        return f"198.18.{self.number}.{_FIRST_REGION_HOST + self.regions.index(region)}"

    @property
    def harness_address(self) -> str:
        """Where regions reach the harness, and its proxy."""
        return f"198.18.{self.number}.{_HARNESS_HOST}"

    def build(self) -> None:
        """Everything from nothing; what a dead run with this number left is swept first."""
        sweep(self.number)
        hub = self.namespace("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "bridge", "up")
        outside = _outside(self.number)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "harness", "netns", hub)
        run("ip", "-n", hub, "link", "set", "harness", "master", "bridge", "up")
        run("ip", "address", "add", f"{self.harness_address}/24", "dev", outside)
        run("ip", "link", "set", outside, "up")
        for region in self.regions:
            self._add(region, hub)

    def _add(self, region: str, hub: str) -> None:
        own, port = self.namespace(region), f"p{self.regions.index(region)}"
        run("ip", "netns", "add", own)
        run("ip", "-n", own, "link", "set", "lo", "up")
        run("ip", "-n", own, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", hub)
        run("ip", "-n", hub, "link", "set", port, "master", "bridge", "up")
        run("ip", "-n", own, "address", "add", f"{self.address(region)}/24", "dev", "eth0")
        run("ip", "-n", own, "link", "set", "eth0", "up")

    def enter(self, region: str) -> list[str]:
        """The command that runs what follows it in the region's namespace, in the same process."""
        return [NSENTER, f"--net={_NAMESPACES / self.namespace(region)}", "--"]

    def write_rules(self, region: str, rules: Iterable[str]) -> None:
        """Replace, at once, what the region's namespace does with packets that come in."""
        run(*self.enter(region), "nft", "-f", "-", given=rules_text(rules))

    def sweep(self) -> None:
        """End every process in the namespaces and remove them; the number is free again."""
        sweep(self.number)
        os.close(self.lock)


def rules_text(rules: Iterable[str]) -> str:
    """A whole nft table. Declared before it is deleted: deleting what is not there would fail."""
    lines = [
        f"table {TABLE}",
        f"delete table {TABLE}",
        f"table {TABLE} {{",
        " chain arriving {",
        "  type filter hook input priority 0; policy accept;",
        *(f"  {rule}" for rule in rules),
        " }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def prefix_of(number: int) -> str:
    """What the namespaces of the run with this number are called first."""
    return f"hanse-chaos-{number}-"


def sweep(number: int) -> None:
    """Remove all that a run with this number may have left. Whoever calls this holds the number's lock."""
    names = [path.name for path in _listed(_NAMESPACES) if path.name.startswith(prefix_of(number))]
    for _ in range(_SWEEP_ROUNDS_MAX):
        # Each round ends all that was found; what forked meanwhile is found by the next.
        pids = [int(pid) for name in names for pid in run("ip", "netns", "pids", name).split()]
        if not pids:
            break
        for pid in pids:
            _kill(pid)
        time.sleep(_SWEEP_INTERVAL_S)
    else:
        raise HarnessError(f"processes in {', '.join(names)} cannot be ended")
    for name in names:
        run("ip", "netns", "del", name)
    # It goes with the hub's end of it, but the kernel takes its time.
    attempt("ip", "link", "del", _outside(number))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []


def _outside(number: int) -> str:
    return f"hchaos{number}"


def _take_number() -> tuple[int, int]:
    _LOCKS.mkdir(exist_ok=True)
    for number in range(_RUNS_MAX):
        lock = os.open(_LOCKS / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return lock, number
    raise HarnessError(f"{_RUNS_MAX} runs at once on this machine")
