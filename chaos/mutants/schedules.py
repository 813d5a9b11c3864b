"""Schedules built by hand, for shortcuts that do harm in too few random runs. The core comes through each of them.

A majority of three is the leader and one more. So in most of them one member is the one more for two others: it hears
first the one and then the other, and in between it forgets, or is about to be asked for what it has given away.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chaos.mutants.stage import Loses, Stage, cut
from hanse.core.federation.shards.seat import Role
from hanse.core.messages import Append, Message, Prepare, Promise, Renew
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from hanse.sim.run import Checker

_SETTLED_US = 3 * SECOND_US
# Those that did not hear each other do so again.
_MET_US = 2 * SECOND_US
# Longer than the time between two renewals, and shorter than the grace of a task.
_HEARD_US = 350 * MILLISECOND_US


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. A seed draws how long messages and disks take. What `play` does is told by its docstring."""

    name: str
    play: Callable[[Stage], None]

    @property
    def story(self) -> str:
        """What happens, in words."""
        assert self.play.__doc__ is not None
        return " ".join(self.play.__doc__.split())

    def run(self, seed: int, checker: Checker) -> None:
        """Play it, let everything heal, and judge."""
        stage = Stage(seed)
        self.play(stage)
        stage.end()
        checker(stage.world.record)


def _all_of(kind: type, sender: str, to: str) -> Loses:
    """Messages of a kind on one link."""
    return lambda source, target, message: (source, target) == (sender, to) and isinstance(message, kind)


def _of(kind: type, sender: str, to: str) -> Loses:
    """The same, without trials."""
    loses = _all_of(kind, sender, to)
    return lambda source, target, message: loses(source, target, message) and not _is_trial(message)


def _as_leader(sender: str, to: str) -> Loses:
    """What a leader says on one link. (A copy that somebody asks for has no term.)"""

    def loses(source: str, target: str, message: Message) -> bool:
        return (source, target) == (sender, to) and isinstance(message, Append | Renew) and message.term > 0

    return loses


def _is_trial(message: Message) -> bool:
    return isinstance(message, Prepare | Promise) and message.trial


def _first_has_promised_itself(stage: Stage) -> None:
    """Nobody hears the home for longer than a lease; the first guardian stands, and its PREPARE is lost."""
    home, first, second = stage.home, stage.first, stage.second
    stage.lose(cut(home, first, second), _of(Prepare, first, second))
    stage.run_until(lambda: stage.seat(first).promised > 1)


# --- whom a member promises ---


def _asked_while_its_tasks_live(stage: Stage) -> None:
    """The first guardian has promised itself a term, which nobody has heard of. The leader hears of it, and is asked
    for its promise while its own tasks still do not heed SIGTERM."""
    home, first, second = stage.home, stage.first, stage.second
    stage.open()
    _first_has_promised_itself(stage)
    stage.lose(cut(first, home, second))
    stage.run_until_it_runs(home)
    stage.run_until(lambda: 0 < stage.stands_in_us(first) <= _HEARD_US)
    stage.lose(cut(second, home, first), _all_of(Prepare, home, first))
    stage.run(_SETTLED_US)


def _second_has_promised(stage: Stage, heard: Callable[[], None]) -> None:
    """`heard` is what happens between the promise and the old leader's records."""
    home, first, second = stage.home, stage.first, stage.second
    stage.open()
    told = _Told(Promise, second, first)
    stage.lose(cut(home, first, second), told.note)
    stage.run_until(lambda: told.yes)
    heard()
    stage.lose(cut(first, home, second), _of(Renew, home, second))
    known = stage.seat(second).log.open_jobs
    stage.submit(endless=False)
    stage.wait(lambda: stage.seat(second).log.open_jobs > known, _SETTLED_US)
    # It does not learn that a majority has the job by now.
    stage.lose(cut(first, home, second), _all_of(object, home, second))
    stage.run(_HEARD_US)
    stage.destroy(home)
    stage.lose()
    stage.run_until(lambda: stage.leads(first) or stage.leads(second))
    stage.run(_SETTLED_US)


class _Told:
    """Whether a message has left. It loses nothing."""

    def __init__(self, kind: type, sender: str, to: str) -> None:
        self._is_meant = _of(kind, sender, to)
        self.yes = False

    def note(self, sender: str, to: str, message: Message) -> bool:
        self.yes = self.yes or self._is_meant(sender, to, message)
        return False


