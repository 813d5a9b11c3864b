"""Shortcuts of leases and lost disks: how long a leader's time lasts, and what a copy that is gone may still do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import (
    CUT_LEADERS,
    FORGETFUL_GUARDIANS,
    UNEVEN_CLOCKS,
)
from chaos.mutants.schedules import (
    GRANTED_AND_LOST,
    LAUNCHED_AND_LOST,
    LEARNT_A_PROMISE,
    SLOW_ANSWERS,
)
from hanse.core.effects import (
    Effects,
)
from hanse.core.federation.shards import following as following_module
from hanse.core.federation.shards import seat as seat_module
from hanse.core.federation.shards.following import Following
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.lease import Renewals
from hanse.core.federation.shards.rejoining import Rejoining
from hanse.core.federation.shards.seat import Standing
from hanse.core.federation.shards.shard import Shard
from hanse.core.federation.shards.shards import Shards
from hanse.core.messages import (
    Append,
    RenewAck,
)
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.regions import Group, Timings
from hanse.core.model.time import Now
from hanse.sim.executor import SimExecutor

Install = Callable[[ExitStack], None]


# --- leases -----------------------------------------------------------------------------------------------------------


def _count_from_the_answer(patches: ExitStack) -> None:
    on_message, on_renew_ack = Shard.on_message, Leadership.on_renew_ack
    received_us: dict[Leadership, int] = {}

    def note(self: Shard, now: Now, *arguments: Any) -> None:
        received_us[self.leadership] = now.mono_us
        on_message(self, now, *arguments)

    def shortcut(self: Leadership, peer: str, ack: RenewAck, out: Effects) -> None:
        if ack.number in self.renewals._sent_us:
            self.renewals._sent_us[ack.number] = received_us[self]
        on_renew_ack(self, peer, ack, out)

    replace(patches, Shard, "on_message", note)
    replace(patches, Leadership, "on_renew_ack", shortcut)


def _count_for_the_newest(patches: ExitStack) -> None:
    on_ack = Renewals.on_ack

    def shortcut(self: Renewals, group: Group, member: str, number: int) -> bool:
        return on_ack(self, group, member, self._number)

    replace(patches, Renewals, "on_ack", shortcut)


def _wait_for_the_lease_alone(patches: ExitStack) -> None:
    def shortcut(timings: Timings) -> int:
        return timings.lease_us

    for module in (following_module, seat_module):
        patches.enter_context(mock.patch.object(module, "member_wait_us", shortcut))


def _no_supervisor(patches: ExitStack) -> None:
    replace(patches, SimExecutor, "_on_lease_end", lambda self, shard, until_us: None)


def _launch_without_lease(patches: ExitStack) -> None:
    replace(patches, Renewals, "holds", lambda self, now_us: True)
    replace(patches, Renewals, "lapses_us", lambda self: NEVER_US)


# --- lost disks -------------------------------------------------------------------------------------------------------


def _forget_nothing(patches: ExitStack) -> None:
    replace(patches, Shard, "forget", lambda self, now: None)


def _learn_from_one(patches: ExitStack) -> None:
    on_deadline = Rejoining.on_deadline

    def shortcut(self: Rejoining, now: Now, out: Effects) -> None:
        told, is_due = dict(self._told), self.asks and self._ask_us <= now.mono_us
        if is_due and any(not each.blank for each in told.values()) and not self._seat.living():
            self._fetch_longest(told, out)
            self._ask_us = now.mono_us + self._seat.timings.append_retry_us
        else:
            on_deadline(self, now, out)

    replace(patches, Rejoining, "on_deadline", shortcut)


def _after_learning(change: Callable[[Following, Now], None]) -> Install:
    def install(patches: ExitStack) -> None:
        on_append = Following.on_append

        def shortcut(self: Following, now: Now, peer: str, append: Append, out: Effects) -> None:
            was_blank = self._seat.blank
            on_append(self, now, peer, append, out)
            if was_blank and self._seat.standing is Standing.REJOINED:
                change(self, now)

        replace(patches, Following, "on_append", shortcut)

    return install


def _skip_the_wait(member: Following, now: Now) -> None:
    member._seat.granted_until_us = now.mono_us


def _count_as_whole(member: Following, now: Now) -> None:
    """The term was promised to whoever owns it: what comes from him was granted to him."""
    seat = member._seat
    seat.standing = Standing.WHOLE
    seat.promised_to = seat.group.owner(max(1, seat.promised))


def _resume_the_own_term(member: Following, now: Now) -> None:
    seat = member._seat
    if seat.group.owner(max(1, seat.promised)) == seat.region:
        seat.standing, seat.promised_to = Standing.WHOLE, seat.region
        member._leadership.resume(now)


def _write_in_doubt(patches: ExitStack) -> None:
    never = property(lambda self: False, lambda self, value: None)
    patches.enter_context(mock.patch.object(Shards, "in_doubt", never, create=True))


MUTANTS = (
    Mutant(
        name="a lease counts from the answer",
        shortcut="a lease counts from the receipt of the acknowledgement",
        profile=SLOW_ANSWERS,
        install=_count_from_the_answer,
    ),
    Mutant(
        name="renewals have no sequence",
        shortcut="any acknowledgement counts for the newest renewal",
        profile=SLOW_ANSWERS,
        install=_count_for_the_newest,
    ),
    Mutant(
        name="the wait is as long as the lease",
        shortcut="a member waits for a lease, without the time to kill and the rates of the clocks",
        profile=UNEVEN_CLOCKS,
        install=_wait_for_the_lease_alone,
    ),
    Mutant(
        name="no supervisor",
        shortcut="tasks live on when their lease ends; the daemon stops them when it learns of another leader",
        profile=CUT_LEADERS,
        install=_no_supervisor,
    ),
    Mutant(
        name="launched without a lease",
        shortcut="a leader launches whether or not a majority has acknowledged a renewal of late",
        profile=CUT_LEADERS,
        install=_launch_without_lease,
    ),
    Mutant(
        name="a lost disk votes at once",
        shortcut="a member whose disk is an old one goes on with what is on it",
        profile=FORGETFUL_GUARDIANS,
        install=_forget_nothing,
    ),
    Mutant(
        name="one copy is enough",
        shortcut="a member that lost its disk learns from the first that answers",
        profile=FORGETFUL_GUARDIANS,
        install=_learn_from_one,
    ),
    Mutant(
        name="a lost disk waits for nothing",
        shortcut="a member that has learnt again promises at once",
        profile=GRANTED_AND_LOST,
        install=_after_learning(_skip_the_wait),
    ),
    Mutant(
        name="a lost disk is as good as ever",
        shortcut="a member that has learnt again repeats promises, and takes a candidate's grant for its own",
        profile=LEARNT_A_PROMISE,
        install=_after_learning(_count_as_whole),
    ),
    Mutant(
        name="a lost disk resumes its own term",
        shortcut="a member that learns that the newest term is its own goes on leading it",
        profile=LAUNCHED_AND_LOST,
        install=_after_learning(_resume_the_own_term),
    ),
    Mutant(
        name="shards write in doubt",
        shortcut="a leader adds to its log while its disk may be an old one",
        profile=FORGETFUL_GUARDIANS,
        install=_write_in_doubt,
    ),
)
