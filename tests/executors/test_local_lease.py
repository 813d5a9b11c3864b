"""The dead-man's switch."""

from __future__ import annotations

import pytest

from hanse.core.events import TaskEnded
from hanse.executors.local.kernel import boottime_us
from hanse.executors.local.supervisor import LEASE_EXPIRED, Lease, lease_of
from tests.executors.conftest import SECOND_US, Engine, launch_of, processes_of, run_of, until

STUBBORN = "trap '' TERM; setsid sleep 600 & echo; while :; do sleep 1; done"


@pytest.mark.parametrize(
    ("start_us", "lease_us", "grace_us", "lease"),
    [
        (100, 0, 10, None),
        (100, 60, 0, Lease(term_us=160, kill_us=160)),
        (100, 60, 5, Lease(term_us=155, kill_us=160)),
        (100, 60, 999, Lease(term_us=140, kill_us=160)),
    ],
)
def test_sigterm_comes_the_grace_or_a_third_of_the_lease_before_the_end(
    start_us: int, lease_us: int, grace_us: int, lease: Lease | None
) -> None:
    assert lease_of(start_us, lease_us, grace_us) == lease


async def test_the_end_of_a_lease_ends_the_task(engine: Engine) -> None:
    begin_us = boottime_us()
    lease = {"lease_start_us": begin_us, "lease_us": 900_000}
    await engine.executor.launch([launch_of("a", "sleep", "600", **lease)])
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.detail) == (143, LEASE_EXPIRED)
    assert boottime_us() - begin_us >= 600_000


async def test_the_end_of_a_lease_kills_what_does_not_listen(engine: Engine) -> None:
    begin_us = boottime_us()
    lease = {"lease_start_us": begin_us, "lease_us": 900_000}
    await engine.executor.launch([launch_of("a", "sh", "-c", STUBBORN, **lease)])
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.detail) == (137, LEASE_EXPIRED)
    assert boottime_us() - begin_us >= 900_000
    assert processes_of("a") == []


async def test_a_lease_that_is_over_already_starts_nothing_that_stays(engine: Engine) -> None:
    lease = {"lease_start_us": 1, "lease_us": 1}
    assert (await engine.run(launch_of("a", "sleep", "600", **lease))).detail == LEASE_EXPIRED


async def test_an_extension_saves_the_task_and_only_ever_lengthens(engine: Engine) -> None:
    begin_us = boottime_us()
    lease = {"lease_start_us": begin_us, "lease_us": 2_500_000}
    await engine.executor.launch([launch_of("a", "sleep", "600", grace_us=100_000, **lease)])
    await engine.started("a")
    await engine.executor.extend(run_of("a"), begin_us, 600 * SECOND_US)
    await engine.executor.extend(run_of("a"), begin_us, 1)
    await engine.executor.extend(run_of("never"), begin_us, 1)
    await until(lambda: boottime_us() > begin_us + 2_600_000, "the first lease is over")
    assert engine.reports_of(TaskEnded, "a") == []
    await engine.executor.stop(run_of("a"), SECOND_US)
    assert (await engine.ended("a")).detail == "stopped"
