"""What was read of a document, as the policy that the core decides by, and as rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hanse.core.model import limits
from hanse.core.model.jobs import DEFAULT_TIER
from hanse.core.model.resources import is_known_kind, resources
from hanse.core.policy.model import (
    DEFAULT_TIERS,
    Backfill,
    Cohort,
    FairShare,
    Flavour,
    Objective,
    Policy,
    Preemption,
    Queue,
    Quota,
    Tenant,
    Tier,
)
from hanse.core.policy.problems import problems as policy_problems
from hanse.policies import units
from hanse.policies.costs import conversion_cost
from hanse.policies.expressions import Expression, ExpressionError, compiled, unguarded_labels
from hanse.policies.places import Path, Span
from hanse.policies.problems import Findings, meant, nearest, path_of
from hanse.policies.reading import BAD
from hanse.policies.rules import Limits, Rule, Then
from hanse.policies.schema import (
    DOCUMENT,
    Field,
    Kind,
    ListOf,
    Quantity,
    Required,
    Table,
    TableOf,
    TablesOf,
)

# What a document calls a field of the policy whose name has its unit.
_RENAMED = {
    "share_permille": "share",
    "wait_max_us": "wait_max",
    "half_life_us": "half_life",
    "patience_us": "patience",
    "run_min_us": "run_min",
}


_AMOUNTS = ("nominal", "borrowing_limit", "lending_limit")
_NEED_NOMINAL = ("lending_limit", "borrowing_limit")
# Nobody can write these names, so that nothing refers to them.
_NAMELESS = "?"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a document can be held against besides itself; None: not known here."""

    regions: tuple[str, ...] | None = None
    resource_kinds: frozenset[str] | None = None


