"""Whatever happens to a region, an element of an array ends once, no more of them live than may, and the job's state is
their sum."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hanse.core.events import Order, OrderKind
from hanse.core.model.arrays import unpacked_array
from hanse.core.model.indexes import positions
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Refused
from tests.core.arrays.arrays import cancel_elements, end, launches, order_about, running, submit_array
from tests.core.protocol.league import League

COUNT = 8


class Arrays(RuleBasedStateMachine):
    """One array in one region, which crashes, and is given orders. The region's invariants hold after each step (the
    league looks at them)."""

    @initialize(
        limit=st.integers(0, 4), stop_at=st.integers(0, 3), retries=st.integers(0, 2), gpus=st.integers(1, 5)
    )
    def begin(self, limit: int, stop_at: int, retries: int, gpus: int) -> None:
        self.league = League(north=gpus)
        self.limit, self.stop_at = limit, stop_at
        self.ends: dict[int, list[int]] = {}
        self.trimmed: set[int] = set()
        self.cancelled = False
        submit_array(
            self.league,
            "north",
            "job-1",
            f"0-{COUNT - 1}",
            in_flight_max=limit,
            stop_at_failures=stop_at,
            retries_max=retries,
        )

    @property
    def is_up(self) -> bool:
        return self.league.stations["north"].core is not None

    @property
    def state(self) -> JobState:
        row = self.league.row("north", "job-1")
        assert row is not None
        return JobState(row.state)

    @rule(choice=st.integers(0, 99), exit_code=st.sampled_from([0, 0, 0, 1, 2]))
    def an_element_ends(self, choice: int, exit_code: int) -> None:
        living = running(self.league, "north")
        if living:
            index = living[choice % len(living)]
            self.ends.setdefault(index, []).append(exit_code)
            if self.is_up:
                end(self.league, "north", index, exit_code)
            else:
                self.league.end("north", f"job-1[{index}]", exit_code)

    @precondition(lambda self: self.is_up)
    @rule(
        kind=st.sampled_from([OrderKind.HOLD, OrderKind.RELEASE, OrderKind.REQUEUE, OrderKind.SET_PRIORITY])
    )
    def an_order_is_given(self, kind: OrderKind) -> None:
        order_about(self.league, "north", "job-1", Order(kind=kind, priority=3))

    @precondition(lambda self: self.is_up)
    @rule(index=st.integers(0, COUNT - 1))
    def an_element_is_cancelled(self, index: int) -> None:
        if not isinstance(cancel_elements(self.league, "north", "job-1", str(index)), Refused):
            self.trimmed.add(index)

    @precondition(lambda self: self.is_up and not self.cancelled)
    @rule(really=st.integers(0, 9))
    def all_of_it_is_cancelled(self, really: int) -> None:
        if really == 0 and "job-1" in self.league["north"].books.jobs:
            self.cancelled = True
            self.league.cancel("north", "job-1")
            self.league.settle()

    @precondition(lambda self: self.is_up)
    @rule(reboots=st.booleans())
    def the_region_goes(self, reboots: bool) -> None:
        if reboots:
            self.league.reboot("north")
        else:
            self.league.crash("north")
        if reboots:
            self.league.settle()

    @precondition(lambda self: not self.is_up)
    @rule()
    def the_region_comes_back(self) -> None:
        self.league.restart("north")
        self.league.settle()

    @rule()
    def time_passes(self) -> None:
        self.league.advance(SECOND_US)

    @invariant()
    def no_more_live_than_may(self) -> None:
        if hasattr(self, "league") and self.limit:
            assert len(running(self.league, "north")) <= self.limit

    @invariant()
    def no_run_comes_twice(self) -> None:
        if hasattr(self, "league"):
            found = launches(self.league, "north")
            assert len(found) == len(set(found))

    def teardown(self) -> None:
        """Let it come to an end, and look at the sum."""
        if not hasattr(self, "league"):
            return
        if not self.is_up:
            self.the_region_comes_back()
        for _ in range(200):
            if self.state in TERMINAL_STATES:
                break
            order_about(self.league, "north", "job-1", Order(kind=OrderKind.RELEASE))
            for index in running(self.league, "north"):
                if index in running(self.league, "north"):
                    end(self.league, "north", index)
        self._judge()

    def _judge(self) -> None:
        row = self.league.row("north", "job-1")
        assert row is not None
        array = unpacked_array(row.array)
        assert array is not None
        counts = array.counts()
        assert counts.ended == COUNT
        assert self.state is array.outcome(ended_by_caller=bool(row.cancel_id))
        failed = {index for elements in array.failed.values() for index in positions(elements)}
        assert all(any(self.ends.get(index, [])) for index in failed), "only what failed has failed"
        if not (self.trimmed or self.cancelled) and counts.cancelled:
            assert self.stop_at
            assert len(failed) >= self.stop_at


TestArrays = Arrays.TestCase
TestArrays.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
