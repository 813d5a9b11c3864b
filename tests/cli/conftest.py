"""The command line against a league of known content."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hanse.cli.main import main

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)

    @property
    def items(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error object on its standard error."""
        return json.loads(self.err)["error"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a league in a process of its own: the command line has an event loop, and so has the server."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.canned"],
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY / 'services'}:{REPOSITORY}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def hanse(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ran]:
    """Run the command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANSE_SERVER", raising=False)

    def run(*arguments: str) -> Ran:
        code = main(list(arguments))
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[..., str]:
    """A file with one job for each name."""

    def write(*names: str, more: str = "") -> str:
        path = tmp_path / "jobs.yaml"
        path.write_text("".join(f"- {{name: {name}, tenant: t{more}}}\n" for name in names))
        return str(path)

    return write
