"""Running the machine's own tools."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from chaos.live.errors import HarnessError

_TIMEOUT_S = 20.0

# Who has become root by `su` may have a user's path still, on which what only root uses is not.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def run(*words: str, given: str = "") -> str:
    """What the command writes. HarnessError with its complaint if it fails."""
    done = _done(words, given)
    if done.returncode:
        raise HarnessError(f"{' '.join(words)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def attempt(*words: str) -> bool:
    """Whether the command succeeded: for clearing up what may be gone."""
    return _done(words, "").returncode == 0


def _done(words: Sequence[str], given: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            input=given,
            env={**os.environ, "PATH": SEARCH_PATH},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{' '.join(words)}: {error}") from error
