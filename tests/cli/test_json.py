"""What programs may rely on: keys and types of every JSON output. HANSE_REWRITE=1 rewrites the golden file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.canned import OUTPUT, QUEUED_RUNNING_ENDED
from tests.cli.conftest import Ran

QUEUED, RUNNING, ENDED = QUEUED_RUNNING_ENDED
SAMPLE = str(Path(__file__).parents[2] / "deploy" / "policy" / "example.toml")
# Not a policy, so that it has problems.
POLICY = str(Path(__file__).parents[2] / "pyproject.toml")
GOLDEN = Path(__file__).parent / "golden" / "json_keys.json"

COMMANDS = {
    "version": ["version"],
    "job list": ["job", "list"],
    "job show": ["job", "show", ENDED],
    "job explain": ["job", "explain", QUEUED],
    "job watch": ["job", "watch", ENDED],
    "job logs": ["job", "logs", ENDED],
    "job cancel": ["job", "cancel", QUEUED, ENDED],
    "job hold": ["job", "hold", QUEUED, "north-nope"],
    "job set-priority": ["job", "set-priority", QUEUED, "--to", "7"],
    "job move": ["job", "move", QUEUED, "--to", "east"],
    "node cordon": ["node", "cordon", "n1", "--why", "disk"],
    "region reload": ["region", "reload"],
    "region status": ["region", "status"],
    "region status in quarantine": ["region", "status", "restored"],
    "region nodes": ["region", "nodes"],
    "region drain": ["region", "drain", "north"],
    "region undrain": ["region", "undrain", "north"],
    "region trust-disk": ["region", "trust-disk", "north", "--without", "east", "--yes"],
    "policy validate": ["policy", "validate", POLICY],
    "policy show": ["policy", "show"],
    "policy history": ["policy", "history"],
    "policy plan": ["policy", "plan", SAMPLE],
    "policy apply": ["policy", "apply", SAMPLE],
    "policy rollback": ["policy", "rollback"],
    "policy status": ["policy", "status"],
    "reservation list": ["reservation", "list"],
    "reservation show": ["reservation", "show", "nightly"],
    "reservation cancel": ["reservation", "cancel", "nightly"],
    "federation members": ["federation", "members"],
    "federation inventory": ["federation", "inventory"],
    "quota show": ["quota", "show"],
    "quota history": ["quota", "history"],
    "dev down": ["dev", "down"],
}


def paths(value: Any, prefix: str = "") -> set[str]:
    """Every key of a document with the type of its value, such as "jobs[].epoch: int"."""
    if isinstance(value, dict) and value:
        return set().union(
            *(paths(item, f"{prefix}.{key}" if prefix else key) for key, item in value.items())
        )
    if isinstance(value, list) and value:
        return set().union(*(paths(item, f"{prefix}[]") for item in value))
    return {f"{prefix}: {type(value).__name__}"}


@pytest.fixture(scope="module")
def golden() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    return found


def check(golden: dict[str, list[str]], name: str, documents: list[Any]) -> None:
    found = sorted(set().union(*(paths(document) for document in documents)))
    if os.environ.get("HANSE_REWRITE"):
        golden[name] = found
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    assert found == golden.get(name), f"the JSON of `hanse {name}` has changed: programs rely on it"


@pytest.mark.parametrize("name", COMMANDS)
def test_json_keys_are_stable(
    hanse: Callable[..., Ran], server: str, golden: dict[str, list[str]], name: str
) -> None:
    ran = hanse(*COMMANDS[name], "-o", "json", "--server", server)
    stream = name in ("job watch", "job logs")
    check(golden, name, ran.items if stream else [ran.document])


@pytest.mark.parametrize(("name", "options"), [("job submit", []), ("job submit --wait", ["--wait"])])
def test_json_keys_of_submit_are_stable(
    hanse: Callable[..., Ran],
    server: str,
    golden: dict[str, list[str]],
    spec_file: Callable[..., str],
    name: str,
    options: list[str],
) -> None:
    ran = hanse("job", "submit", spec_file("ok", "bad"), *options, "-o", "json", "--server", server)
    check(golden, name, [ran.document])
    check(golden, "error", [json.loads(ran.err)])


def test_json_keys_of_plan_are_stable(
    hanse: Callable[..., Ran], server: str, golden: dict[str, list[str]], spec_file: Callable[..., str]
) -> None:
    ran = hanse("job", "plan", spec_file("ok", "nowhere"), "-o", "json", "--server", server)
    assert ran.code == 1, "one of them can run nowhere"
    check(golden, "job plan", [ran.document])


@pytest.mark.parametrize(
    "arguments", [["-o", "json", "job", "list"], ["job", "-o", "json", "list"], ["job", "list", "-o", "json"]]
)
def test_the_form_may_be_asked_for_anywhere(
    hanse: Callable[..., Ran], server: str, arguments: list[str]
) -> None:
    assert hanse(*arguments, "--server", server).document["jobs"][0]["id"] == QUEUED


def test_yaml_says_the_same_as_json(hanse: Callable[..., Ran], server: str) -> None:
    as_json = hanse("job", "show", ENDED, "-o", "json", "--server", server).document
    as_yaml = yaml.safe_load(hanse("job", "show", ENDED, "-o", "yaml", "--server", server).out)
    assert as_yaml == as_json


def test_a_spec_that_was_shown_can_be_submitted_again(
    hanse: Callable[..., Ran], server: str, tmp_path: Path
) -> None:
    shown = hanse("job", "show", ENDED, "-o", "json", "--server", server).document
    (tmp_path / "again.json").write_text(json.dumps(shown["spec"]))
    submitted = hanse("job", "submit", "again.json", "-o", "json", "--server", server).document
    again = hanse("job", "show", submitted["jobs"][0]["job_id"], "-o", "json", "--server", server).document
    assert again["spec"] == shown["spec"]


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["job", "show", "north-nope"], "NOT_FOUND", 1),
        (["job", "nonsense"], "USAGE", 2),
        (["job", "submit", "missing.yaml"], "USAGE", 2),
        (["dev", "up", "0"], "USAGE", 2),
    ],
)
def test_errors_are_objects_on_standard_error(
    hanse: Callable[..., Ran], server: str, arguments: list[str], code: str, exit_code: int
) -> None:
    ran = hanse("--server", server, "-o", "json", *arguments)
    assert not ran.out
    assert (ran.error["code"], ran.error["exit_code"], ran.code) == (code, exit_code, exit_code)
    assert ran.error["message"]


def test_mistakes_in_a_spec_are_one_error_object_each(
    hanse: Callable[..., Ran], server: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("nme: a\ntenat: b\n")
    ran = hanse("job", "submit", "bad.yaml", "-o", "json", "--server", server)
    errors = [json.loads(line)["error"] for line in ran.err.splitlines()]
    assert (ran.code, [error["exit_code"] for error in errors]) == (3, [3, 3])
    assert [error["field"] for error in errors] == ["nme", "tenat"]
    assert errors[0]["message"] == "bad.yaml:1: nme: no such field in JobSpec; did you mean name?"


def test_logs_are_byte_for_byte_as_a_table_and_text_as_json(hanse: Callable[..., Ran], server: str) -> None:
    ran = hanse("job", "logs", ENDED, "-o", "json", "--server", server)
    assert "".join(item["data"] for item in ran.items) == "line one\nline \\xff two\n"
    assert ran.items[-1]["next_offset"] == len(OUTPUT)
