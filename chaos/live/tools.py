"""What of the machine's own tools campaigns need, and installing it on a plain Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos.live.campaign import Campaign
from chaos.live.commands import SEARCH_PATH
from chaos.live.errors import HarnessError
from chaos.live.faults import ClockJump

# What each command comes from on Debian.
_PACKAGES = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "mount": "mount"}
_FAKETIME, _FAKETIME_PACKAGE = "libfaketimeMT.so.1", "libfaketime"
_APT_TIMEOUT_S = 300.0


def install_missing(campaigns: Sequence[Campaign], say: Callable[[str], None], *, root: bool) -> None:
    """Install what these campaigns need, if this is root on a Debian machine; else HarnessError says what it is."""
    missing = missing_packages(campaigns, root=root)
    if not missing:
        return
    names = " ".join(missing)
    if not root or shutil.which("apt-get") is None:
        raise HarnessError(f"missing: {names}. Debian: apt-get install {names}")
    say(f"installing {names}")
    _apt("update", "-qq")
    _apt("install", "-qq", "-y", "--no-install-recommends", *missing)


def missing_packages(campaigns: Sequence[Campaign], *, root: bool) -> list[str]:
    """Packages without which these campaigns cannot be run. Without root there are no namespaces to need tools."""
    needed = _PACKAGES if root else {}
    missing = [
        package for command, package in needed.items() if shutil.which(command, path=SEARCH_PATH) is None
    ]
    jumps = any(isinstance(fault, ClockJump) for campaign in campaigns for fault in campaign.faults)
    if jumps and not _faketime_libraries():
        missing.append(_FAKETIME_PACKAGE)
    return missing


def faketime_library() -> Path:
    """libfaketime for programs with threads; `install_missing` has seen to it that it is there."""
    return _faketime_libraries()[0]


def _faketime_libraries() -> list[Path]:
    return sorted(Path("/usr/lib").glob(f"*/faketime/{_FAKETIME}"))


def _apt(*words: str) -> None:
    done = subprocess.run(
        ["apt-get", *words],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        timeout=_APT_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise HarnessError(f"apt-get {' '.join(words)}: {done.stderr.strip()}")
