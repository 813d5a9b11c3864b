"""The environment of a task: what Hanse tells it, and what a caller may not say in Hanse's place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hanse.core.model.arrays import job_of_run, parse_element_id
from hanse.core.model.jobs import RunId

RESERVED_PREFIX = "HANSE_"
GPU_KIND = "gpu"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_LANG = "C.UTF-8"
# Linux gives one string 128 KiB (MAX_ARG_STRLEN), and all of them a quarter of the stack, usually 2 MiB.
VARIABLE_BYTES_MAX = 128 * 1024 - 1
ENVIRONMENT_BYTES_MAX = 1024 * 1024

Device = tuple[str, int]


def task_environment(
    *,
    run: RunId,
    task: int,
    task_count: int,
    group: int,
    region: str,
    node: str,
    devices: Iterable[Device] = (),
    checkpoint: str = "",
    home: str = "/",
    array_count: int = 0,
    user: Mapping[str, str] | None = None,
) -> tuple[tuple[str, str], ...]:
    """The complete environment of one task, sorted by name.

    `group` is the task group's number within the job, `task` the task's within the run. `checkpoint`: where the task
    keeps its checkpoints, empty for nowhere. `array_count`: how many elements the array has that the run is one of. The
    caller's variables replace PATH, HOME and LANG, never ours.
    """
    owned = tuple(devices)
    element = parse_element_id(run.job_id)
    return tuple(
        sorted(
            {
                "PATH": DEFAULT_PATH,
                "HOME": home,
                "LANG": DEFAULT_LANG,
                # Else CUDA numbers the fastest card first, and an index means another card than the operator's.
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                **(user or {}),
                "CUDA_VISIBLE_DEVICES": visible_gpus(owned),
                "HANSE_JOB_ID": job_of_run(run.job_id),
                "HANSE_EPOCH": str(run.epoch),
                "HANSE_ATTEMPT": str(run.attempt),
                "HANSE_REGION": region,
                "HANSE_NODE": node,
                "HANSE_GROUP": str(group),
                "HANSE_TASK": str(task),
                "HANSE_TASK_COUNT": str(task_count),
                "HANSE_CHECKPOINT": checkpoint,
                **({} if element is None else _of_element(element[1], array_count)),
                "HANSE_DEVICES": ",".join(f"{kind}:{index}" for kind, index in sorted(owned)),
            }.items()
        )
    )


def _of_element(index: int, count: int) -> dict[str, str]:
    return {"HANSE_ARRAY_INDEX": str(index), "HANSE_ARRAY_COUNT": str(count)}


def visible_gpus(devices: Iterable[Device]) -> str:
    """CUDA_VISIBLE_DEVICES for these devices: indices of "gpu" and "gpu/<model>"; empty hides every GPU."""
    indices = {index for kind, index in devices if kind.split("/", 1)[0] == GPU_KIND}
    return ",".join(str(index) for index in sorted(indices))


def refused_variable(user: Mapping[str, str]) -> tuple[str, str] | None:
    """The first variable of a caller that can't be had, with the reason; None if all are fine. An empty name stands
    for the environment as a whole."""
    for name, value in sorted(user.items()):
        reason = _refusal(name, value)
        if reason:
            return name, reason
    total = sum(len(name.encode()) + len(value.encode()) + 2 for name, value in user.items())
    if total > ENVIRONMENT_BYTES_MAX:
        return "", f"the environment has {total} bytes; the most is {ENVIRONMENT_BYTES_MAX}"
    return None


def _refusal(name: str, value: str) -> str:
    if not name or "=" in name or "\0" in name:
        return "a variable's name must not be empty, nor contain '=' or NUL"
    if name.startswith(RESERVED_PREFIX):
        return f"names that begin with {RESERVED_PREFIX} are set by the region"
    if "\0" in value:
        return "a variable's value must not contain NUL"
    if len(name.encode()) + len(value.encode()) + 1 > VARIABLE_BYTES_MAX:
        return f"a variable may have at most {VARIABLE_BYTES_MAX} bytes, its name included"
    return ""
