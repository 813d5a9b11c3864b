"""What the rules of a policy make of a submission.

Every rule sees what the caller asked for, not what rules before it made of that; so only the order of the results
matters, and it is simple. Of all rules that are true for a job, in the order of the document:

    tier, queue, each default   the first that gives one counts
    regions                     all count: what every one of them allows, less what any denies
    limits, refuse              all count: the first that is broken is the reason

A rule that has no value for a job (it reads a label that the job lacks) refuses the job: whoever wrote a limit did not
mean it to end where a label is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from hanse.core.model import limits
from hanse.core.model.jobs import Ruled, Shape, Submission, make_shape
from hanse.core.model.resources import Resources
from hanse.core.replies import Refused
from hanse.policies.expressions import Expression, NotEvaluated, activation
from hanse.policies.units import duration_text, quantity_text
from hanse.policies.vocabulary import BY_NAME

K = TypeVar("K")
V = TypeVar("V")

_HOUR_US = 3_600_000_000
_MINUTE_US = 60_000_000
_DAY_US = 24 * _HOUR_US
# 1 January 1970 was a Thursday.
_EPOCH_WEEKDAY = 3
_GIB = 1 << 30


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a job may ask for at most; None: anything."""

    resources: Resources = ()
    tasks: int | None = None
    runtime_us: int | None = None
    priority: int | None = None


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule does. Empty: nothing."""

    tier: str = ""
    queue: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    limits: Limits = Limits()
    default_tier: str = ""
    default_priority: int | None = None
    default_runtime_us: int | None = None
    default_prefer: tuple[str, ...] = ()
    refuse: str = ""


class Rule(msgspec.Struct, frozen=True):
    """A rule, ready to be evaluated."""

    name: str
    when: Expression
    then: Then


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a spec says that its shape does not: labels (sorted), kind, and the tier that it names, if any."""

    labels: tuple[tuple[str, str], ...] = ()
    kind: str = "batch"
    tier: str = ""


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """What rules can know of the region."""

    name: str
    datasets: tuple[str, ...] = ()
    price: int = 1_000
    power: int = 1_000


class Rulebook:
    """The rules of one version of the policy. Remembers its rulings: jobs that differ in nothing that any rule reads
    are ruled once."""

    def __init__(self, version: int, rules: tuple[Rule, ...], here: Here) -> None:
        self.version = version
        self.rules = rules
        self._here = here
        self._reads = tuple(sorted({name for rule in rules for name in rule.when.reads}))
        self._verdicts: dict[tuple[object, ...], tuple[Rule, ...] | Refused] = {}
        self._shapes: dict[tuple[bytes, tuple[str, ...], str], Shape | Refused] = {}
        # How many times expressions were evaluated for a job, for the metrics and for whoever takes turns.
        self.evaluated = 0

    def rule(self, submission: Submission, facts: Facts, wall_us: int) -> Submission | Refused:
        """The submission as the rules have it, or why they refuse it."""
        verdict = self._verdict(submission, facts, wall_us)
        if isinstance(verdict, Refused):
            return verdict
        if not verdict:
            return msgspec.structs.replace(submission, policy_version=self.version)
        names = tuple(rule.name for rule in verdict)
        key = (submission.shape.key, names, facts.tier)
        shape = self._shapes.get(key)
        if shape is None:
            shape = _kept(self._shapes, key, ruled_shape(submission.shape, facts, verdict, self.version))
        if isinstance(shape, Refused):
            return shape
        return msgspec.structs.replace(
            submission,
            shape=shape,
            policy_version=self.version,
            ruled=f"policy {self.version}: {', '.join(names)}",
        )

    def _verdict(self, submission: Submission, facts: Facts, wall_us: int) -> tuple[Rule, ...] | Refused:
        """The rules that are true for the job."""
        key = tuple(_value(name, submission, facts, self._here, wall_us) for name in self._reads)
        known = self._verdicts.get(key)
        if known is not None:
            return known
        self.evaluated += 1
        values = activation({name: _plain(name, value) for name, value in zip(self._reads, key, strict=True)})
        true: list[Rule] = []
        verdict: tuple[Rule, ...] | Refused | None = None
        for rule in self.rules:
            result = rule.when.evaluate(values)
            if isinstance(result, NotEvaluated):
                message = f"has no value for this job: {result.why}"
                verdict = _refused("spec", rule, self.version, message)
                break
            if result:
                true.append(rule)
        return _kept(self._verdicts, key, tuple(true) if verdict is None else verdict)


def _kept(memo: dict[K, V], key: K, value: V) -> V:
    if len(memo) >= limits.RULING_MEMO_ENTRIES_MAX:
        memo.clear()
    memo[key] = value
    return value


