"""A container's death in the books: it ends what it cut short, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from deploy.compose.books import Death, takeover_s, with_deaths
from hanse.core.model.jobs import RunId
from hanse.demo.audit import why_run_twice
from hanse.demo.records import TaskRun

RUN = TaskRun(job_id="j", task=0, epoch=1, attempt=1, region="north", node="n1", pid=9, begin_us=1_000_000)
DEATH = Death(region="north", died_us=5_000_000, unended=frozenset({(RunId("j", 1, 1), 0)}))
AGAIN = replace(RUN, attempt=2, begin_us=7_500_000, end_us=8_000_000, status=0)


def test_a_run_that_was_cut_short_ended_with_its_container() -> None:
    assert with_deaths([RUN], [DEATH]) == [replace(RUN, end_us=5_000_000)]
    assert why_run_twice(1, with_deaths([RUN, AGAIN], [DEATH])) == ""


def test_a_run_whose_end_its_supervisor_did_not_tell_any_more_was_cut_short() -> None:
    ended = replace(RUN, end_us=4_990_000, status=0)
    assert why_run_twice(1, [ended, AGAIN]) == "1.1 in north and 1.2 in north: the former was complete"
    assert why_run_twice(1, with_deaths([ended, AGAIN], [DEATH])) == ""


def test_what_began_before_the_death_overlaps() -> None:
    early = replace(AGAIN, region="east", epoch=2, begin_us=4_500_000)
    assert why_run_twice(1, with_deaths([RUN, early], [DEATH])) == "1.1 in north and 2.2 in east overlap"


def test_runs_elsewhere_later_or_with_an_end_on_record_are_left_alone() -> None:
    runs = [
        replace(RUN, region="east"),
        replace(RUN, begin_us=5_000_001),
        replace(RUN, job_id="other"),
        replace(RUN, attempt=3),
    ]
    assert with_deaths(runs, [DEATH]) == runs


def test_the_takeover_lasts_from_the_death_to_the_next_attempts_first_begin() -> None:
    assert takeover_s([RUN, replace(AGAIN, task=1, begin_us=9_000_000), AGAIN], [DEATH]) == 2.5
    assert takeover_s([RUN], [DEATH]) is None
    assert takeover_s([RUN, AGAIN], []) is None
