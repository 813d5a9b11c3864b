"""What a policy document may say: its tables, their fields, and what each means. docs/policy.md is made from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hanse.core.model import limits
from hanse.core.model.selectors import SelectorError, parse_selector
from hanse.core.policy.model import (
    DEFAULT_POLICY,
    Backfill,
    FairShare,
    Objective,
    Preemption,
    Queue,
    Tenant,
    Tier,
)

_SECOND_US = 1_000_000
_YEAR_US = 366 * 86_400 * _SECOND_US
_WEIGHT_MAX = 1_000_000


class Required:
    """Stands where a field has no default."""


REQUIRED = Required()


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a syntax; `what` names that in words. `check` says what is wrong with one that has it."""

    what: str
    syntax: re.Pattern[str]
    length_max: int = limits.NAME_LENGTH_MAX
    check: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """A time, as "15m" or "1h30m"; read as microseconds."""

    least_us: int = 0
    most_us: int = _YEAR_US


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, as "95%"; read as thousandths."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Of a kind of resource, which another field names: a whole number, or a text with its unit."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A CEL expression that is true or false."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array of values of one type."""

    item: Text
    length_max: int = limits.POLICY_ENTRIES_MAX


@dataclass(frozen=True, slots=True)
class MapOf:
    """A table with keys of the operator's."""

    key: Text
    value: Quantity


@dataclass(frozen=True, slots=True)
class TableOf:
    """A table with these fields."""

    table: Table


@dataclass(frozen=True, slots=True)
class TablesOf:
    """An array of tables with these fields."""

    table: Table
    length_max: int = limits.POLICY_ENTRIES_MAX


