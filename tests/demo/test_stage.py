"""What is shown of a scene."""

from __future__ import annotations

import io

from rich.console import Console

from hanse.client.messages import JobChange, JobState
from hanse.demo.scene import Scene
from hanse.demo.stage import plain_line, screen, shown


def scene() -> Scene:
    made = Scene(("north", "east"), total=3, slots=4)
    made.acknowledged("north-1", "north", 2)
    made.acknowledged("north-2", "north", 1)
    made.changed(JobChange(job_id="north-1", state=JobState.JOB_STATE_RUNNING, region="north"))
    made.changed(JobChange(job_id="north-2", state=JobState.JOB_STATE_SUCCEEDED, region="east"))
    return made


def test_a_scene_counts_jobs_where_they_are() -> None:
    north, east = scene().views()
    assert (north.submitted, north.running, north.given, north.done) == (2, 2, 1, 0)
    assert (east.submitted, east.running, east.taken, east.done) == (0, 0, 1, 1)
    assert scene().done == 1


def test_a_change_may_be_quicker_than_the_acknowledgement() -> None:
    made = Scene(("north", "east"), total=1, slots=4)
    made.changed(JobChange(job_id="north-1", state=JobState.JOB_STATE_RUNNING, region="east"))
    made.acknowledged("north-1", "north", 3)
    north, east = made.views()
    assert (north.given, east.running) == (1, 3)


def test_the_screen_tells_what_is_plainly_told() -> None:
    made = scene()
    made.happened("east", "frozen", "east is frozen")
    console = Console(width=120, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(screen(made))
    text = captured.get()
    assert "1/3 jobs" in text
    assert "east is frozen" in text
    assert "2/4" in text
    assert plain_line(made).startswith("1/3 done")


async def test_without_a_terminal_what_happens_is_told_line_by_line() -> None:
    made = scene()
    output = io.StringIO()
    made.enter("curtain")
    async with shown(made, Console(file=output, width=200)):
        made.happened("north", "killed", "first")
        for _ in range(3):
            made.happened("north", "serving", "second")
    lines = output.getvalue().splitlines()
    assert [line.split()[-1] for line in lines] == ["curtain", "first", "second", "second", "second"]
