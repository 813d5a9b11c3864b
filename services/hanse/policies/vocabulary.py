"""What the expressions of a policy may speak of: variables and functions."""

from __future__ import annotations

from dataclasses import dataclass

from hanse.core.model import limits

STRING, INT, TEXTS, LABELS, QUANTITIES = (
    "string",
    "int",
    "list(string)",
    "map(string, string)",
    "map(string, int)",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared variable. `size_max`: entries of a list or map, or characters of a text."""

    name: str
    type: str
    meaning: str
    size_max: int = 0


_KINDS_MAX = limits.RESOURCE_KINDS_PER_TASK_MAX * limits.GROUPS_MAX
_TENANT_MAX = limits.TENANT_LEVELS_MAX * (limits.TENANT_LEVEL_LENGTH_MAX + 1)

VARIABLES = (
    Variable("job.name", STRING, "Its name.", limits.NAME_LENGTH_MAX),
    Variable("job.tenant", STRING, 'Who pays: "org/team/user".', _TENANT_MAX),
    Variable("job.tier", STRING, 'The tier that it asks for; "" if it names none.', limits.NAME_LENGTH_MAX),
    Variable("job.kind", STRING, '"batch".', limits.NAME_LENGTH_MAX),
    Variable("job.labels", LABELS, "Its labels.", limits.LABELS_MAX),
    Variable("job.priority", INT, "As it asks, -1000 to 1000."),
    Variable("job.gpus", INT, "GPUs of all its tasks, of all models; shares are rounded up."),
    Variable("job.npus", INT, "NPUs, likewise."),
    Variable("job.cpus", INT, "Cores of all its tasks, rounded up."),
    Variable("job.memory_gib", INT, "Memory of all its tasks in GiB, rounded up."),
    Variable(
        "job.resources", QUANTITIES, "All that its tasks ask for, by kind, in the units of specs.", _KINDS_MAX
    ),
    Variable("job.tasks", INT, "Tasks in all groups."),
    Variable("job.groups", INT, "Task groups."),
    Variable("job.runtime_s", INT, "Its `runtime_estimate` in seconds, rounded up; 0: it gives none."),
    Variable("job.retries", INT, "How often it is to be tried again."),
    Variable("job.datasets", TEXTS, "Data sets that it reads.", limits.DATASETS_MAX),
    Variable("job.regions", TEXTS, "Regions that it allows; empty: all.", limits.REGION_PREFERENCES_MAX),
    Variable("region.name", STRING, "This region.", limits.REGION_NAME_LENGTH_MAX),
    Variable("region.datasets", TEXTS, "Data sets that are here.", limits.RECORD_DATASETS_MAX),
    Variable("region.price", INT, "Its price in thousandths; 1000 is neutral."),
    Variable("region.power", INT, "Its power in thousandths; 1000 is neutral."),
    Variable("now.hour", INT, "Hour of the day, 0 to 23, UTC."),
    Variable("now.minute", INT, "Minute of the hour, 0 to 59."),
    Variable("now.weekday", INT, "1 (Monday) to 7 (Sunday), UTC."),
)
BY_NAME = {variable.name: variable for variable in VARIABLES}
# For hints; the type checker knows them all.
FUNCTIONS = (
    "all", "contains", "double", "endsWith", "exists", "exists_one", "filter", "has", "int", "map", "matches",
    "size", "startsWith", "string",
)  # fmt: skip
