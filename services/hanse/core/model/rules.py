"""What a task group may say about where its tasks run, beyond quantities and constraints.

All of it is optional, so it stands apart from GroupShape: most groups have no rules at all. Every part is bounded where
it is read from a spec (wire/rules.py) and means the same in every region; what a region lacks (a topology level, an
island) is never guessed at: a required one then fits nowhere, a preferred one changes nothing.
"""

from __future__ import annotations

import enum

import msgspec

from hanse.core.model.resources import Resources

# The narrowest level of every topology.
NODE_LEVEL = "node"


class Alternative(msgspec.Struct, frozen=True):
    """What a task makes do with if nothing better has room: other quantities, on nodes that satisfy these selectors
    besides those of the group."""

    resources: Resources
    constraints: tuple[str, ...] = ()


class Preference(msgspec.Struct, frozen=True):
    """Nodes that satisfy `selector` are preferred: each that does not costs `weight`."""

    selector: str
    weight: int


class Affinity(msgspec.Struct, frozen=True):
    """Where other jobs of the tenant run. `name` empty: any of its jobs, else those of that name. `apart`: keep away
    from them. `level`: what counts as the same place. `weight` 0: required, else what a place costs that does not
    satisfy it. A job's own tasks don't count (see Spread)."""

    tenant: str
    name: str
    level: str = NODE_LEVEL
    apart: bool = False
    weight: int = 0


class Within(msgspec.Struct, frozen=True):
    """All tasks in one domain of this topology level; not `required`: in as few and as narrow ones as can be."""

    level: str
    required: bool = True


class Spread(msgspec.Struct, frozen=True):
    """Tasks evenly over the domains of this level. `tasks_max`: at most so many in each; 0: no limit."""

    level: str
    tasks_max: int = 0


class Island(msgspec.Struct, frozen=True):
    """All devices of a task from one island of its node ("nvlink", "numa"); not `required`: where there is one."""

    level: str
    required: bool = True


class Rules(msgspec.Struct, frozen=True):
    """See the module's docstring. `alternatives` come after the group's own resources, in order of preference."""

    alternatives: tuple[Alternative, ...] = ()
    preferences: tuple[Preference, ...] = ()
    tolerations: tuple[str, ...] = ()
    affinities: tuple[Affinity, ...] = ()
    within: Within | None = None
    spread: Spread | None = None
    island: Island | None = None


class TaintEffect(enum.Enum):
    """What a taint does to tasks that don't tolerate it."""

    NO_START = "no-start"
    PREFER_NO_START = "prefer-no-start"


class Taint(msgspec.Struct, frozen=True, order=True):
    """A node's reason not to be used by everybody."""

    key: str
    value: str
    effect: TaintEffect

    def __str__(self) -> str:
        return (
            f"{self.key}={self.value}:{self.effect.value}"
            if self.value
            else f"{self.key}:{self.effect.value}"
        )

    def tolerated(self, tolerations: tuple[str, ...]) -> bool:
        """A toleration is "key" (whatever the value), "key=value", or "*" (everything)."""
        return any(each in ("*", self.key, f"{self.key}={self.value}") for each in tolerations)


def parse_taint(text: str) -> Taint:
    """The taint that "key=value:effect" or "key:effect" spells. Raises ValueError."""
    head, separator, effect = text.rpartition(":")
    key, _, value = head.partition("=")
    if not separator or not key:
        raise ValueError(f"{text!r} is not key=value:effect")
    try:
        return Taint(key, value, TaintEffect(effect))
    except ValueError:
        effects = " and ".join(each.value for each in TaintEffect)
        raise ValueError(f"{text!r}: no effect {effect!r}; there are {effects}") from None