def _dies_when_it_has_promised(stage: Stage) -> None:
    """Nobody hears the home. The second guardian promises the first one's term, dies when that has left, and is back at
    once; what the term begins with does not come, but the old leader is heard. A job is handed in there, and then the
    home is lost with its disk."""
    _second_has_promised(stage, lambda: stage.crash(stage.second))


def _hears_the_old_leader(stage: Stage) -> None:
    """Nobody hears the home. The second guardian promises the first one's term; what that begins with does not come,
    but the old leader is heard. A job is handed in there, and then the home is lost with its disk."""
    _second_has_promised(
        stage, lambda: stage.run_until(lambda: stage.seat(stage.first).role is Role.STARTING)
    )


def _alone_for_long(stage: Stage) -> None:
    """The home has written much alone. In the others' next term, whose log is shorter, a job ends. Then the home's copy
    and the second guardian's are all that there is."""
    home, first, second = stage.home, stage.first, stage.second
    batch = stage.open()
    stage.lose(cut(home, first, second))
    stage.write_at(home, 20)
    stage.run_until(lambda: stage.leads(first))
    stage.stop(home)
    stage.cancel(batch)
    stage.run_until(lambda: not stage.seat(second).log.open_jobs)
    # The second guardian does not learn that a majority holds it.
    stage.lose(cut(home, first, second), _all_of(object, first, second))
    stage.run(_HEARD_US)
    stage.start(home)
    stage.lose(cut(first, home, second))
    stage.run_until(lambda: stage.leads(home) or stage.leads(second))
    stage.run(_SETTLED_US)


# --- lost disks ---


def _loses_its_disk_before_it_is_asked(stage: Stage) -> None:
    """And hears no more of the leader."""
    home, first, second = stage.home, stage.first, stage.second
    stage.destroy(second)
    stage.lose(cut(home, first), _as_leader(home, second))
    stage.run(_SETTLED_US)


def _granted_and_lost(stage: Stage) -> None:
    """Only the second guardian hears the leader. It loses its disk, learns again, and is asked by the first one for its
    promise while tasks live by what it has granted."""
    stage.open()
    stage.lose(cut(stage.home, stage.first))
    stage.run_until(lambda: stage.stands_in_us(stage.first) > 0)
    _loses_its_disk_before_it_is_asked(stage)


def _granted_and_lost_after_a_promise(stage: Stage) -> None:
    """Only the second guardian hears the leader; the first one has promised itself a term. The second loses its disk,
    learns of that term, and is asked by the first for the next one while tasks live by what it has granted."""
    home, first, second = stage.home, stage.first, stage.second
    stage.open()
    _first_has_promised_itself(stage)
    stage.lose(cut(first, home, second))
    stage.run_until_it_runs(home)
    stage.lose(cut(home, first))
    stage.run(_MET_US)
    _loses_its_disk_before_it_is_asked(stage)


def _launched_and_lost(stage: Stage) -> None:
    """The leader launches a job, and is lost with its disk before anybody else has the record of that. It learns again
    that the newest term is its own."""
    home = stage.home
    stage.open()
    stage.lose(
        lambda sender, to, message: sender == home and isinstance(message, Append) and stage.runs(home) > 1
    )
    stage.submit()
    stage.run_until_it_runs(home, jobs=2)
    stage.destroy(home)
    stage.lose()
    stage.run_until(lambda: stage.seat(home).holds_copy)
    stage.run(_SETTLED_US)


ASKED_WHILE_TASKS_LIVE = Schedule(name="asked while its tasks live", play=_asked_while_its_tasks_live)
DIES_WITH_ITS_PROMISE = Schedule(name="dies when it has promised", play=_dies_when_it_has_promised)
OLD_LEADER_FIRST = Schedule(name="hears the old leader first", play=_hears_the_old_leader)
ALONE_FOR_LONG = Schedule(name="alone for long", play=_alone_for_long)
GRANTED_AND_LOST = Schedule(name="granted, and lost its disk", play=_granted_and_lost)
LEARNT_A_PROMISE = Schedule(name="learnt another's promise", play=_granted_and_lost_after_a_promise)
LAUNCHED_AND_LOST = Schedule(name="launched, and lost its disk", play=_launched_and_lost)

SCHEDULES = (
    ASKED_WHILE_TASKS_LIVE,
    DIES_WITH_ITS_PROMISE,
    OLD_LEADER_FIRST,
    ALONE_FOR_LONG,
    GRANTED_AND_LOST,
    LEARNT_A_PROMISE,
    LAUNCHED_AND_LOST,
)