class Mapper:
    """Makes a policy and its rules of what was read, and finds what contradicts itself."""

    def __init__(self, findings: Findings, world: World) -> None:
        self._findings = findings
        self._world = world
        # Queues that some rule leads to; known once the rules are read, which comes first.
        self._queues_of_rules: frozenset[str] = frozenset()

    def policy(self, read: dict[str, Any]) -> Policy:
        """The policy. Where something was wrong the default stands in its place, so that the rest can be judged."""
        self._quantities(read)
        read = _patched(read, DOCUMENT)
        policy = Policy(
            tiers=DEFAULT_TIERS if read["tiers"] is None else tuple(map(_tier, read["tiers"])),
            tenants=tuple(Tenant(**each) for each in read["tenants"]),
            flavours=tuple(Flavour(**each) for each in read["flavours"]),
            cohorts=tuple(_with_quotas(Cohort, each) for each in read["cohorts"]),
            queues=tuple(_with_quotas(Queue, each) for each in read["queues"]),
            fair_share=_timed(FairShare, read["fair_share"]),
            backfill=Backfill(**read["backfill"]),
            preemption=_timed(Preemption, read["preemption"]),
            objective=Objective(**read["objective"]),
        )
        self._contradictions(policy)
        return policy

    def _contradictions(self, policy: Policy) -> None:
        found = [(_document_path(where), why) for where, why in policy_problems(policy)]
        for path, why in found:
            # What stands in for something wrong may contradict others.
            if not self._findings.seen(path[:-1] if path[-1] in _NEED_NOMINAL else path):
                self._findings.at_value(path, why, _hint(policy, path, why))
        self._lonely_queues(policy)

    def _lonely_queues(self, policy: Policy) -> None:
        members = Counter(queue.cohort for queue in policy.queues)
        declared = [cohort.name for cohort in policy.cohorts]
        for index, queue in enumerate(policy.queues):
            if queue.cohort and members[queue.cohort] == 1 and queue.cohort not in declared:
                others = [name for name in (*declared, *members) if name not in ("", queue.cohort)]
                message = f"nobody else is in the cohort {queue.cohort!r}"
                hint = nearest(queue.cohort, others)
                self._findings.at_value(("queues", index, "cohort"), message, hint, severity="warning")
            if not queue.tenants and queue.name not in self._queues_of_rules:
                message = f"no job comes into the queue {queue.name!r}"
                hint = "give it `tenants`, or a rule with `then.queue`"
                self._findings.at_key(("queues", index), message, hint, severity="warning")

    # --- quantities -----------------------------------------------------------------------------------------------

    def _quantities(self, read: dict[str, Any]) -> None:
        for name in ("cohorts", "queues"):
            for number, owner in enumerate(_entries(read[name])):
                for index, quota in enumerate(_entries(owner["quotas"])):
                    self._quota(quota, (name, number, "quotas", index))

    def _quota(self, quota: dict[str, Any], path: Path) -> None:
        kind = quota["kind"]
        if kind is BAD:
            # What its amounts mean cannot be told.
            quota.update(dict.fromkeys(_AMOUNTS, BAD))
            return
        self._known_kind(kind, (*path, "kind"))
        for name in _AMOUNTS:
            if quota[name] is not None and quota[name] is not BAD:
                quota[name] = self._amount(kind, quota[name], (*path, name))

    def _known_kind(self, kind: str, path: Path) -> None:
        known = self._world.resource_kinds
        if known is not None and not is_known_kind(kind, known):
            hint = meant(kind, ("cpu", "memory", "gpu", "npu", "bandwidth", "power", *sorted(known)))
            self._findings.at_value(path, f"there is no kind of resource `{kind}` here", hint)

    def _amount(self, kind: str, given: int | str, path: Path) -> Any:
        amount = units.quantity(kind, given) if isinstance(given, str) else given
        if amount is None:
            message = f'"{given}" is no quantity of {kind}'
            self._findings.at_value(path, message, units.units_hint(kind))
            return BAD
        if not 0 <= amount <= limits.QUANTITY_MAX:
            self._findings.at_value(path, f"{amount:,} is outside 0 to {limits.QUANTITY_MAX:,}")
            return BAD
        if isinstance(given, int):
            self._doubt(kind, given, path)
        return amount

    def _doubt(self, kind: str, given: int, path: Path) -> None:
        """A small number of what is counted in thousandths is seldom meant."""
        base = kind.split("/", 1)[0]
        if base in ("cpu", "gpu", "npu") and 0 < given < 1_000:
            unit = "cores" if base == "cpu" else "devices"
            message = f"{given} {units.PLAIN_UNITS[base]}: less than one"
            hint = f'if you mean {given} {unit}, write "{given} {unit}" or {given * 1000:_}'
            self._findings.at_value(path, message, hint, severity="warning")

    # --- rules ----------------------------------------------------------------------------------------------------

    def rules(self, read: dict[str, Any]) -> tuple[Rule, ...]:
        """The rules, as far as they are right."""
        entries = _entries(read["rules"])
        self._duplicates(entries)
        tiers = [tier.name for tier in DEFAULT_TIERS]
        if read["tiers"] is not None:
            tiers = [each["name"] for each in _entries(read["tiers"]) if each["name"] is not BAD]
        queues = [each["name"] for each in _entries(read["queues"]) if each["name"] is not BAD]
        self._queues_of_rules = frozenset(
            each["then"]["queue"]
            for each in entries
            if isinstance(each["then"], dict) and each["then"]["queue"]
        )
        rules: list[Rule] = []
        for index, entry in enumerate(entries):
            path: Path = ("rules", index)
            expression = self._expression(entry["when"], (*path, "when"))
            then = self._then(entry["then"], (*path, "then"), tiers, queues)
            if expression is not None and then is not None and entry["name"] is not BAD:
                rules.append(Rule(entry["name"], expression, then))
        self._total_cost(rules)
        self._default_tier(tiers, rules)
        return tuple(rules)

    def _duplicates(self, entries: list[dict[str, Any]]) -> None:
        first: dict[str, int] = {}
        for index, entry in enumerate(entries):
            name = entry["name"]
            if name is BAD:
                continue
            if name in first:
                line, _ = self._findings.places.line_and_column(
                    self._findings.places.nearest(("rules", first[name])).key.start
                )
                self._findings.at_value(
                    ("rules", index, "name"), f"{name!r} is the rule of line {line} already"
                )
            first.setdefault(name, index)

    def _expression(self, text: Any, path: Path) -> Expression | None:
        if text is BAD:
            return None
        offsets = self._findings.places.nearest(path).offsets
        try:
            expression = compiled(text)
        except ExpressionError as error:
            for mistake in error.mistakes:
                span = _span(offsets, mistake.start, mistake.width)
                self._findings.add(path, span, mistake.message, mistake.hint)
            return None
        for label in unguarded_labels(expression):
            start = max(0, text.find(label))
            message = f"a job without the label {label!r} has no value here, and would be refused"
            hint = f'ask first: "{label}" in job.labels && ...'
            self._findings.add(path, _span(offsets, start, len(label)), message, hint, severity="warning")
        return expression

    def _then(self, read: Any, path: Path, tiers: list[str], queues: list[str]) -> Then | None:
        if read is BAD or any(value is BAD for value in read.values()):
            return None
        self._known("tier", read["tier"], tiers, (*path, "tier"))
        self._known("queue", read["queue"], queues, (*path, "queue"))
        regions, most, defaults = read["regions"], read["limits"], read["defaults"]
        self._known("tier", defaults["tier"], tiers, (*path, "defaults", "tier"))
        for names, below in (
            (regions["allow"], (*path, "regions", "allow")),
            (regions["deny"], (*path, "regions", "deny")),
            (defaults["prefer"], (*path, "defaults", "prefer")),
        ):
            self._known_regions(names, below)
        quantities = self._limits(most["resources"], (*path, "limits", "resources"))
        if BAD in (*regions.values(), *defaults.values(), *most.values()) or quantities is None:
            return None
        then = Then(
            tier=read["tier"],
            queue=read["queue"],
            allow=regions["allow"],
            deny=regions["deny"],
            limits=Limits(
                resources=resources(quantities),
                tasks=most["tasks"],
                runtime_us=most["runtime"],
                priority=most["priority"],
            ),
            default_tier=defaults["tier"],
            default_priority=defaults["priority"],
            default_runtime_us=defaults["runtime_estimate"],
            default_prefer=defaults["prefer"],
            refuse=read["refuse"],
        )
        if then == Then():
            hint = "give it tier, queue, regions, limits, defaults or refuse"
            self._findings.at_key(path, "this rule does nothing", hint)
        return then

    def _limits(self, given: Any, path: Path) -> dict[str, int] | None:
        if given is BAD:
            return None
        read: dict[str, int] = {}
        for kind, value in dict(given).items():
            self._known_kind(kind, (*path, kind))
            amount = BAD if value is BAD else self._amount(kind, value, (*path, kind))
            if amount == 0:
                # A vector holds no zeros, and a limit of nothing is a refusal.
                self._findings.at_value((*path, kind), "a limit of 0", "say `refuse` instead")
                amount = BAD
            if amount is BAD:
                return None
            read[kind] = amount
        return read

    def _known(self, what: str, name: Any, names: list[str], path: Path) -> None:
        if name and name is not BAD and name not in names:
            self._findings.at_value(path, f"there is no {what} {name!r}", meant(name, names, f"{what}s"))

    def _known_regions(self, names: Any, path: Path) -> None:
        known = self._world.regions
        if names is BAD or known is None:
            return
        for index, name in enumerate(names):
            if name is not BAD and name not in known:
                message = f"there is no region {name!r} in the roster"
                self._findings.at_value((*path, index), message, meant(name, known))

    def _total_cost(self, rules: Sequence[Rule]) -> None:
        read = {name for rule in rules for name in rule.when.reads}
        total = sum(rule.when.own_cost for rule in rules) + conversion_cost(sorted(read))
        if total > limits.POLICY_COST_MAX:
            message = f"all rules together may cost {total:,} units a job; at most {limits.POLICY_COST_MAX:,}"
            self._findings.at_key(("rules",), message, "the loops over labels and data sets cost most")

    def _default_tier(self, tiers: list[str], rules: Iterable[Rule]) -> None:
        given = any(rule.then.tier or rule.then.default_tier for rule in rules)
        if tiers and DEFAULT_TIER not in tiers and not given:
            message = f"no tier is called {DEFAULT_TIER!r}, and jobs that name none are of that one: they are refused"
            hint = 'a rule with `when = "true"` and `then.defaults.tier` gives them another'
            self._findings.at_key(("tiers",), message, hint, severity="warning")


