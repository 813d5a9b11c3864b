"""What is going on: where each job is as far as the federation tells, what befell the daemons, how far the plan is.

Written by whoever causes or watches something, read by whoever shows it. Only for the eye: the verdict never reads it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hanse.client.messages import JobChange, state_name

_QUEUED = ("QUEUED", "OFFERED", "XFER", "MOVED")
_RUNNING = ("RUNNING", "STOPPING")


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth telling, at seconds since the curtain rose."""

    at_s: float
    region: str
    condition: str
    text: str


@dataclass(frozen=True, slots=True)
class RegionView:
    """A region's line. `condition`: "starting", "serving", "killed", "frozen", "stopped"."""

    name: str
    condition: str
    submitted: int
    queued: int
    running: int
    given: int
    taken: int
    done: int
    slots: int


@dataclass(slots=True)
class _JobView:
    home: str
    region: str
    state: str
    tasks: int


@dataclass(slots=True)
class Scene:
    """`total`: jobs of the plan; `slots`: tasks that a region can run at once."""

    regions: Sequence[str]
    total: int
    slots: int
    act: str = ""
    happenings: list[Happening] = field(default_factory=list)
    on_happening: Callable[[Happening], None] | None = None
    _conditions: dict[str, str] = field(default_factory=dict)
    _jobs: dict[str, _JobView] = field(default_factory=dict)
    _begun_s: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Since the curtain rose."""
        return time.monotonic() - self._begun_s

    def enter(self, act: str) -> None:
        """The next part begins."""
        self.act = act
        self._tell(Happening(self.elapsed_s, "", "", act))

    def happened(self, region: str, condition: str, text: str) -> None:
        """Something befell a daemon."""
        self._conditions[region] = condition
        self._tell(Happening(self.elapsed_s, region, condition, text))

    def acknowledged(self, job_id: str, home: str, tasks: int) -> None:
        """A home has taken a job."""
        job = self._jobs.setdefault(job_id, _JobView(home, home, "QUEUED", tasks))
        # A watch may have been quicker, and does not know this.
        job.tasks = tasks

    def changed(self, change: JobChange) -> None:
        """A watch has told of a job, perhaps before it was acknowledged."""
        home = change.job_id.rpartition("-")[0]
        job = self._jobs.setdefault(change.job_id, _JobView(home, home, "QUEUED", 1))
        job.state = state_name(change.state)
        job.region = change.region or job.region

    @property
    def done(self) -> int:
        """Jobs that have ended."""
        return sum(1 for job in self._jobs.values() if _phase(job.state) == "done")

    @property
    def submitted(self) -> int:
        """Jobs that were acknowledged."""
        return len(self._jobs)

    @property
    def outcomes(self) -> Counter[str]:
        """Jobs by final state."""
        return Counter(job.state for job in self._jobs.values() if _phase(job.state) == "done")

    def views(self) -> list[RegionView]:
        """One line for each region."""
        counts: dict[str, Counter[str]] = {name: Counter() for name in self.regions}
        for job in self._jobs.values():
            counts[job.home]["submitted"] += 1
            phase = _phase(job.state)
            counts[job.region][phase] += job.tasks if phase == "running" else 1
            if job.region != job.home:
                counts[job.home]["given"] += 1
                counts[job.region]["taken"] += 1
        return [
            RegionView(
                name=name,
                condition=self._conditions.get(name, "starting"),
                slots=self.slots,
                submitted=of["submitted"],
                queued=of["queued"],
                running=of["running"],
                given=of["given"],
                taken=of["taken"],
                done=of["done"],
            )
            for name, of in counts.items()
        ]

    def _tell(self, happening: Happening) -> None:
        self.happenings.append(happening)
        if self.on_happening is not None:
            self.on_happening(happening)


def _phase(state: str) -> str:
    if state in _RUNNING:
        return "running"
    return "queued" if state in _QUEUED else "done"
