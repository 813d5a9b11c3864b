"""Reservations over several regions: all parts or none, through every crash and cut between the two phases."""

from __future__ import annotations

import msgspec
import pytest

from hanse.core.events import CancelReservation, Reserve
from hanse.core.messages import ReservationPart, ReservationSettled, ReservationTaken, ReservationVerdict
from hanse.core.model.jobs import GroupShape
from hanse.core.model.limits import JOINT_ASK_US, JOINT_TAKE_US
from hanse.core.model.reservations import (
    CapacityReservation,
    PartState,
    RegionPlaces,
    WantedReservation,
    WindowState,
)
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Answer, Done, Refused, Reserved
from tests.core.protocol.league import EPOCH_WALL_US, League
from tests.core.protocol.station import SLOT, is_parcel

OTHERS = ("south", "west")
_ROW = msgspec.msgpack.Decoder(CapacityReservation)


def places(gpus: int) -> tuple[GroupShape, ...]:
    return (GroupShape(1, 1, (("gpu", gpus * SLOT),)),)


class Joint(League):
    """Three regions of four GPUs; `north` is asked."""

    def __init__(self) -> None:
        super().__init__(north=4, south=4, west=4)
        self.advance(10 * SECOND_US)

    def wanted(self, name: str = "night", gpus: int = 3, in_s: int = 60) -> WantedReservation:
        return WantedReservation(
            name=name,
            tenant="mill",
            groups=places(gpus),
            starts_wall_us=(EPOCH_WALL_US + self.now_us + in_s * SECOND_US,),
            duration_us=600 * SECOND_US,
        )

    def reserve(
        self, wanted: WantedReservation, elsewhere: int = 3, *, at: str = "north", alone: bool = False
    ) -> int:
        """The number of the request; of 0 GPUs elsewhere nothing is wanted."""
        self._requests += 1
        parts = () if alone else tuple(RegionPlaces(name, places(elsewhere)) for name in OTHERS)
        event = Reserve(
            request_id=self._requests,
            wanted=wanted,
            id=f"r-{wanted.name}-{self._requests}",
            cause="operator",
            elsewhere=parts,
        )
        number = self._requests
        self.step(at, event)
        return number

    def cancel(self, region: str, name: str = "night") -> Answer:
        self._requests += 1
        number = self._requests
        self.step(region, CancelReservation(request_id=number, name=name, cause="operator"))
        return self.stations[region].answers[number]

    def answer(self, number: int, at: str = "north") -> Answer | None:
        return self.stations[at].answers.get(number)

    def states(self) -> dict[str, PartState]:
        """What is on the disks of all regions, of one reservation."""
        found: dict[str, PartState] = {}
        for name, station in self.stations.items():
            for row in station.ledger.reservations.values():
                part = _ROW.decode(row.body).part
                if part is not None:
                    found[name] = part.state
        return found

    def followed(self) -> list[str]:
        """Regions that have it among their windows."""
        return [name for name in self.stations if len(self[name].local.windows)]


def in_all(state: PartState) -> dict[str, PartState]:
    return dict.fromkeys(("north", *OTHERS), state)


def is_binding(parcel: object, to: str = "") -> bool:
    return is_parcel(parcel, ReservationPart, "", to) and parcel.message.binding  # type: ignore[arg-type, attr-defined]


def test_it_is_answered_when_all_have_taken_their_parts_and_is_kept_in_all() -> None:
    league = Joint()
    league.hold(ReservationTaken, sender="west")
    number = league.reserve(league.wanted())
    league.advance(SECOND_US)
    assert league.states() == {}
    league.deliver(ReservationTaken, sender="west")
    league.advance(SECOND_US)
    assert league.states() == in_all(PartState.HELD)
    assert league.answer(number) is None
    league.let_go()
    league.advance(SECOND_US)
    assert isinstance(league.answer(number), Reserved)
    assert league.states() == in_all(PartState.KEPT)
    league.advance(60 * SECOND_US)
    for name in league.stations:
        assert [window.state for window in league[name].local.windows.all()] == [WindowState.OPEN]
    assert league["north"].joint.idle


