"""What a policy must not contain. A policy with any problem is refused whole, and the one in force stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hanse.core.model.errors import CallerFault
from hanse.core.model.limits import (
    OBJECTIVE_WEIGHT_MAX,
    POLICY_ENTRIES_MAX,
    PRIORITY_MAX,
    QUANTITY_MAX,
    TENANT_LEVELS_MAX,
)
from hanse.core.model.selectors import SelectorError, parse_selector
from hanse.core.policy.model import ANY_NODE, Cohort, Flavour, Policy, Queue, Quota, Tenant, Tier

_PERMILLE_MAX = 1_000
_WEIGHT_MAX = 1_000_000
# A year: longer is a mistake of unit.
_DURATION_US_MAX = 366 * 86_400 * 1_000_000
_DEPTH_MAX = 10_000


class PolicyRefused(CallerFault):
    """A policy that cannot be put in force; `problems` are (where, why)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {why}" for where, why in problems))
        self.problems = tuple(problems)


def checked(policy: Policy) -> Policy:
    """The policy itself. Raises PolicyRefused with everything that is wrong."""
    found = list(problems(policy))
    if found:
        raise PolicyRefused(found)
    return policy


def problems(policy: Policy) -> Iterator[tuple[str, str]]:
    """(where, why) of everything that is wrong, in the order of the document."""
    yield from _sizes(policy)
    yield from _tiers(policy)
    yield from _tenants(policy)
    yield from _flavours(policy)
    yield from _cohorts(policy)
    yield from _queues(policy)
    yield from _modes(policy)


