"""The part of the lock that goes into an image: all that is needed, and none of the tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.docker.lock_part import lock_part, runtime_roots

_ROOT = Path(__file__).parents[2]
_LOCK = """\
alpha==1.0 \\
    --hash=sha256:aa
    # via hanse (pyproject.toml)
beta-two==2.0 ; python_version < '3.12' \\
    --hash=sha256:b0
    # via
    #   alpha
    #   tool
beta-two==2.1 ; python_version >= '3.12' \\
    --hash=sha256:b1
    # via
    #   alpha
    #   tool
gamma==3.0 \\
    --hash=sha256:cc
    # via beta-two
tool==4.0 \\
    --hash=sha256:dd
    # via hanse (pyproject.toml)
"""


def names(lock: str) -> list[str]:
    return [line.split(" ")[0] for line in lock.splitlines() if line[0].isalnum()]


def test_what_is_needed_indirectly_is_in_it_and_every_pin_of_a_package() -> None:
    assert names(lock_part(_LOCK, ["Alpha"])) == [
        "alpha==1.0",
        "beta-two==2.0",
        "beta-two==2.1",
        "gamma==3.0",
    ]


def test_hashes_stay_with_their_pins() -> None:
    assert lock_part(_LOCK, ["gamma"]) == _LOCK[_LOCK.index("gamma") : _LOCK.index("tool==")]


def test_a_root_that_is_not_locked_is_refused() -> None:
    with pytest.raises(LookupError, match="delta"):
        lock_part(_LOCK, ["alpha", "delta"])


def test_of_this_projects_lock_no_tools_are_in_it() -> None:
    part = lock_part(
        (_ROOT / "requirements.lock").read_text(encoding="utf-8"),
        runtime_roots((_ROOT / "pyproject.toml").read_text(encoding="utf-8")),
    )
    packages = {name.split("==")[0] for name in names(part)}
    assert {"grpcio", "numpy", "msgspec", "protobuf", "rich"} <= packages
    assert not {"pytest", "mypy", "ruff", "uv", "hatchling", "grpcio-tools"} & packages
