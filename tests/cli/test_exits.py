"""Exit codes: by kind of error, and of whole commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer

from hanse import client
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode, exit_code_of
from hanse.client.errors import CompactedError
from tests.cli.canned import QUEUED_RUNNING_ENDED
from tests.cli.conftest import Ran

QUEUED, RUNNING, ENDED = QUEUED_RUNNING_ENDED

BY_ERROR: list[tuple[BaseException, int]] = [
    (typer.BadParameter("x"), 2),
    (UsageOrConfigError("x"), 2),
    (client.InvalidArgumentError("x"), 2),
    (client.InvalidSpecError("x"), 3),
    (client.NeverFitsError("x"), 3),
    (client.KeyConflictError("x"), 3),
    (client.UnsupportedSpecError("x"), 3),
    (client.UnauthorisedError("x"), 4),
    (client.UnreachableError("x"), 5),
    (client.CallTimeoutError("x"), 5),
    (client.SubmitIncompleteError("x", outcomes=[], cause=client.UnreachableError("y")), 5),
    (client.WaitTimeoutError("x", pending=[]), 124),
    (client.NotFoundError("x"), 1),
    (client.JobTerminalError("x"), 1),
    (client.ConflictError("x"), 1),
    (client.PlanChangedError("x"), 1),
    (client.UnimplementedError("x"), 1),
    (client.RequestError("x"), 1),
    (client.ExhaustedError("x"), 1),
    (client.NotLeaderError("x"), 1),
    (client.ServerError("x"), 1),
    (CompactedError("x"), 1),
    (CommandError("x"), 1),
    (CommandError("x", exit_code=ExitCode.TIMEOUT), 124),
    (KeyboardInterrupt(), 130),
    (RuntimeError("a bug"), 1),
]


@pytest.mark.parametrize(("error", "code"), BY_ERROR, ids=lambda value: getattr(type(value), "__name__", ""))
def test_each_kind_of_error_has_its_code(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_every_error_of_the_client_is_in_the_table() -> None:
    tested = {type(error) for error, _ in BY_ERROR}

    def below(kind: type[BaseException]) -> set[type[BaseException]]:
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    abstract = {client.HanseError, client.ServiceError}
    missing = {kind for kind in below(client.HanseError) if kind.__module__ == "hanse.client.errors"} - tested
    assert missing == abstract


COMMANDS: list[tuple[list[str], int]] = [
    (["--help"], 0),
    (["version"], 0),
    (["job", "list"], 0),
    (["job", "show", ENDED], 0),
    (["job", "show", "north-nope"], 1),
    (["job", "cancel", ENDED], 1),
    (["job", "cancel", QUEUED], 0),
    (["job", "watch", ENDED], 1),
    (["job", "watch", RUNNING, "--timeout", "0.05"], 124),
    (["job", "list", "--state", "nonsense"], 2),
    (["job", "list", "--nonsense"], 2),
    (["job"], 2),
    (["nonsense"], 2),
    (["-o", "xml", "version"], 2),
    (["job", "submit", "missing.yaml"], 2),
    (["job", "list", "--server", "nowhere"], 2),
    (["dev", "status"], 1),
    (["dev", "up", "0"], 2),
    (["dev", "down"], 0),
    (["config", "check", "missing.toml"], 2),
]


@pytest.mark.parametrize(("arguments", "code"), COMMANDS, ids=str)
def test_a_command_ends_with_its_code(
    hanse: Callable[..., Ran], server: str, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANSE_SERVER", server)
    ran = hanse(*arguments)
    assert ran.code == code, ran.err
    # A refused cancellation and a failed job are results, and told as such.
    if code and arguments[:2] not in (["job", "cancel"], ["job", "watch"], ["config", "check"]):
        assert ran.err.startswith("error: ")
        assert not ran.out


SUBMITS: list[tuple[list[str], list[str], int]] = [
    (["ok"], [], 0),
    (["ok"], ["--wait"], 0),
    (["ok", "fail"], ["--wait"], 1),
    (["fail"], [], 0),
    (["hang"], ["--wait", "--timeout", "0.05"], 124),
    (["bad"], [], 3),
    (["ok", "bad"], ["--wait"], 3),
    (["secret"], [], 4),
    (["ok"], ["--timeout", "1"], 2),
]


@pytest.mark.parametrize(("names", "options", "code"), SUBMITS)
def test_a_submit_ends_with_its_code(
    hanse: Callable[..., Ran],
    server: str,
    spec_file: Callable[..., str],
    names: list[str],
    options: list[str],
    code: int,
) -> None:
    ran = hanse("job", "submit", spec_file(*names), *options, "--server", server)
    assert ran.code == code, ran.err


def test_no_region_at_all_is_a_usage_error_that_says_what_to_do(hanse: Callable[..., Ran]) -> None:
    ran = hanse("job", "list")
    assert ran.code == 2
    assert "hanse dev up" in ran.err


def test_a_region_that_is_down_is_unreachable(
    hanse: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanse.cli.connect.READ_RETRY", client.RetryPolicy(retry_for_s=0))
    ran = hanse("job", "list", "--server", "127.0.0.1:1")
    assert ran.code == 5
    assert "no answer from 127.0.0.1:1: Connection refused" in ran.err