def _sizes(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.version < 1:
        yield "version", "from 1"
    parts: dict[str, tuple[Tier | Tenant | Flavour | Cohort | Queue, ...]] = {
        "tiers": policy.tiers,
        "tenants": policy.tenants,
        "flavours": policy.flavours,
        "cohorts": policy.cohorts,
        "queues": policy.queues,
    }
    for where, entries in parts.items():
        if len(entries) > POLICY_ENTRIES_MAX:
            yield where, f"{len(entries)} entries; at most {POLICY_ENTRIES_MAX}"
        yield from _duplicates((f"{where}[{at}].name", entry.name) for at, entry in enumerate(entries))
        for number, entry in enumerate(entries):
            if not entry.name:
                yield f"{where}[{number}].name", "required"


def _tiers(policy: Policy) -> Iterator[tuple[str, str]]:
    names = policy.tier_names
    if not names:
        yield "tiers", "at least one"
    for number, tier in enumerate(policy.tiers):
        where = f"tiers[{number}]"
        yield from _within(f"{where}.share_permille", tier.share_permille, 0, _PERMILLE_MAX)
        yield from _within(f"{where}.wait_max_us", tier.wait_max_us, 0, _DURATION_US_MAX)
        for index, other in enumerate(tier.preemptible_by):
            if other not in names:
                yield f"{where}.preemptible_by[{index}]", f"no tier {other!r}"
            elif names.index(other) >= number:
                yield f"{where}.preemptible_by[{index}]", f"{other!r} is not served before {tier.name!r}"


def _tenants(policy: Policy) -> Iterator[tuple[str, str]]:
    for number, tenant in enumerate(policy.tenants):
        where = f"tenants[{number}]"
        yield from _within(f"{where}.weight", tenant.weight, 1, _WEIGHT_MAX)
        if tenant.name.count("/") >= TENANT_LEVELS_MAX:
            yield f"{where}.name", f"{tenant.name!r} has more than {TENANT_LEVELS_MAX} levels"
    parents = {tenant.name: tenant.parent or prefix_of(tenant.name) for tenant in policy.tenants}
    for cycle in _cycles(parents):
        # Somewhere in it somebody was put below another: paths alone make no cycle.
        at = next(n for n, each in enumerate(policy.tenants) if each.name in cycle and each.parent)
        yield f"tenants[{at}].parent", f"a cycle: {' below '.join(cycle)}"


def prefix_of(tenant: str) -> str:
    """The tenant above by path; "" for the first level."""
    return tenant.rpartition("/")[0]


def _cycles(parents: dict[str, str]) -> list[list[str]]:
    """Each cycle once, from its first member by name. A parent that is not listed is followed by its path."""
    found: list[list[str]] = []
    settled: dict[str, None] = {}
    for start in sorted(parents):
        walk: dict[str, None] = {}
        name = start
        while name and name not in settled and name not in walk:
            walk[name] = None
            name = parents.get(name, prefix_of(name))
        if name in walk:
            members = list(walk)
            members = members[members.index(name) :]
            first = members.index(min(members))
            found.append([*members[first:], *members[:first], members[first]])
        settled.update(walk)
    return found


def _flavours(policy: Policy) -> Iterator[tuple[str, str]]:
    for number, flavour in enumerate(policy.flavours):
        for index, text in enumerate(flavour.constraints):
            try:
                parse_selector(text)
            except SelectorError as error:
                yield f"flavours[{number}].constraints[{index}]", str(error)


def _cohorts(policy: Policy) -> Iterator[tuple[str, str]]:
    names = {cohort.name: None for cohort in policy.cohorts}
    for number, cohort in enumerate(policy.cohorts):
        where = f"cohorts[{number}]"
        if cohort.parent and cohort.parent not in names:
            yield f"{where}.parent", f"no cohort {cohort.parent!r}"
        yield from _quotas(policy, where, cohort)
    parents = {cohort.name: cohort.parent for cohort in policy.cohorts}
    for cycle in _cycles(parents):
        at = next(n for n, each in enumerate(policy.cohorts) if each.name in cycle)
        yield f"cohorts[{at}].parent", f"a cycle: {' below '.join(cycle)}"


def _queues(policy: Policy) -> Iterator[tuple[str, str]]:
    cohorts = {cohort.name: None for cohort in policy.cohorts}
    for number, queue in enumerate(policy.queues):
        where = f"queues[{number}]"
        if queue.name in cohorts:
            yield f"{where}.name", f"{queue.name!r} is a cohort"
        yield from _quotas(policy, where, queue)
        if queue.borrow_priority_max is not None:
            yield from _within(
                f"{where}.borrow_priority_max", queue.borrow_priority_max, -PRIORITY_MAX, PRIORITY_MAX
            )
    yield from _duplicates(
        (f"queues[{number}].tenants[{at}]", name)
        for number, queue in enumerate(policy.queues)
        for at, name in enumerate(queue.tenants)
    )


def _quotas(policy: Policy, where: str, owner: Queue | Cohort) -> Iterator[tuple[str, str]]:
    flavours = {flavour.name: None for flavour in policy.flavours} | {ANY_NODE: None}
    belongs = owner.cohort if isinstance(owner, Queue) else owner.parent
    yield from _duplicates(
        (f"{where}.quotas[{at}].kind", _cell(quota)) for at, quota in enumerate(owner.quotas)
    )
    for number, quota in enumerate(owner.quotas):
        key = f"{where}.quotas[{number}]"
        if quota.flavour not in flavours:
            yield f"{key}.flavour", f"no flavour {quota.flavour!r}"
        yield from _quantities(key, quota)
        has = quota.nominal if isinstance(owner, Queue) else _nominal_below(policy, owner.name, quota)
        if quota.lending_limit is not None and quota.lending_limit > has:
            yield f"{key}.lending_limit", f"{owner.name!r} lends {quota.lending_limit} and has {has}"
        if not belongs and quota.borrowing_limit is not None:
            yield f"{key}.borrowing_limit", f"{owner.name!r} is in no cohort: there is nobody to borrow from"
        if not belongs and quota.lending_limit is not None:
            yield f"{key}.lending_limit", f"{owner.name!r} is in no cohort: there is nobody to lend to"


def _cell(quota: Quota) -> str:
    return f"{quota.kind} of flavour {quota.flavour}" if quota.flavour else quota.kind


def _nominal_below(policy: Policy, cohort: str, wanted: Quota) -> int:
    """What a cohort and all below it have of this kind. Cycles are another problem: each cohort counts once."""
    below = {cohort: None}
    for _ in policy.cohorts:
        more = {each.name: None for each in policy.cohorts if each.parent in below and each.name not in below}
        if not more:
            break
        below |= more
    owners: list[Queue | Cohort] = [each for each in policy.cohorts if each.name in below]
    owners += [each for each in policy.queues if each.cohort in below]
    kind = (wanted.flavour, wanted.kind)
    return sum(q.nominal for owner in owners for q in owner.quotas if (q.flavour, q.kind) == kind)


def _quantities(key: str, quota: Quota) -> Iterator[tuple[str, str]]:
    if not quota.kind:
        yield f"{key}.kind", "required"
    yield from _within(f"{key}.nominal", quota.nominal, 0, QUANTITY_MAX)
    if quota.borrowing_limit is not None:
        yield from _within(f"{key}.borrowing_limit", quota.borrowing_limit, 0, QUANTITY_MAX)
    if quota.lending_limit is not None:
        yield from _within(f"{key}.lending_limit", quota.lending_limit, 0, QUANTITY_MAX)


def _modes(policy: Policy) -> Iterator[tuple[str, str]]:
    yield from _within("fair_share.half_life_us", policy.fair_share.half_life_us, 1_000_000, _DURATION_US_MAX)
    yield from _within("backfill.depth", policy.backfill.depth, 1, _DEPTH_MAX)
    preemption = policy.preemption
    yield from _within("preemption.patience_us", preemption.patience_us, 0, _DURATION_US_MAX)
    yield from _within("preemption.run_min_us", preemption.run_min_us, 0, _DURATION_US_MAX)
    yield from _within("preemption.restarts_max", preemption.restarts_max, 0, 1_000)
    yield from _within("preemption.victims_max", preemption.victims_max, 1, 1_000)
    for name in policy.objective.__struct_fields__:
        yield from _within(f"objective.{name}", getattr(policy.objective, name), 0, OBJECTIVE_WEIGHT_MAX)


def _within(where: str, value: int, least: int, most: int) -> Iterator[tuple[str, str]]:
    if not least <= value <= most:
        yield where, f"{value} is outside {least} to {most}"


def _duplicates(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(where, name) pairs: every name but the first of its kind."""
    first: dict[str, str] = {}
    for where, name in names:
        if name in first:
            yield where, f"{name!r} is given twice; first in {first[name]}"
        first.setdefault(name, where)
