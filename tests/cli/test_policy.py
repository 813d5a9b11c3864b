"""What `hanse policy` shows people. HANSE_REWRITE=1 rewrites the golden file: look at the difference."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
}


@pytest.fixture
def files(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(WRONG)
    (tmp_path / "doubtful.toml").write_text(DOUBTFUL)
    (tmp_path / "right.toml").write_text("# nothing is said, so the defaults count\n")
    (tmp_path / "same.toml").write_text(DOCUMENT)


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
