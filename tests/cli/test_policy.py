"""What `hanse policy` shows people. HANSE_REWRITE=1 rewrites the golden file: look at the difference."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hanse.client import Client
from hanse.core.model.league_policy import decode_league_policy, league_policy_message
from hanse.core.model.roster import key_id
from hanse.daemon.keys import generate, load, verify
from tests.cli.canned_policies import DOCUMENT
from tests.cli.conftest import Ran

GOLDEN = Path(__file__).parent / "golden" / "policy.txt"
WRONG = """\
[[tiers]]
name = "standard"
wait_max = 15

[[rules]]
name = "interns"
when = 'job.tenat.startsWith("interns/") && job.labels.team == "a"'
then = { tier = "standrad" }
"""
DOUBTFUL = "[[rules]]\nname = 'r'\nwhen = 'job.labels.team == \"a\"'\nthen = { refuse = 'no' }\n"
COMMANDS = {
    "validate a wrong document": (["validate", "wrong.toml"], 2),
    "validate by a region": (["validate", "wrong.toml", "--against", "north"], 2),
    "validate a doubtful document": (["validate", "doubtful.toml"], 0),
    "validate a right document": (["validate", "right.toml"], 0),
    "plan": (["plan", "right.toml"], 0),
    "plan a wrong document": (["plan", "wrong.toml"], 2),
    "apply": (["apply", "right.toml", "--why", "a test"], 0),
    "apply what is in force": (["apply", "same.toml"], 0),
    "apply a wrong document": (["apply", "wrong.toml"], 2),
    "apply too late": (["apply", "right.toml", "--expect", "2"], 1),
    "rollback": (["rollback", "--to", "2"], 0),
    "rollback to nothing": (["rollback", "--to", "7"], 1),
    "history": (["history"], 0),
    "show": (["show"], 0),
    "show an old version": (["show", "--version", "2"], 0),
    "show what is not there": (["show", "--version", "9"], 1),
    "status of the league's": (["status"], 0),
    "status without one": (["status", "--region", "empty"], 0),
    "apply to all, wrong": (["apply", "wrong.toml", "--league", "--operator-key", "operator.key"], 2),
    "apply to all, too late": (
        ["apply", "right.toml", "--league", "--operator-key", "operator.key", "--expect", "2"],
        1,
    ),
    "apply to all without a key": (["apply", "right.toml", "--league", "--operator-key", "none.key"], 2),
    "a key for one region": (["apply", "right.toml", "--operator-key", "operator.key"], 2),
}


@pytest.fixture
def files(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(WRONG)
    (tmp_path / "doubtful.toml").write_text(DOUBTFUL)
    (tmp_path / "right.toml").write_text("# nothing is said, so the defaults count\n")
    (tmp_path / "same.toml").write_text(DOCUMENT)
    generate(tmp_path / "operator.key")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The golden texts, by command."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("hanse.cli.policy_views.age_text", lambda *_: "9d")
    parts = GOLDEN.read_text(encoding="utf-8").split("=== ") if GOLDEN.exists() else []
    return {name: text for name, _, text in (part.partition(" ===\n") for part in parts if part)}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", COMMANDS)
def test_what_people_see(hanse: Callable[..., Ran], server: str, told: dict[str, str], name: str) -> None:
    arguments, code = COMMANDS[name]
    ran = hanse("policy", *arguments, "--server", server)
    shown = (
        "\n".join(line.rstrip() for line in f"{ran.err}{ran.out}".splitlines()) + f"\n(exit {ran.code})\n\n"
    )
    if os.environ.get("HANSE_REWRITE"):
        told[name] = shown
        known = {each: told[each] for each in COMMANDS if each in told}
        GOLDEN.write_text(
            "".join(f"=== {each} ===\n{text}" for each, text in known.items()), encoding="utf-8"
        )
    assert shown == told.get(name)
    assert ran.code == code


@pytest.mark.usefixtures("files")
def test_a_document_that_was_shown_can_be_applied(
    hanse: Callable[..., Ran], server: str, tmp_path: Path
) -> None:
    (tmp_path / "again.toml").write_text(hanse("policy", "show", "--server", server).out)
    ran = hanse("policy", "apply", "again.toml", "-o", "json", "--server", server)
    assert (ran.document["version"], ran.document["unchanged"]) == (3, True)


def test_a_file_that_is_not_there(hanse: Callable[..., Ran]) -> None:
    ran = hanse("policy", "validate", "nowhere.toml")
    assert ran.code == 2
    assert "nowhere.toml: No such file or directory" in ran.err


def test_what_is_not_utf_8_is_told_by_its_place(hanse: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes('[[tiers]]\nname = "Mühe"\n'.encode("latin-1"))
    ran = hanse("policy", "validate", "latin.toml", "-o", "json")
    (problem, *_) = ran.document["problems"]
    assert (ran.code, problem["line"], problem["path"]) == (2, 2, "tiers[0].name")


def handed(server: str) -> bytes:
    """The signed document that the region alpha was handed last."""
    with Client(server) as client:
        return client.league_policy("alpha").document


@pytest.mark.usefixtures("files")
def test_a_policy_for_all_is_signed_and_follows_on_what_the_region_has(
    hanse: Callable[..., Ran], server: str, tmp_path: Path
) -> None:
    arguments = (
        "policy",
        "apply",
        "right.toml",
        "--league",
        "--operator-key",
        "operator.key",
        "--server",
        server,
    )
    ran = hanse(*arguments, "--region", "alpha", "--why", "a test", "--author", "ada", "-o", "json")
    assert ran.code == 0, ran.err
    signed = decode_league_policy(handed(server))
    document, key = signed.document, load(tmp_path / "operator.key")
    assert verify(key.public_key, league_policy_message(document), signed.operator_signature)
    assert (document.number, document.previous_sha256, document.issuer) == (1, "", key_id(key.public_key))
    assert (document.author, document.why, document.text) == (
        "ada",
        "a test",
        "# nothing is said, so the defaults count\n",
    )
    first = ran.document
    assert (first["number"], first["regions"][1]["standing"]) == (1, "in_force")

    ran = hanse(*arguments, "--region", "alpha")
    assert ran.code == 0
    assert "in force in alpha, east" in ran.out
    second = decode_league_policy(handed(server)).document
    assert (second.number, second.previous_sha256) == (2, first["sha256"])


@pytest.mark.usefixtures("files")
def test_a_region_for_which_it_is_unfit_is_named_and_the_command_fails(
    hanse: Callable[..., Ran], server: str
) -> None:
    arguments = (
        "policy",
        "apply",
        "right.toml",
        "--league",
        "--operator-key",
        "operator.key",
        "--server",
        server,
    )
    ran = hanse(*arguments, "--region", "odd")
    assert ran.code == 1
    assert "in force in odd; unfit for east" in ran.out
