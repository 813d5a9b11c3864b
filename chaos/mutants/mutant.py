"""What a mutant is: the real classes with one shortcut in them, for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import msgspec

from chaos.mutants.profiles import Profile
from chaos.mutants.schedules import Schedule


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One shortcut. `install` patches classes of the core or of the simulated shell until the stack unwinds.

    `profile` is what finds it: a sort of random runs, or a schedule that is built by hand.
    `harmless` says why the shortcut cannot be told from the protocol by what becomes of jobs; empty: it does harm.
    """

    name: str
    shortcut: str
    profile: Profile | Schedule
    install: Callable[[ExitStack], None]
    harmless: str = ""


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Whatever regions are made and run in here take this shortcut."""
    with ExitStack() as patches:
        mutant.install(patches)
        yield


def replace(patches: ExitStack, owner: type | ModuleType, name: str, replacement: Callable[..., Any]) -> None:
    """Put this in the place of a method, or of what a module has imported."""
    patches.enter_context(mock.patch.object(owner, name, replacement))
