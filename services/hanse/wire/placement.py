"""Placement rules: protobuf <-> model, checked field by field, in specs and in offers of peers alike."""

from __future__ import annotations

from hanse.core.model import limits
from hanse.core.model.resources import Resources, resources
from hanse.core.model.rules import (
    NODE_LEVEL,
    Affinity,
    Alternative,
    Island,
    Preference,
    Rules,
    Spread,
    Within,
)
from hanse.core.model.selectors import SelectorError, parse_selector
from hanse.wire import checks
from hanse.wire.checks import FieldRefused, echo
from hanse.wire.gen.hanse.v1 import placement_pb2

_NO_RULES = Rules()


def decode_rules(field: str, message: placement_pb2.PlacementRules, tenant: str) -> Rules | None:
    """The rules; None: they say nothing. Raises FieldRefused. Kinds of resources are not looked up (see specs.py)."""
    for name, count, most in (
        ("alternatives", len(message.alternatives), limits.ALTERNATIVES_MAX),
        ("preferences", len(message.preferences), limits.PREFERENCES_MAX),
        ("tolerations", len(message.tolerations), limits.TOLERATIONS_MAX),
        ("affinities", len(message.affinities), limits.AFFINITIES_MAX),
    ):
        checks.check_length(f"{field}.{name}", count, most, name)
    rules = Rules(
        alternatives=tuple(
            _alternative(f"{field}.alternatives[{at}]", each) for at, each in enumerate(message.alternatives)
        ),
        preferences=tuple(
            _preference(f"{field}.preferences[{at}]", each) for at, each in enumerate(message.preferences)
        ),
        tolerations=tuple(
            _toleration(f"{field}.tolerations[{at}]", each) for at, each in enumerate(message.tolerations)
        ),
        affinities=tuple(
            _affinity(f"{field}.affinities[{at}]", each, tenant) for at, each in enumerate(message.affinities)
        ),
        within=decode_within(f"{field}.within", message.within) if message.HasField("within") else None,
        spread=_spread(f"{field}.spread", message.spread) if message.HasField("spread") else None,
        island=_island(f"{field}.island", message.island) if message.HasField("island") else None,
    )
    return rules if rules != _NO_RULES else None


def decode_within(field: str, message: placement_pb2.Within) -> Within:
    """A wish for one domain."""
    return Within(_level(f"{field}.level", message.level), message.required)


def encode_rules(rules: Rules) -> placement_pb2.PlacementRules:
    """The inverse of decode_rules, but for the tenant."""
    message = placement_pb2.PlacementRules(
        alternatives=[
            placement_pb2.Alternative(resources=dict(each.resources), constraints=each.constraints)
            for each in rules.alternatives
        ],
        preferences=[
            placement_pb2.Preference(selector=each.selector, weight=each.weight) for each in rules.preferences
        ],
        tolerations=rules.tolerations,
        affinities=[
            placement_pb2.Affinity(job_name=each.name, level=each.level, apart=each.apart, weight=each.weight)
            for each in rules.affinities
        ],
    )
    if rules.within is not None:
        message.within.CopyFrom(encode_within(rules.within))
    if rules.spread is not None:
        message.spread.CopyFrom(
            placement_pb2.Spread(level=rules.spread.level, tasks_max=rules.spread.tasks_max)
        )
    if rules.island is not None:
        message.island.CopyFrom(
            placement_pb2.Island(level=rules.island.level, required=rules.island.required)
        )
    return message


def encode_within(within: Within) -> placement_pb2.Within:
    """The inverse of decode_within."""
    return placement_pb2.Within(level=within.level, required=within.required)


def check_quantities(field: str, quantities: dict[str, int]) -> Resources:
    """What one task needs: bounded kinds, each a quantity that one task can have."""
    if not quantities:
        raise FieldRefused(field, "required: what one task needs, such as cpu = 1000")
    checks.check_length(field, len(quantities), limits.RESOURCE_KINDS_PER_TASK_MAX, "kinds")
    for kind, quantity in sorted(quantities.items()):
        at = f"{field}[{echo(kind)}]"
        checks.check_text(
            at, kind, limits.RESOURCE_KIND_LENGTH_MAX, checks.RESOURCE_KIND, "a kind of resource"
        )
        checks.check_range(at, quantity, 1, limits.QUANTITY_MAX)
        device = kind.split("/", 1)[0] in _DEVICE_KINDS
        if device and quantity > limits.DEVICE_UNIT and quantity % limits.DEVICE_UNIT:
            raise FieldRefused(
                at,
                f"{quantity} thousandths: less than one device, or whole ones (multiples of {limits.DEVICE_UNIT})",
            )
    return resources(quantities)


# Kinds that come in whole devices above one, plain or by model.
_DEVICE_KINDS = ("gpu", "npu")


def check_constraints(field: str, constraints: tuple[str, ...]) -> tuple[str, ...]:
    """Label selectors that can be parsed."""
    checks.check_length(field, len(constraints), limits.CONSTRAINTS_MAX, "constraints")
    for index, constraint in enumerate(constraints):
        _check_selector(f"{field}[{index}]", constraint)
    return constraints


def _check_selector(field: str, selector: str) -> None:
    if len(selector) > limits.CONSTRAINT_LENGTH_MAX:
        raise FieldRefused(field, f"more than {limits.CONSTRAINT_LENGTH_MAX} characters")
    try:
        parse_selector(selector)
    except SelectorError as error:
        raise FieldRefused(field, f"{echo(selector)!r}, column {error.column}: {error.message}") from error


def _alternative(field: str, message: placement_pb2.Alternative) -> Alternative:
    return Alternative(
        check_quantities(f"{field}.resources", dict(message.resources)),
        check_constraints(f"{field}.constraints", tuple(message.constraints)),
    )


def _preference(field: str, message: placement_pb2.Preference) -> Preference:
    _check_selector(f"{field}.selector", message.selector)
    checks.check_range(f"{field}.weight", message.weight, 1, limits.PLACEMENT_WEIGHT_MAX)
    return Preference(message.selector, message.weight)


def _toleration(field: str, toleration: str) -> str:
    if toleration != "*":
        key, _, value = toleration.partition("=")
        checks.check_label(field, key, value)
    return toleration


def _affinity(field: str, message: placement_pb2.Affinity, tenant: str) -> Affinity:
    if message.job_name:
        checks.check_text(
            f"{field}.job_name",
            message.job_name,
            limits.NAME_LENGTH_MAX,
            checks.NAME,
            "free of control characters",
        )
    checks.check_range(f"{field}.weight", message.weight, 0, limits.PLACEMENT_WEIGHT_MAX)
    level = _level(f"{field}.level", message.level or NODE_LEVEL)
    return Affinity(tenant, message.job_name, level, message.apart, message.weight)


def _spread(field: str, message: placement_pb2.Spread) -> Spread:
    checks.check_range(f"{field}.tasks_max", message.tasks_max, 0, limits.GROUP_TASKS_MAX)
    return Spread(_level(f"{field}.level", message.level or NODE_LEVEL), message.tasks_max)


def _island(field: str, message: placement_pb2.Island) -> Island:
    return Island(_level(f"{field}.level", message.level), message.required)


def _level(field: str, level: str) -> str:
    """Levels are keys of labels."""
    if not level:
        raise FieldRefused(field, "required: a level of the topology, such as rack")
    checks.check_label(field, level, "")
    return level
