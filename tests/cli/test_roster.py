"""The roster from the command line: a league is founded, grows, shrinks and changes its keys, as the handbook says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hanse.cli.devnet.layout import free_ports, toml_text
from tests.cli.conftest import REPOSITORY, Ran
from tests.cli.test_json import GOLDEN, check

DEADLINE_S = 60.0
QUICK = {
    "gossip_interval_us": 100_000,
    "hello_retry_us": 50_000,
    "hello_retry_max_us": 200_000,
    "report_retry_us": 50_000,
    "boot_grace_us": 300_000,
}

ADOPTABLE = """
name: stays
tenant: test
on_region_loss: adopt
groups: [{requirements: {resources: {cpu: 1000}}, program: {command: ["true"]}}]
"""


class Machines:
    """Where regions run: real daemons in a process of their own (hosting.py)."""

    def __init__(self, directory: Path, host: subprocess.Popen[str]) -> None:
        self.directory = directory
        self.ports = iter(free_ports(16))
        self.addresses: dict[str, tuple[str, str]] = {}
        self.operator = ""
        self._host = host

    def place(self, name: str) -> tuple[str, str]:
        """Its addresses, for peers and for callers."""
        if name not in self.addresses:
            self.addresses[name] = (f"127.0.0.1:{next(self.ports)}", f"127.0.0.1:{next(self.ports)}")
        return self.addresses[name]

    def start(self, name: str) -> None:
        peers, public = self.place(name)
        document: dict[str, Any] = {
            "region": {"name": name, "cluster_id": "hansa", "data_dir": f"data-{name}"},
            "listen": {"public": public, "peers": peers},
            "federation": {"roster": "roster.json", "operator": self.operator},
            "nodes": [{"name": name, "class": "a", "resources": {"cpu": 4000}}],
            "executor": {"kind": "simulated", "duration_us": 3_600_000_000},
            "timings": QUICK,
        }
        (self.directory / f"{name}.toml").write_text(toml_text(document))
        self._tell("start", name)

    def stop(self, name: str) -> None:
        self._tell("stop", name)

    def _tell(self, verb: str, name: str) -> None:
        assert self._host.stdin is not None
        assert self._host.stdout is not None
        self._host.stdin.write(f"{verb} {self.directory / name}.toml\n")
        self._host.stdin.flush()
        assert self._host.stdout.readline() == "ok\n"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.hosting"],
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY / 'services'}:{REPOSITORY}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as host:
        yield Machines(tmp_path, host)
        host.kill()


@pytest.fixture
def golden() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(GOLDEN.read_text())
    return found


def beside(name: str, address: str, server: str) -> subprocess.Popen[bytes]:
    """Another operator gives this region another public address, through this server."""
    words = ["change", name, "--public-address", address, "--operator-key", "heir.key", "--server", server]
    return subprocess.Popen(
        [sys.executable, "-m", "hanse.cli", "federation", *words],
        env={"PYTHONPATH": f"{REPOSITORY / 'services'}:{REPOSITORY}"},
        stdout=subprocess.DEVNULL,
    )


def until(look: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < deadline_s, "not within the time given"
        time.sleep(0.05)


def test_a_league_from_its_founding_to_its_last_key(
    hanse: Callable[..., Ran], machines: Machines, golden: dict[str, list[str]]
) -> None:
    def jobs(state: str) -> list[str]:
        listed = hanse("job", "list", "--state", state, "-o", "json", "--server", machines.place("south")[1])
        return [each["id"] for each in listed.document["jobs"]]

    def run(*arguments: str, code: int = 0, server: str = "north") -> Any:
        at = machines.place(server)[1]
        ran = hanse("federation", *arguments, "-o", "json", "--server", at)
        assert ran.code == code, ran.err
        return ran.document if code == 0 else ran.error

    ledgers: dict[str, str] = {}

    def key_of(name: str) -> str:
        made = run("keygen", "--data-dir", f"data-{name}")
        check(golden, "federation keygen", [made])
        ledgers[name] = made["ledger_id"]
        key: str = made["public_key"]
        return key

    operator = ("--operator-key", "operator.key")

    # 1. Keys, and the founding roster, which every region is given.
    run("keygen", "--operator", "--out", "operator.key")
    names = ("north", "east", "west")
    members = []
    for name in names:
        peers, public = machines.place(name)
        named = f"key={key_of(name)},ledger={ledgers[name]}"
        members += ["--member", f"{name},peer={peers},public={public},{named},label:zone={name}"]
    founded = run("init", "--cluster-id", "hansa", *members, "--out", "roster.json", *operator)
    check(golden, "federation init", [founded])
    machines.operator = founded["operator_key_id"]
    for name in names:
        machines.start(name)
    shown = run("show")
    assert (shown["epoch"], shown["static"], shown["roster"]["guardians"]) == (1, False, 3)

    # 2. A region joins.
    peers, public = machines.place("south")
    joined = run(
        "add", "south", "--peer-address", peers, "--public-address", public, "--label", "zone=south",
        "--public-key", key_of("south"), "--ledger-id", ledgers["south"], "--save", "roster.json", *operator,
    )  # fmt: skip
    check(golden, "federation add", [joined])
    assert (joined["epoch"], joined["members"]) == (2, [*names, "south"])
    machines.start("south")
    until(lambda: any(each["region"] == "south" for each in run("show")["known"]))

    # 3. What cannot be is refused, and says why; nothing changes.
    again = ("--peer-address", "x:1", "--public-key", "ab" * 32, "--ledger-id", "x")
    refused = run("add", "south", *again, *operator, code=2)
    assert "south is a member already" in refused["message"]
    refused = run("change", "west", "--label", "zone=east", *operator, code=2)
    assert "are in one failure domain: zone = east" in refused["message"]
    run("keygen", "--operator", "--out", "stranger.key")
    refused = run("change", "west", "--public-address", "w:1", "--operator-key", "stranger.key", code=4)
    assert "must be signed by the key" in refused["message"]
    refused = run("remove", "south", *operator, code=1)
    assert "south is not drained" in refused["message"]
    refused = run("remove", "moon", *operator, code=2)
    assert "moon is no member" in refused["message"]
    assert run("show")["epoch"] == 2

    # 4. A region leaves, but not with its jobs.
    at_south = ("--server", machines.place("south")[1])
    (machines.directory / "job.yaml").write_text(ADOPTABLE)
    until(lambda: hanse("job", "submit", "job.yaml", "--client-key", "stays", *at_south).code == 0)
    until(lambda: bool(jobs("RUNNING")))
    assert hanse("region", "drain", "south", "--server", machines.place("north")[1]).code == 0
    refused = run("remove", "south", *operator, code=1)
    assert "south has open jobs (1 RUNNING)" in refused["message"]
    assert run("show")["epoch"] == 2
    assert hanse("job", "cancel", *jobs("RUNNING"), *at_south).code == 0
    until(lambda: bool(jobs("CANCELLED")))
    left = run("remove", "south", *operator)
    assert left["members"] == [*names]
    until(lambda: bool(run("show", server="south")["removed"]))
    impaired = hanse("region", "status", "-o", "json", "--server", machines.place("south")[1]).document
    assert [each["code"] for each in impaired["impairments"]] == ["DRAINING", "REMOVED"]
    machines.stop("south")

    # 5. Keys change; the operator's on another machine.
    rotated = run("rotate", "west", "--public-key", key_of("west"), *operator)
    assert rotated["epoch"] == 4
    run("keygen", "--operator", "--out", "heir.key")
    drafted = run("rotate", "--new-operator-key", "heir.key", "--draft", "next.json")
    check(golden, "federation draft", [drafted])
    refused = run("apply", "next.json", code=2)
    assert "is not signed" in refused["message"]
    check(golden, "federation sign", [run("sign", "next.json", *operator)])
    check(golden, "federation add", [run("apply", "next.json")])
    refused = run("change", "west", "--public-address", "w:1", *operator, code=4)
    assert "must be signed by the key" in refused["message"]
    changed = run("change", "west", "--public-address", "w:1", "--operator-key", "heir.key")
    assert changed["epoch"] == 6

    # 6. Without a majority nothing changes, and it is said who is missing.
    until(lambda: bool(run("show")["known"]))
    machines.stop("east")
    machines.stop("west")
    late = run(
        "change", "west", "--public-address", "w:2", "--operator-key", "heir.key", "--timeout", "1", code=124
    )
    assert "no answer yet of east, west" in late["message"]
    shown = run("show")
    check(golden, "federation show", [shown])
    assert (shown["pending"]["is_asking"], shown["pending"]["missing"]) == (True, ["east", "west"])
    until(lambda: bool(run("show")["pending"]["has_failed"]))
    machines.start("east")
    changed = run("change", "west", "--public-address", "w:2", "--operator-key", "heir.key")
    assert (changed["epoch"], run("apply", code=2)["message"]) == (7, "no roster is under way at north")

    # 7. Two operators at the same time: one comes first, and the other makes its change again on top of it.
    with beside("east", "e:3", server=machines.place("east")[1]) as other:
        changed = run("change", "west", "--public-address", "w:3", "--operator-key", "heir.key")
        assert other.wait(DEADLINE_S) == 0
    until(lambda: run("show")["epoch"] == 9)
    addresses = {each["name"]: each["public_address"] for each in run("show")["roster"]["members"]}
    assert (addresses["west"], addresses["east"]) == ("w:3", "e:3")

    # 8. A region is declared lost: not while it answers, and not without a word for it.
    gone = ("--operator-key", "heir.key", "--yes-nothing-of-it-runs")
    refused = run("declare-lost", "east", *gone, code=1)
    assert "east is not lost: it answers" in refused["message"]
    refused = run("declare-lost", "east", "--operator-key", "heir.key", code=2)
    assert "would run a second time" in refused["message"]
    refused = run("declare-lost", "moon", *gone, code=2)
    assert "moon never was a member" in refused["message"]
    # (South was removed before.)
    declared = run("declare-lost", "south", *gone)
    check(golden, "federation add", [declared])
    assert [each["name"] for each in run("show")["roster"]["lost"]] == ["south"]
    again = ("--peer-address", "x:1", "--public-key", "ab" * 32, "--ledger-id", "x", "--label", "zone=s")
    refused = run("add", "south", *again, "--operator-key", "heir.key", code=2)
    assert "'south' was declared lost, for good" in refused["message"]

    # 9. What people read.
    table = hanse("federation", "show", "--server", machines.place("north")[1]).out
    assert "hansa, epoch 10" in table
    assert "declared lost: south" in table
    assert "zone=west" in table


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("keygen",), 2, "whose key?"),
        (("init",), 2, "no league to found"),
        (("init", "--cluster-id", "c", "--member", "north,peer=n:1"), 2, "key is missing"),
        (("init", "--cluster-id", "c", "--member", "north,pier=n:1"), 2, "no 'pier'"),
        (("init", "--cluster-id", "c", "--member", "north,peer=n:1,key=k"), 2, "ledger is missing"),
        (("init", "league.toml", "--cluster-id", "c"), 2, "said twice"),
        (("init", "missing.toml", "--operator-key", "operator.key"), 2, "No such file"),
        (("init", "broken.toml", "--operator-key", "operator.key"), 2, "members[0].peer_address: required"),
        (("init", "league.toml"), 2, "no operator's key at"),
        (
            ("init", "league.toml", "--operator-key", "operator.key"),
            2,
            "members.name: two regions have the name",
        ),
        (("init", "league.toml", "--guardians", "4", "--operator-key", "operator.key"), 2, "guardians"),
        (("sign", "nothing.json"), 2, "no roster in it"),
        (("rotate",), 2, "whose key?"),
        (("change", "north"), 2, "nothing to change"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    hanse: Callable[..., Ran],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hanse("federation", "keygen", "--operator", "--out", "operator.key").code == 0
    twice = (
        '[[members]]\nname = "a"\npeer_address = "a:1"\npublic_key = "' + "ab" * 32 + '"\nledger_id = "x"\n'
    )
    (tmp_path / "league.toml").write_text('cluster_id = "c"\nguardians = 0\n' + twice + twice)
    (tmp_path / "broken.toml").write_text('cluster_id = "c"\n[[members]]\nname = "a"\npublic_key = "x"\n')
    (tmp_path / "nothing.json").write_text('{"rosters": []}')
    ran = hanse("federation", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert not (tmp_path / "roster.json").exists()


def test_a_league_is_founded_by_a_file_and_signed_elsewhere(
    hanse: Callable[..., Ran], tmp_path: Path
) -> None:
    key = hanse("federation", "keygen", "--operator", "--out", "operator.key", "-o", "json").document
    lines = ['cluster_id = "c"', "guardians = 0"]
    for name in ("a", "b"):
        lines += [
            "[[members]]",
            f'name = "{name}"',
            f'peer_address = "{name}:1"',
            f'public_key = "{name * 2 * 32}"',
            f'ledger_id = "ledger-{name}"',
        ]
    (tmp_path / "league.toml").write_text("\n".join(lines))
    drafted = hanse(
        "federation",
        "init",
        "league.toml",
        "--draft",
        "--operator-public-key",
        key["public_key"],
        "-o",
        "json",
    ).document
    assert (drafted["signed"], drafted["members"]) == (False, ["a", "b"])
    assert hanse("federation", "sign", "roster.json", "--operator-key", "operator.key").code == 0
    again = hanse("federation", "init", "league.toml", "--operator-key", "operator.key")
    assert (again.code, "exists already" in again.err) == (2, True)
    assert "operator_signature" in (tmp_path / "roster.json").read_text()


def test_a_static_roster_is_shown_as_such_and_does_not_change(hanse: Callable[..., Ran], server: str) -> None:
    shown = hanse("federation", "show", "-o", "json", "--server", server)
    assert shown.code == 1  # the canned league is too old to know the call
    assert shown.error["code"] == "UNIMPLEMENTED"