def ruled_shape(shape: Shape, facts: Facts, rules: tuple[Rule, ...], version: int) -> Shape | Refused:
    """The shape as these rules, which are true for the job, have it; or which of them refuses it, and why."""
    body = shape.body
    tier = _first(rule.then.tier for rule in rules)
    if not tier:
        tier = body.tier if facts.tier else _first(rule.then.default_tier for rule in rules) or body.tier
    priority = body.priority or next(
        (each.then.default_priority for each in rules if each.then.default_priority is not None), 0
    )
    runtime_us = body.runtime_estimate_us or next(
        (each.then.default_runtime_us for each in rules if each.then.default_runtime_us is not None), 0
    )
    prefer = body.regions_prefer or next(
        (each.then.default_prefer for each in rules if each.then.default_prefer), ()
    )
    for rule in rules:
        refused = _broken(rule, shape, priority, runtime_us, version)
        if refused is not None:
            return refused
    regions = _regions(shape, rules, version)
    if isinstance(regions, Refused):
        return regions
    allow, deny = regions
    return make_shape(
        msgspec.structs.replace(
            body,
            tier=tier,
            priority=priority,
            runtime_estimate_us=runtime_us,
            regions_allow=allow,
            regions_deny=deny,
            regions_prefer=prefer,
            ruled=Ruled(queue=_first(rule.then.queue for rule in rules)),
        )
    )


def _regions(
    shape: Shape, rules: tuple[Rule, ...], version: int
) -> tuple[tuple[str, ...], tuple[str, ...]] | Refused:
    """(allow, deny)"""
    allow, deny = shape.body.regions_allow, shape.body.regions_deny
    for rule in rules:
        then = rule.then
        if then.allow:
            allow = tuple(each for each in allow or then.allow if each in then.allow)
        deny += tuple(each for each in then.deny if each not in deny)
        if (then.allow or (then.deny and allow)) and not [each for each in allow if each not in deny]:
            return _refused("spec.regions", rule, version, "leaves none of the regions that the job allows")
    return allow, deny


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _broken(rule: Rule, shape: Shape, priority: int, runtime_us: int, version: int) -> Refused | None:
    """Which limit of this rule the job breaks."""
    most = rule.then.limits
    if rule.then.refuse:
        return _refused("spec", rule, version, rule.then.refuse)
    for kind, quantity in most.resources:
        asked = _asked(shape, kind)
        if asked > quantity:
            message = f"{kind}: {quantity_text(kind, asked)}; at most {quantity_text(kind, quantity)}"
            return _refused("spec.groups", rule, version, message)
    if most.tasks is not None and shape.task_count > most.tasks:
        return _refused("spec.groups", rule, version, f"{shape.task_count:,} tasks; at most {most.tasks:,}")
    if most.priority is not None and priority > most.priority:
        return _refused("spec.priority", rule, version, f"priority {priority}; at most {most.priority}")
    if most.runtime_us is not None and not runtime_us:
        message = f"it must say how long it runs, at most {duration_text(most.runtime_us)}"
        return _refused("spec.runtime_estimate", rule, version, message)
    if most.runtime_us is not None and runtime_us > most.runtime_us:
        message = f"{duration_text(runtime_us)}; at most {duration_text(most.runtime_us)}"
        return _refused("spec.runtime_estimate", rule, version, message)
    return None


def _asked(shape: Shape, kind: str) -> int:
    """All of this kind; a plain kind counts all its models ("gpu" also "gpu/a100")."""
    return sum(amount for each, amount in shape.total if each == kind or each.startswith(f"{kind}/"))


def _refused(field: str, rule: Rule, version: int, message: str) -> Refused:
    return Refused("INVALID", field, f"{message} (rule {rule.name!r} of policy {version})")


# --- what expressions read --------------------------------------------------------------------------------------------


def _value(name: str, submission: Submission, facts: Facts, here: Here, wall_us: int) -> object:
    """A variable's value, hashable."""
    scope, _, word = name.partition(".")
    if scope == "now":
        return _of_now(word, wall_us)
    if scope == "region":
        value: object = getattr(here, word)
        return value
    return _of_job(word, submission, facts)


def _of_now(word: str, wall_us: int) -> int:
    match word:
        case "hour":
            return wall_us // _HOUR_US % 24
        case "minute":
            return wall_us // _MINUTE_US % 60
        case _:
            return (wall_us // _DAY_US + _EPOCH_WEEKDAY) % 7 + 1


def _of_job(word: str, submission: Submission, facts: Facts) -> object:
    shape = submission.shape
    body = shape.body
    match word:
        case "name":
            return submission.name
        case "tenant":
            return submission.tenant
        case "tier" | "kind" | "labels":
            value: object = getattr(facts, word)
            return value
        case "priority":
            return body.priority
        case "gpus" | "npus" | "cpus":
            return -(-_asked(shape, word.removesuffix("s")) // 1_000)
        case "memory_gib":
            return -(-_asked(shape, "memory") // _GIB)
        case "resources":
            return shape.total
        case "tasks":
            return shape.task_count
        case "groups":
            return len(body.groups)
        case "runtime_s":
            return -(-body.runtime_estimate_us // 1_000_000)
        case "retries":
            return submission.retries_max
        case "datasets":
            return body.datasets
        case _:
            assert word == "regions", word
            return body.regions_allow


def _plain(name: str, value: object) -> object:
    """As the library takes it."""
    if not isinstance(value, tuple):
        return value
    return dict(value) if BY_NAME[name].type.startswith("map") else list(value)


def facts_of(labels: Mapping[str, str], kind: str, tier: str) -> Facts:
    """The facts of a spec."""
    return Facts(labels=tuple(sorted(labels.items())), kind=kind, tier=tier)
