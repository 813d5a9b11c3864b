"""The simulated engine: reports once, outlives its daemon, heeds stops, and tells the truth to the record."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hanse.core.effects import Launch
from hanse.core.events import TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId, TaskPlacement
from hanse.core.model.resources import resources
from hanse.sim.errors import SafetyViolation
from hanse.sim.executor import Behaviour, SimExecutor
from hanse.sim.faults import Faults
from hanse.sim.record import LaunchFailed, Record, TaskBegan, TaskFinished
from hanse.sim.timeline import Timeline

RUN = RunId("a-1", 1, 1)
SECOND_US = 1_000_000
RUNTIME_US = 10 * SECOND_US


class Engine:
    """An engine under a daemon that may be down."""

    def __init__(self, *, fail_share: float = 0.0, seed: int = 1, **faults: Any) -> None:
        self.timeline = Timeline()
        self.record: Record = []
        self.reports: list[TaskStarted | TaskEnded] = []
        self.up = True
        behaviour = Behaviour(RUNTIME_US, fail_share, (resources({"cpu": 100}),))
        self.counted: list[str] = []
        self.executor = SimExecutor(
            "a",
            self.timeline,
            random.Random(seed),
            Faults(**faults),
            self.record,
            lambda _: behaviour,
            self,
            self.counted.append,
            {},
        )

    def report(self, event: TaskStarted | TaskEnded) -> None:
        self.reports.append(event)

    def wall_us(self) -> int:
        return self.timeline.now_us

    def launch(self, tasks: int = 1) -> None:
        placed = tuple((number, TaskPlacement(0, "n1")) for number in range(tasks))
        self.executor.launch(
            Launch(run=RUN, tenant="t", spec=b"", tasks=placed, grace_us=SECOND_US, cause="")
        )

    def pass_time(self, seconds: float) -> None:
        self.timeline.run(self.timeline.now_us + int(seconds * SECOND_US))

    def of(self, kind: type) -> list[Any]:
        return [entry for entry in self.record if isinstance(entry, kind)]


def test_every_task_is_reported_once_started_then_ended() -> None:
    engine = Engine()
    engine.launch(2)
    engine.pass_time(60)
    for task in (0, 1):
        kinds = [type(event) for event in engine.reports if event.task == task]
        assert kinds == [TaskStarted, TaskEnded]
    assert [entry.exit_code for entry in engine.of(TaskFinished)] == [0, 0]


def test_failures_are_drawn() -> None:
    engine = Engine(fail_share=1.0)
    engine.launch()
    engine.pass_time(60)
    assert engine.of(TaskFinished)[0].exit_code > 0
    assert engine.of(TaskFinished)[0].natural


def test_a_launch_that_fails_never_lives() -> None:
    engine = Engine(launch_failure=1.0)
    engine.launch()
    engine.pass_time(60)
    assert not engine.of(TaskBegan)
    assert len(engine.of(LaunchFailed)) == 1
    (report,) = engine.reports
    assert isinstance(report, TaskEnded)
    assert not report.launched


@pytest.mark.parametrize(("ignores", "exit_code"), [(0.0, 143), (1.0, 137)])
def test_a_stop_ends_by_sigterm_or_after_the_grace_by_sigkill(ignores: float, exit_code: int) -> None:
    engine = Engine(ignores_sigterm=ignores)
    engine.launch()
    engine.pass_time(1)
    engine.executor.stop(RUN, SECOND_US)
    engine.executor.stop(RUN, SECOND_US)
    engine.pass_time(2)
    (finished,) = engine.of(TaskFinished)
    assert (finished.exit_code, finished.natural) == (exit_code, False)
    engine.pass_time(60)
    assert len(engine.of(TaskFinished)) == 1


def test_a_stop_before_the_launch_went_through_prevents_it() -> None:
    engine = Engine()
    engine.launch()
    engine.executor.stop(RUN, 0)
    engine.pass_time(60)
    assert not engine.of(TaskBegan)
    (report,) = engine.reports
    assert isinstance(report, TaskEnded)
    assert not report.launched


def test_stopping_what_is_unknown_says_nothing() -> None:
    engine = Engine()
    engine.executor.stop(RUN, 0)
    engine.pass_time(1)
    assert not engine.reports


def test_tasks_outlive_the_daemon_and_are_found_with_their_true_end() -> None:
    engine = Engine()
    engine.launch(2)
    engine.pass_time(1)
    engine.up = False
    engine.executor.daemon_died()
    (first, second) = engine.executor.recover()
    assert first.ended is None
    assert second.ended is None
    engine.pass_time(60)
    found = engine.executor.recover()
    assert [task.ended.exit_code for task in found if task.ended] == [0, 0]
    assert len(engine.reports) == 2  # the starts: nobody heard of the ends


def test_a_launch_under_way_goes_through_at_the_daemons_death_or_never() -> None:
    outcomes = set()
    for seed in range(20):
        engine = Engine(seed=seed)
        engine.launch()
        engine.up = False
        engine.executor.daemon_died()
        known = len(engine.executor.recover())
        engine.pass_time(5)
        assert len(engine.of(TaskBegan)) == known
        outcomes.add(known)
    assert outcomes == {0, 1}


def test_no_process_outlives_its_machine() -> None:
    kept = set()
    for seed in range(20):
        engine = Engine(seed=seed)
        engine.launch()
        engine.pass_time(1)
        engine.up = False
        engine.executor.machine_died()
        (finished,) = engine.of(TaskFinished)
        assert not finished.natural
        found = engine.executor.recover()
        assert all(task.ended is not None for task in found)
        kept.add(len(found))
    assert kept == {0, 1}


def test_reaping_forgets_ended_runs_and_refuses_living_ones() -> None:
    engine = Engine()
    engine.launch()
    engine.pass_time(1)
    with pytest.raises(SafetyViolation, match="reaped while"):
        engine.executor.reap(RUN)
    engine = Engine()
    engine.launch()
    engine.pass_time(60)
    engine.executor.reap(RUN)
    assert engine.executor.recover() == ()


def test_processes_that_are_killed_from_outside_are_reported() -> None:
    engine = Engine()
    engine.launch(2)
    engine.pass_time(1)
    engine.executor.processes_died()
    assert [each.signal for each in engine.reports if isinstance(each, TaskEnded)] == [9, 9]


def test_an_end_may_be_told_late_and_is_known_to_who_asks() -> None:
    engine = Engine(late_report=1.0, late_report_max_us=1000 * SECOND_US)
    engine.launch()
    engine.pass_time(60)
    assert engine.counted == ["late_report"]
    assert len(engine.of(TaskFinished)) == 1
    assert [found.ended is not None for found in engine.executor.recover()] == [True]
    engine.pass_time(1000)
    assert len([each for each in engine.reports if isinstance(each, TaskEnded)]) == 1
