"""Checkers: each reads the event record of a run, and nothing else, and knows one promise.

    one_runner     a job's processes live in one region and one run at a time; what succeeded never runs again     P3
    conservation   owners + undecided transfers + terminals of a job are 1, at every durable point                P2
    epochs         epochs grow along the givers, and an epoch is decided once                                      P2
    write_ahead    nothing leaves a region before the row that it rests on is durable                          P1, P2
    outcomes       what was acknowledged ends, once, and as its processes (or a cancel) say                       P1
    capacity       no node or device holds more than it has                                                       P5
    policies       a start cites the policy in force, and exceeds no quota of it                                     P5
    league_policy  regions take only signed policies of the league, and end with the same one                     P5
    reservations   no capacity is reserved twice, nor given to others; who is stopped is stopped for a window    P5
    joint          a reservation over several regions is kept in all of them, or in none                         P5
    quotas         tenants use no more than their global quotas, and the accounts of rights balance              P5
    rosters        an epoch of the league has one roster; a countersignature is durable before it leaves          P2
    reasons        a job without an allocation says why                                                           P6
    adoptable      what a majority of guardians holds is never lost, has one owner, and ends once             P1, P2, P4
    majority       what is told about an adoptable job is on the disks of a majority of its guardians         P1, P2
    moves          a running job that moves is dead before it leaves, is not blamed, and moves few times       P3
    holds          a job that is held does not start
    elements       each element of an array ends once, as it should; the job is their sum; no more live than may  P1, P3
    reliefs        no job is carried back and forth between queues
    liveness       once everything has healed, everything ends                                                 P1, P7

`check(record)` runs them all, in one pass, and raises the first SafetyViolation or LivenessViolation. What may be
demanded of a region whose disk was replaced by an older one is in `disks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chaos.checkers.adoptable import Adoptable
from chaos.checkers.base import Checker
from chaos.checkers.capacity import CapacityHeld
from chaos.checkers.conservation import Conservation
from chaos.checkers.disks import Disks
from chaos.checkers.elements import Elements
from chaos.checkers.epochs import Epochs
from chaos.checkers.holds import Holds
from chaos.checkers.joint import JointReservations
from chaos.checkers.league_policy import LeaguePolicies
from chaos.checkers.liveness import Liveness
from chaos.checkers.majority import Majority
from chaos.checkers.moves import Moves
from chaos.checkers.one_runner import OneRunner
from chaos.checkers.outcomes import Outcomes
from chaos.checkers.policies import Policies
from chaos.checkers.quotas import QuotasHeld
from chaos.checkers.reasons import Reasons
from chaos.checkers.reliefs import Reliefs
from chaos.checkers.reservations import Reservations
from chaos.checkers.rosters import Rosters
from chaos.checkers.write_ahead import WriteAhead
from hanse.sim.record import Entry

Kind = Callable[[Disks], Checker]
ALL: tuple[Kind, ...] = (
    OneRunner,
    Conservation,
    Epochs,
    WriteAhead,
    Outcomes,
    CapacityHeld,
    Policies,
    LeaguePolicies,
    QuotasHeld,
    Reservations,
    JointReservations,
    Reasons,
    Rosters,
    Liveness,
    Adoptable,
    Majority,
    Moves,
    Reliefs,
    Holds,
    Elements,
)


def check(record: Iterable[Entry], kinds: Iterable[Kind] = ALL) -> None:
    """Judge a whole record."""
    disks = Disks()
    checkers = [kind(disks) for kind in kinds]
    handlers: dict[type, list[Callable[[Entry], None]]] = {}
    for checker in checkers:
        for entry_type, handler in checker.handlers().items():
            handlers.setdefault(entry_type, []).append(handler)
    for entry in record:
        disks.take(entry)
        for handler in handlers.get(type(entry), ()):
            handler(entry)
    for checker in checkers:
        checker.finish()
