"""Where the checkers come from. They live in a source tree, next to the package, and judge what the simulator records;
an installed package has none. Looked for by name, because nothing in the package may depend on them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from hanse.sim.record import Record
from hanse.sim.run import Checker

# Lines for people: what happened to one job, or in one region.
Teller = Callable[[Record, str], list[str]]

_ROOT = Path(__file__).resolve().parents[3]


def has_checkers() -> bool:
    """Whether this is a source tree."""
    return (_ROOT / "chaos" / "checkers").is_dir()


def all_checkers() -> Checker:
    """One call that runs them all; ModuleNotFoundError unless has_checkers()."""
    return cast("Checker", _find("chaos.checkers", "check"))


def job_teller() -> Teller:
    """Tells the story of a job."""
    return cast("Teller", _find("chaos.story", "story"))


def region_teller() -> Teller:
    """Tells the story of a region."""
    return cast("Teller", _find("chaos.story", "region_story"))


def _find(module: str, name: str) -> object:
    if str(_ROOT) not in sys.path:
        sys.path.append(str(_ROOT))
    found: object = getattr(importlib.import_module(module), name)
    return found
