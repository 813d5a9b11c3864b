"""Prints the part of requirements.lock that some packages need: pins and hashes, none of them resolved anew.

    python3 lock_part.py requirements.lock pyproject.toml             # what hanse needs to run
    python3 lock_part.py requirements.lock pyproject.toml hatchling   # what hatchling needs

The lock says below each pin for whose sake it is there ("# via ..."), so that a part is found by following that
backwards. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def lock_part(lock: str, roots: Iterable[str]) -> str:
    """The pins of `roots` and of whatever they need. LookupError if a root is not in the lock."""
    # A package may be pinned more than once, for different versions of Python.
    blocks = [block for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE) if block.strip()]
    wanted = {_normal(root) for root in roots}
    if missing := wanted - {_name(block) for block in blocks}:
        raise LookupError(f"not in the lock: {', '.join(sorted(missing))}")
    wanted_for = [(_name(block), _wanted_for(block)) for block in blocks]
    while more := {name for name, whose in wanted_for if whose & wanted} - wanted:
        wanted |= more
    return "".join(block for block in blocks if _name(block) in wanted)


def runtime_roots(pyproject: str) -> list[str]:
    """Names of what the project itself depends on, without extras."""
    return [_name(each) for each in tomllib.loads(pyproject)["project"]["dependencies"]]


def _wanted_for(block: str) -> set[str]:
    """Names after "# via", on its line or on those below it. The project itself is none of them."""
    comments = [
        line.strip().removeprefix("#").strip() for line in block.splitlines() if line.strip().startswith("#")
    ]
    names = [comment.removeprefix("via").strip() for comment in comments]
    return {_normal(name) for name in names if name and "(pyproject.toml)" not in name}


def _name(text: str) -> str:
    found = _NAME.match(text)
    if found is None:
        raise LookupError(f"no name: {text[:60]!r}")
    return _normal(found[0])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(lock: str, pyproject: str, *roots: str) -> None:
    """Print the part."""
    chosen = roots or runtime_roots(Path(pyproject).read_text(encoding="utf-8"))
    sys.stdout.write(lock_part(Path(lock).read_text(encoding="utf-8"), chosen))


if __name__ == "__main__":
    main(*sys.argv[1:])
