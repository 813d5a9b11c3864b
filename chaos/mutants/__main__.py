"""`python -m chaos.mutants [WORD...]`: hunt every mutant, or those with a word in their names, and write found.json.

The exit code is 1 if a shortcut that does harm was not found, or one that is said to do none did some.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from chaos.mutants import ALL
from chaos.mutants.found import Found, read, write
from chaos.mutants.hunt import SEEDS_MAX
from chaos.mutants.profiles import PROFILES
from chaos.mutants.schedules import SCHEDULES
from chaos.mutants.work import find, stand


def main(words: Sequence[str]) -> int:
    """Hunt; the exit code."""
    chosen = [mutant.name for mutant in ALL if not words or any(word in mutant.name for word in words)]
    known = {each.name: each for each in read()} if words else {}
    profiles = [] if words else [profile.name for profile in (*PROFILES, *SCHEDULES)]
    with ProcessPoolExecutor() as pool:
        clean = pool.map(stand, profiles)
        for found in pool.map(find, chosen):
            known[found.name] = found
            sys.stdout.write(f"{'ok' if is_good(found) else 'MISSED':6} {found.name}: {_told(found)}\n")
        for name, _ in zip(profiles, clean, strict=True):
            sys.stdout.write(f"ok     the core without a shortcut, {name}: {SEEDS_MAX} seeds\n")
    write([known[mutant.name] for mutant in ALL if mutant.name in known])
    return 0 if all(is_good(known[name]) for name in chosen) else 1


def is_good(found: Found) -> bool:
    """Whether this is what the mutant promised."""
    return found.harm is None if found.harmless else found.caught is not None


def _told(found: Found) -> str:
    if found.caught is None:
        return f"nothing in {SEEDS_MAX} seeds"
    return f"seed {found.caught.seed}, {found.caught.checker}: {found.caught.message[:100]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
