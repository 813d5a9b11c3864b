"""Local federations: what is written, and that no process is ever taken for a daemon that is not one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hanse.cli.connect import dev_addresses, find_dev_file
from hanse.cli.devnet import layout, processes
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.executors.local.processes import ProcessId, boot_id, is_alive, stat_of


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def federation(tmp_path: Path) -> layout.Federation:
    return layout.create(tmp_path, 3)


def note_pid(region: layout.LocalRegion, process: ProcessId, boot: str) -> None:
    noted = {"pid": process.pid, "start_ticks": process.start_ticks, "boot_id": boot}
    region.pid_file.write_text(json.dumps(noted))


@pytest.mark.parametrize(
    ("count", "names"),
    [(1, ["north"]), (3, ["north", "east", "west"]), (5, ["north", "east", "west", "r4", "r5"])],
)
def test_regions_have_names(count: int, names: list[str]) -> None:
    assert layout.region_names(count) == names


@pytest.mark.parametrize("count", [0, -1, layout.REGIONS_MAX + 1])
def test_the_number_of_regions_is_bounded(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageOrConfigError):
        layout.create(tmp_path, count)
    assert not list(tmp_path.iterdir())


def test_the_daemon_accepts_what_is_written(federation: layout.Federation) -> None:
    from hanse.daemon.config import load_config

    for region in federation.regions:
        config = load_config(region.config)
        assert config.region.name == region.name
        assert config.data_dir == region.data
        assert [member.name for member in config.region.members] == ["north", "east", "west"]
        assert len(config.region.nodes) == 2
        assert dict(config.region.nodes[0].capacity)["gpu"] == 4000


def test_shapes_may_add_to_the_tables(tmp_path: Path) -> None:
    from hanse.daemon.config import load_config

    shape = layout.RegionShape(
        nodes=3, resources={"cpu": 1000}, tables={"executor": {"kind": "simulated", "duration_us": 5}}
    )
    config = load_config(layout.create(tmp_path, 1, shape).regions[0].config)
    assert config.settings.executor.kind == "simulated"
    assert len(config.region.nodes) == 3


def test_it_is_found_again_with_the_same_addresses(federation: layout.Federation, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = find_dev_file(below)
    assert found == federation.dev_file
    assert layout.load(tmp_path) == federation
    assert dev_addresses(found) == [region.public_address for region in federation.regions]


def test_a_damaged_dev_file_is_a_clear_error(federation: layout.Federation, tmp_path: Path) -> None:
    federation.dev_file.write_text("{}")
    with pytest.raises(UsageOrConfigError, match="damaged"):
        layout.load(tmp_path)
    with pytest.raises(UsageOrConfigError, match="damaged"):
        dev_addresses(federation.dev_file)


def test_ports_are_free_and_different() -> None:
    ports = layout.free_ports(50)
    assert len(set(ports)) == 50
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    assert max(ports) < int(outgoing.split()[0])


def test_a_pid_that_was_used_again_is_not_taken_for_the_daemon(
    federation: layout.Federation, bystander: subprocess.Popen[bytes]
) -> None:
    region = federation.regions[0]
    stat = stat_of(bystander.pid)
    assert stat is not None
    note_pid(region, ProcessId(bystander.pid, stat.id.start_ticks - 1), boot_id())
    assert processes.running(region) is None
    assert not processes.stop(region)
    note_pid(region, stat.id, "another boot")
    assert processes.running(region) is None
    assert not processes.stop(region)
    assert is_alive(stat.id)


@pytest.mark.parametrize("text", ["", "{}", "[]", "12", '{"pid": "x"}'])
def test_a_damaged_pid_file_names_nobody(federation: layout.Federation, text: str) -> None:
    region = federation.regions[0]
    region.pid_file.write_text(text)
    assert processes.running(region) is None


def test_a_daemon_that_does_not_end_in_time_is_killed(federation: layout.Federation) -> None:
    region = federation.regions[0]
    stubborn = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", stubborn], **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        stat = stat_of(process.pid)
        assert stat is not None
        note_pid(region, stat.id, boot_id())
        assert processes.running(region) == stat.id
        assert processes.stop(region, grace_s=0.05)
        assert not is_alive(stat.id)
    assert not region.pid_file.exists()


async def test_a_daemon_that_cannot_start_is_told_with_the_end_of_its_log(
    federation: layout.Federation,
) -> None:
    region = federation.regions[0]
    region.config.write_text("[region]\nname = 5\n")
    process = processes.start(region)
    with pytest.raises(CommandError, match=r"north ended while it started[^|]*\|") as raised:
        await processes.wait_until_ready(region, process, timeout_s=30)
    assert "required" in str(raised.value)
    assert processes.running(region) is None
    assert stat_of(process.pid) is None, "it was left behind as a zombie"
