"""`python -m chaos.mutants [WORD...]`: hunt every mutant, or those with a word in their names, and write found.json.
With `--stale` alone: those that found.json does not know as they are, or that are not caught any more as it says.

The exit code is 1 if a shortcut that does harm was not found, one that is said to do none did some, or the core without
a shortcut does not come through all of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor

from chaos.mutants import ALL
from chaos.mutants.found import Found, read, write
from chaos.mutants.hunt import SEEDS_MAX
from chaos.mutants.profiles import PROFILES
from chaos.mutants.schedules import SCHEDULES
from chaos.mutants.work import find, holds_still, stand


def main(words: Sequence[str]) -> int:
    """Hunt; the exit code."""
    known = {each.name: each for each in read()} if words else {}
    profiles = [] if words else [profile.name for profile in (*PROFILES, *SCHEDULES)]
    with ProcessPoolExecutor() as pool:
        chosen = _chosen(words, known, pool)
        clean = pool.map(stand, profiles)
        for found in pool.map(find, chosen):
            known[found.name] = found
            _say(is_good(found), f"{found.name}: {_told(found)}")
        write([known[mutant.name] for mutant in ALL if mutant.name in known])
        wrong = [name for name in chosen if not is_good(known[name])]
        for name, fault in zip(profiles, clean, strict=True):
            _say(not fault, f"the core without a shortcut, {name}: {fault or f'{SEEDS_MAX} seeds'}")
            wrong += [name] if fault else []
    return 1 if wrong else 0


def _chosen(words: Sequence[str], known: Mapping[str, Found], pool: Executor) -> list[str]:
    if list(words) != ["--stale"]:
        return [mutant.name for mutant in ALL if not words or any(word in mutant.name for word in words)]
    kept = [known[mutant.name] for mutant in ALL if mutant.name in known]
    still = {
        each.name
        for each, holds in zip(kept, pool.map(holds_still, kept), strict=True)
        if holds and is_good(each)
    }
    return [mutant.name for mutant in ALL if mutant.name not in still]


def _say(is_well: bool, what: str) -> None:
    sys.stdout.write(f"{'ok' if is_well else 'WRONG':6} {what}\n")
    sys.stdout.flush()


def is_good(found: Found) -> bool:
    """Whether this is what the mutant promised."""
    return found.harm is None if found.harmless else found.caught is not None


def _told(found: Found) -> str:
    if found.caught is None:
        return f"nothing in {SEEDS_MAX} seeds"
    return f"seed {found.caught.seed}, {found.caught.checker}: {found.caught.message[:100]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