def _span(offsets: tuple[int, ...], start: int, width: int) -> Span:
    """The part of the document in which these characters of a text stand."""
    last = len(offsets) - 1
    return Span(offsets[min(start, last)], offsets[min(start + width, last)])


def _entries(read: Any) -> list[dict[str, Any]]:
    """Those tables of an array that could be read."""
    return [] if read is BAD or read is None else list(read)


def _patched(read: dict[str, Any], table: Table) -> dict[str, Any]:
    """With defaults, or what is harmless, in place of what is BAD."""
    return {
        field.name: _stand_in(field)
        if read[field.name] is BAD
        else _patched_value(read[field.name], field.kind)
        for field in table.fields
    }


def _stand_in(field: Field) -> Any:
    if isinstance(field.kind, TableOf):
        return _patched(dict.fromkeys(field.kind.table.names, BAD), field.kind.table)
    if isinstance(field.default, Required):
        return 0 if isinstance(field.kind, Quantity) else _NAMELESS
    return () if isinstance(field.kind, TablesOf) else field.default


def _patched_value(value: Any, kind: Kind) -> Any:
    match kind:
        case TableOf():
            return _patched(value, kind.table)
        case TablesOf() if value is not None:
            return tuple(_patched(each, kind.table) for each in value)
        case ListOf():
            return tuple(_NAMELESS if each is BAD else each for each in value)
        case _:
            return value


def _document_path(where: str) -> Path:
    return tuple(_RENAMED.get(part, part) if isinstance(part, str) else part for part in path_of(where))


def _tier(read: dict[str, Any]) -> Tier:
    return Tier(
        name=read["name"],
        share_permille=read["share"],
        wait_max_us=read["wait_max"],
        preemptible_by=read["preemptible_by"],
    )


def _with_quotas(kind: Any, read: dict[str, Any]) -> Any:
    return kind(**(read | {"quotas": tuple(Quota(**quota) for quota in read["quotas"])}))


def _timed(kind: Any, read: dict[str, Any]) -> Any:
    """With the unit back in the names of durations."""
    names = {short: long for long, short in _RENAMED.items()}
    return kind(**{names.get(name, name): value for name, value in read.items()})


def _hint(policy: Policy, path: Path, why: str) -> str:
    """What would be right, for what names something that is not there."""
    if not why.startswith("no "):
        return ""
    kind, _, name = why.removeprefix("no ").partition(" ")
    names = {
        "tier": policy.tier_names,
        "cohort": tuple(cohort.name for cohort in policy.cohorts),
        "flavour": tuple(flavour.name for flavour in policy.flavours),
    }.get(kind)
    return "" if names is None else meant(name.strip("'"), names, f"{kind}s")