def test_asked_again_it_answers_the_same() -> None:
    league = Joint()
    wanted = league.wanted()
    first = league.reserve(wanted)
    second = league.reserve(wanted)
    league.advance(2 * SECOND_US)
    again, other = league.reserve(wanted), league.reserve(wanted, 2)
    answers = [league.answer(number) for number in (first, second, again, other)]
    assert isinstance(answers[0], Reserved)
    assert isinstance(answers[1], Refused)
    assert isinstance(answers[2], Reserved)
    assert answers[2].existed
    assert isinstance(answers[3], Refused)
    assert answers[3].code == "KEY_CONFLICT"
    alone = league.reserve(wanted, alone=True, at="south")
    assert isinstance(league.answer(alone, "south"), Refused)


def test_what_one_has_no_room_for_is_refused_with_its_name_and_nothing_is_written() -> None:
    league = Joint()
    assert isinstance(
        league.answer(league.reserve(league.wanted("own"), at="south", alone=True), "south"), Reserved
    )
    number = league.reserve(league.wanted())
    league.advance(SECOND_US)
    answer = league.answer(number)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.field) == ("CONFLICT", "groups")
    assert answer.message.startswith("region south: the nodes have no room for it beside own of mill")
    assert league.states() == {}
    # What west has promised is over some seconds later.
    league.advance(JOINT_ASK_US + JOINT_TAKE_US)
    assert league["west"].joint.alarm.next_us > league.now_us


def test_a_region_that_is_out_of_reach_or_silent_is_named() -> None:
    league = Joint()
    league.hold(ReservationPart, to="west")
    number = league.reserve(league.wanted())
    league.advance(JOINT_ASK_US)
    answer = league.answer(number)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.message) == ("UNREACHABLE", "no answer of west")
    league.let_go()
    league.advance(10 * SECOND_US)
    assert league.states() == {}
    league.crash("west")
    league.advance(60 * SECOND_US)
    answer = league.answer(league.reserve(league.wanted()))
    assert isinstance(answer, Refused)
    assert answer.message == "region west is out of reach"


def test_one_that_has_no_room_any_more_drops_all_parts() -> None:
    league = Joint()
    league.hold_if(lambda parcel: is_binding(parcel, "south"))
    number = league.reserve(league.wanted())
    league.advance(SECOND_US)
    assert league.states() == {"north": PartState.HELD, "west": PartState.HELD}
    league.reserve(league.wanted("own"), at="south", alone=True)
    league.hold(ReservationVerdict, to="west")
    league.let_go()
    league.hold(ReservationVerdict, to="west")
    league.advance(SECOND_US)
    assert isinstance(league.answer(number), Refused)
    assert league.states() == {
        "north": PartState.DROPPED,
        "south": PartState.DROPPED,
        "west": PartState.HELD,
    }
    league.let_go()
    league.advance(5 * SECOND_US)
    # Its owner has forgotten it; the others must not take it again.
    assert league.states() == {"south": PartState.DROPPED, "west": PartState.DROPPED}
    assert league.followed() == ["south"]
    assert league["north"].joint.idle


@pytest.mark.parametrize("before", [True, False])
def test_an_owner_that_dies_with_its_decision(before: bool) -> None:
    """Before it is written nothing has happened; afterwards it goes on where it was."""
    for kind in (ReservationPart, ReservationVerdict):
        league = Joint()
        number = league.reserve(league.wanted())
        if kind is ReservationPart:
            league.hold(ReservationTaken, sender="west")
            league.settle()
            league.let_go()
        crash = league.crash_before_write if before else league.crash_after_write
        crash("north", kind)
        league.settle()
        assert league.stations["north"].core is None, "it died"
        league.restart("north")
        league.advance(30 * SECOND_US)
        assert league.answer(number) is None or isinstance(league.answer(number), Reserved)
        asked_only = kind is ReservationPart and before
        assert league.states() == ({} if asked_only else in_all(PartState.KEPT))


def test_a_region_that_dies_once_it_has_taken_its_part_says_so_when_it_is_back() -> None:
    league = Joint()
    league.hold_if(lambda parcel: is_binding(parcel, "south"))
    number = league.reserve(league.wanted())
    league.settle()
    league.let_go()
    league.crash_after_write("south", ReservationTaken)
    league.settle()
    assert league.states()["south"] is PartState.HELD
    league.restart("south")
    league.advance(4 * SECOND_US)
    assert isinstance(league.answer(number), Reserved)
    assert league.states() == in_all(PartState.KEPT)