Kind = (
    Text
    | Number
    | Flag
    | Choice
    | Duration
    | Share
    | Quantity
    | Expression
    | ListOf
    | MapOf
    | TableOf
    | TablesOf
)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a table. `default` REQUIRED: it must be given; None: absent."""

    name: str
    kind: Kind
    default: Any
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of a table. `elsewhere`: words that people may look for here, and what to do instead."""

    what: str
    fields: tuple[Field, ...]
    elsewhere: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its fields, in order."""
        return tuple(field.name for field in self.fields)


def _selector_problem(text: str) -> str:
    try:
        parse_selector(text)
    except SelectorError as error:
        return f"column {error.column}: {error.message}"
    return ""


def _tenant_problem(text: str) -> str:
    levels = text.split("/")
    if len(levels) > limits.TENANT_LEVELS_MAX:
        return f"{len(levels)} levels; at most {limits.TENANT_LEVELS_MAX} (org/team/user)"
    long = [level for level in levels if len(level) > limits.TENANT_LEVEL_LENGTH_MAX]
    return f"a level of more than {limits.TENANT_LEVEL_LENGTH_MAX} characters" if long else ""


_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
NAME = Text("a name ([A-Za-z0-9._-])", re.compile(_WORD))
TENANT = Text(
    'a tenant, as "org", "org/team" or "org/team/user"',
    re.compile(rf"{_WORD}(?:/{_WORD})*"),
    check=_tenant_problem,
)
REGION = Text(
    "the name of a region", re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"), limits.REGION_NAME_LENGTH_MAX
)
RESOURCE_KIND = Text(
    'a kind of resource, as "cpu" or "gpu/a100"',
    re.compile(r"[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?"),
    limits.RESOURCE_KIND_LENGTH_MAX,
)
SELECTOR = Text(
    'a label selector, as "model = a100"',
    re.compile(r"[^\x00-\x1f\x7f]+"),
    limits.CONSTRAINT_LENGTH_MAX,
    _selector_problem,
)
RULE_NAME = Text(
    "a name without control characters", re.compile(r"[^\x00-\x1f\x7f]+"), limits.LABEL_LENGTH_MAX
)
SENTENCE = Text("a line of text", re.compile(r"[^\x00-\x1f\x7f]+"), limits.POLICY_SENTENCE_LENGTH_MAX)
_PRIORITY = Number(-limits.PRIORITY_MAX, limits.PRIORITY_MAX)
_WEIGHT = Number(0, limits.OBJECTIVE_WEIGHT_MAX)

_TIERS = Table(
    "A class of service. The order of the document is the order in which tiers are served.",
    (
        Field("name", NAME, REQUIRED, "What a job's `tier` names."),
        Field(
            "share",
            Share(),
            Tier(name="").share_permille,
            "Of the capacity-time that a job asked for, what it gets in any hour once it was admitted.",
        ),
        Field(
            "wait_max",
            Duration(),
            Tier(name="").wait_max_us,
            "A job that has waited so long goes before all that have not. 0: no promise.",
        ),
        Field("preemptible_by", ListOf(NAME), (), "Tiers whose jobs may take the capacity of this one's."),
    ),
)
_TENANTS = Table(
    "A node of the tenant tree. Tenants that are not listed have weight 1,000, below their path's prefix.",
    (
        Field("name", TENANT, REQUIRED, "Its path."),
        Field("parent", TENANT, "", "Above whom it shares, if that is not its path's prefix."),
        Field("weight", Number(1, _WEIGHT_MAX), Tenant(name="").weight, "Siblings share by weight."),
    ),
)
_FLAVOURS = Table(
    "A part of the region's nodes with quotas of its own.",
    (
        Field("name", NAME, REQUIRED, "What a quota's `flavour` names."),
        Field("constraints", ListOf(SELECTOR, limits.CONSTRAINTS_MAX), (), "Label selectors, all of them."),
    ),
)
_QUOTAS = Table(
    "Of one kind of resource, in one flavour.",
    (
        Field("kind", RESOURCE_KIND, REQUIRED, "What it limits. A kind without a quota is not limited."),
        Field("flavour", NAME, "", "On which nodes; none: on all."),
        Field("nominal", Quantity(), REQUIRED, "What the queue is entitled to."),
        Field("borrowing_limit", Quantity(), None, "What it may use above that; none: all that is there."),
        Field("lending_limit", Quantity(), None, "What of it others may use; none: all of it."),
    ),
)
_COHORTS = Table(
    "Queues and cohorts that lend to each other what they don't use.",
    (
        Field("name", NAME, REQUIRED, "What a queue's `cohort` names."),
        Field("parent", NAME, "", "The cohort that it belongs to."),
        Field("quotas", TablesOf(_QUOTAS), (), "What the cohort has besides what its members have."),
    ),
)
_QUEUE = Queue(name="")
_QUEUES = Table(
    "Where the jobs of some tenants wait.",
    (
        Field("name", NAME, REQUIRED, "What a rule's `queue` names, and explanations call it."),
        Field("tenants", ListOf(TENANT), (), "Whose jobs, and those of all below; the longest path counts."),
        Field("cohort", NAME, "", "With whom it shares."),
        Field("quotas", TablesOf(_QUOTAS), (), "Its own; flavours are tried in this order."),
        Field(
            "within_queue",
            Choice(("never", "lower_priority", "lower_or_newer_equal_priority")),
            _QUEUE.within_queue,
            "Whose capacity in the same queue a job may take.",
        ),
        Field(
            "reclaim_within_cohort",
            Choice(("never", "lower_priority", "any")),
            _QUEUE.reclaim_within_cohort,
            "Whose of the queues that borrow, for a job within the nominal quota.",
        ),
        Field(
            "borrow_within_cohort",
            Choice(("never", "lower_priority")),
            _QUEUE.borrow_within_cohort,
            "The same, for a job that borrows itself.",
        ),
        Field("borrow_priority_max", _PRIORITY, None, "The highest priority of such victims."),
    ),
)
_FAIR = FairShare()
_FAIR_SHARE = Table(
    "How tenants share: by dominant resource, what they hold and what they held.",
    (
        Field(
            "order",
            Choice(("before_priority", "after_priority", "after_expected", "off")),
            _FAIR.order,
            "Whether shares come before or after a job's priority; after_expected: with its expected run time.",
        ),
        Field(
            "half_life",
            Duration(_SECOND_US),
            _FAIR.half_life_us,
            "After this time what was used counts half.",
        ),
    ),
)
_FILL = Backfill()
_BACKFILL = Table(
    "What may overtake a blocked job.",
    (
        Field(
            "mode",
            Choice(("none", "easy", "conservative", "strict")),
            _FILL.mode,
            "easy: what does not delay the first blocked job; conservative: none of the first `depth`.",
        ),
        Field("depth", Number(1, 10_000), _FILL.depth, "Places that conservative backfill plans."),
        Field(
            "runtime",
            Choice(("estimate_first", "predictor_first")),
            _FILL.runtime,
            "Whose word counts first: the user's estimate, or what was learnt.",
        ),
    ),
)
_STOP = Preemption()
_PREEMPTION = Table(
    "When running work may be stopped for waiting work.",
    (
        Field("enabled", Flag(), _STOP.enabled, "Whether at all."),
        Field("patience", Duration(), _STOP.patience_us, "Not for a job that starts by itself within this."),
        Field("run_min", Duration(), _STOP.run_min_us, "Nobody who has run for less."),
        Field("restarts_max", Number(0, 1_000), _STOP.restarts_max, "Nobody who was started so often again."),
        Field("victims_max", Number(1, 1_000), _STOP.victims_max, "Not more jobs for one."),
        Field(
            "move_for_gangs",
            Flag(),
            _STOP.move_for_gangs,
            "Whether restartable jobs of tiers that may be preempted move to other regions that have room for them, so "
            "that a gang can start.",
        ),
    ),
)
_GOAL = Objective()
_OBJECTIVE = Table(
    "What counts for how much where a job could go to several regions. Weights compare with each other: the "
    "region with the smallest sum is asked.",
    (
        Field("wait", _WEIGHT, _GOAL.wait, "Each second of predicted wait."),
        Field(
            "locality",
            _WEIGHT,
            _GOAL.locality,
            "Each data set of the job that the region lacks, as a minute.",
        ),
        Field(
            "price",
            _WEIGHT,
            _GOAL.price,
            "Each tenth of the price above or below the neutral one, as a minute.",
        ),
        Field("power", _WEIGHT, _GOAL.power, "The same of power."),
    ),
    elsewhere=(
        ("fairness", "shares are compared before anything else is weighed: see [fair_share]"),
        ("utilisation", "placement packs by rule, not by weight: docs/placement.md"),
        ("fragmentation", "placement packs by rule, not by weight: docs/placement.md"),
    ),
)
_REGIONS = Table(
    "In which regions the job may run.",
    (
        Field("allow", ListOf(REGION, limits.REGION_PREFERENCES_MAX), (), "Only these, of those it allows."),
        Field("deny", ListOf(REGION, limits.REGION_PREFERENCES_MAX), (), "Not these either."),
    ),
)
_LIMITS = Table(
    "What a job may ask for at most; one that asks for more is refused when it is submitted.",
    (
        Field("resources", MapOf(RESOURCE_KIND, Quantity()), (), "All its tasks together, by kind."),
        Field("tasks", Number(1, limits.GROUPS_MAX * limits.GROUP_TASKS_MAX), None, "Tasks in all groups."),
        Field("runtime", Duration(1), None, "Its `runtime_estimate`, which it must give then."),
        Field("priority", _PRIORITY, None, "Its priority."),
    ),
)
_DEFAULTS = Table(
    "What counts where the job itself says nothing.",
    (
        Field("tier", NAME, "", "Its tier."),
        Field("priority", _PRIORITY, None, "Its priority, if that is 0."),
        Field("runtime_estimate", Duration(1, limits.RUNTIME_ESTIMATE_US_MAX), None, "Its estimate."),
        Field("prefer", ListOf(REGION, limits.REGION_PREFERENCES_MAX), (), "Regions to try first, in order."),
    ),
)
_THEN = Table(
    "What happens to a job for which `when` is true.",
    (
        Field("tier", NAME, "", "Its tier, whatever it asked for."),
        Field("queue", NAME, "", "Where it waits and whose quota it uses, instead of its tenant's queue."),
        Field("regions", TableOf(_REGIONS), None, _REGIONS.what),
        Field("limits", TableOf(_LIMITS), None, _LIMITS.what),
        Field("defaults", TableOf(_DEFAULTS), None, _DEFAULTS.what),
        Field("refuse", SENTENCE, "", "It is refused, with this as the reason."),
    ),
)
_RULES = Table(
    "What happens to jobs that an expression is true for, when they are submitted in this region.",
    (
        Field("name", RULE_NAME, REQUIRED, "What reasons call it; spaces are fine."),
        Field("when", Expression(), REQUIRED, "A CEL expression that is true or false."),
        Field("then", TableOf(_THEN), REQUIRED, _THEN.what),
    ),
)
DOCUMENT = Table(
    "A policy.",
    (
        Field("tiers", TablesOf(_TIERS), None, _TIERS.what),
        Field("tenants", TablesOf(_TENANTS), (), _TENANTS.what),
        Field("flavours", TablesOf(_FLAVOURS), (), _FLAVOURS.what),
        Field("cohorts", TablesOf(_COHORTS), (), _COHORTS.what),
        Field("queues", TablesOf(_QUEUES), (), _QUEUES.what),
        Field("rules", TablesOf(_RULES, limits.POLICY_RULES_MAX), (), _RULES.what),
        Field("fair_share", TableOf(_FAIR_SHARE), None, _FAIR_SHARE.what),
        Field("backfill", TableOf(_BACKFILL), None, _BACKFILL.what),
        Field("preemption", TableOf(_PREEMPTION), None, _PREEMPTION.what),
        Field("objective", TableOf(_OBJECTIVE), None, _OBJECTIVE.what),
    ),
    elsewhere=(("version", "the ledger counts the versions: leave it out"),),
)
assert DEFAULT_POLICY.objective == _GOAL