def test_a_region_that_is_cut_off_before_it_has_answered_drops_its_part_when_it_is_back() -> None:
    league = Joint()
    league.hold_if(lambda parcel: is_parcel(parcel, ReservationTaken, "west", "") and parcel.message.binding)  # type: ignore[union-attr]
    number = league.reserve(league.wanted())
    league.settle()
    league.cut("north", "west")
    league.let_go()
    league.advance(JOINT_TAKE_US + SECOND_US)
    answer = league.answer(number)
    assert isinstance(answer, Refused)
    assert answer.message == "no answer of west"
    assert league.states()["west"] is PartState.HELD
    # However long it takes: it may have been kept, for all that west knows. But nothing of it opens.
    league.advance(70 * SECOND_US)
    window = league["west"].local.windows.all()[0]
    assert (window.state, window.holds) == (WindowState.AHEAD, {})
    league.heal()
    league.advance(120 * SECOND_US)
    assert league.states() == {"south": PartState.DROPPED, "west": PartState.DROPPED}
    assert league.followed() == []


def test_what_comes_late_does_not_bring_back_what_was_dropped() -> None:
    league = Joint()
    number = league.reserve(league.wanted())
    league.advance(SECOND_US)
    assert isinstance(league.answer(number), Reserved)
    late = next(each for each in league.delivered if is_binding(each, "south"))
    kept = next(each for each in league.delivered if is_parcel(each, ReservationVerdict, "", "south"))
    assert isinstance(league.cancel("north"), Done)
    league.advance(5 * SECOND_US)
    assert league.states() == {"south": PartState.DROPPED, "west": PartState.DROPPED}
    league.deliver(late)
    league.deliver(kept)
    league.advance(5 * SECOND_US)
    assert league.states() == {"south": PartState.DROPPED, "west": PartState.DROPPED}
    assert league.followed() == []


def test_a_part_is_cancelled_at_its_owner_only() -> None:
    league = Joint()
    number = league.reserve(league.wanted())
    league.advance(SECOND_US)
    assert isinstance(league.answer(number), Reserved)
    answer = league.cancel("south")
    assert isinstance(answer, Refused)
    assert answer.message == "night is a part of one of region north: cancel it there"
    league.hold(ReservationSettled, sender="south")
    assert isinstance(league.cancel("north"), Done)
    league.advance(SECOND_US)
    assert league.states() == in_all(PartState.DROPPED)
    assert not league["north"].joint.idle
    # Its name is free at once where it was cancelled.
    assert isinstance(league.answer(league.reserve(league.wanted(), alone=True)), Reserved)
    league.let_go()
    league.advance(40 * SECOND_US)
    assert league["north"].joint.idle


def test_an_owner_that_knows_nothing_of_it_any_more_says_that_it_is_dropped() -> None:
    """Its disk was replaced by one from before it was asked."""
    league = Joint()
    number = league.reserve(league.wanted())
    league.advance(SECOND_US)
    assert isinstance(league.answer(number), Reserved)
    league.crash("north")
    league.stations["north"].ledger.reservations.clear()
    league.restart("north")
    league.advance(30 * SECOND_US)
    assert league.states() == {"south": PartState.DROPPED, "west": PartState.DROPPED}


def test_one_that_has_lost_its_part_with_its_disk_drops_all() -> None:
    league = Joint()
    league.reserve(league.wanted())
    league.advance(SECOND_US)
    league.crash("west")
    league.stations["west"].ledger.reservations.clear()
    league.restart("west")
    league.advance(30 * SECOND_US)
    assert PartState.KEPT not in league.states().values()
    assert league.followed() == []


def test_places_are_of_other_regions_each_named_once() -> None:
    league = Joint()
    for regions in (("south", "south"), ("north",), ("nowhere",)):
        parts = tuple(RegionPlaces(name, places(1)) for name in regions)
        event = Reserve(request_id=99, wanted=league.wanted(), id="r", cause="operator", elsewhere=parts)
        league.step("north", event)
        answer = league.answer(99)
        assert isinstance(answer, Refused)
        assert answer.code == "INVALID"
