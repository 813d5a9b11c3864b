"""An account of rights: row by row, and in leagues of accounts where anything may happen at any time."""

from __future__ import annotations

import pytest

from hanse.core.account import Account
from hanse.core.messages import RightsDecision, RightsVerdict
from hanse.core.model.quota import Quota
from tests.core.federation.escrow.accounts import CPU, GPU, LEAGUE, Bank, Disk, document


def _account(name: str, number: int, gpus: int = 0) -> Account:
    account = Account(name, Disk().read())
    account.open(number)
    if gpus:
        account.take_document(document(1, {GPU: gpus}), {})
    return account


class TestTransfer:
    def test_rights_leave_the_giver_before_they_arrive(self) -> None:
        giver, taker = _account("a", 1, gpus=5), _account("b", 2)
        giver.give(("b", 2), ((GPU, 3),))
        assert (giver.held(GPU), taker.held(GPU)) == (2, 0)
        answer = taker.on_commit(giver.commit_to(LEAGUE, ("b", 2)))
        assert answer is not None
        assert taker.held(GPU) == 3
        assert giver.on_decision(answer)
        assert (giver.held(GPU), giver.undecided()) == (2, [])

    def test_a_commit_that_comes_again_is_answered_and_not_credited(self) -> None:
        giver, taker = _account("a", 1, gpus=5), _account("b", 2)
        giver.give(("b", 2), ((GPU, 3),))
        commit = giver.commit_to(LEAGUE, ("b", 2))
        assert taker.on_commit(commit) == taker.on_commit(commit, wanted=False)
        assert taker.held(GPU) == 3

    def test_a_commit_of_a_transfer_that_is_over_is_not_answered(self) -> None:
        giver, taker = _account("a", 1, gpus=5), _account("b", 2)
        giver.give(("b", 2), ((GPU, 1),))
        first = giver.commit_to(LEAGUE, ("b", 2))
        answer = taker.on_commit(first)
        assert answer is not None
        giver.on_decision(answer)
        giver.give(("b", 2), ((GPU, 1),))
        taker.on_commit(giver.commit_to(LEAGUE, ("b", 2)))
        assert taker.on_commit(first) is None
        assert taker.held(GPU) == 2

    def test_burned_gives_the_rights_back(self) -> None:
        giver, taker = _account("a", 1, gpus=5), _account("b", 2)
        giver.give(("b", 2), ((GPU, 3),))
        answer = taker.on_commit(giver.commit_to(LEAGUE, ("b", 2)), wanted=False)
        assert answer is not None
        assert answer.verdict is RightsVerdict.BURNED
        giver.on_decision(answer)
        assert (giver.held(GPU), taker.held(GPU)) == (5, 0)

    def test_what_was_sent_to_a_lost_disk_is_lost(self) -> None:
        giver, taker = _account("a", 1, gpus=5), _account("b", 2)
        giver.give(("b", 2), ((GPU, 3),))
        commit = giver.commit_to(LEAGUE, ("b", 2))
        taker.on_commit(commit)
        taker.begin_anew(7)
        answer = taker.on_commit(commit)
        assert answer is not None
        assert answer.verdict is RightsVerdict.GONE
        giver.on_decision(answer)
        assert (giver.held(GPU), giver.balances[GPU].lost, taker.held(GPU)) == (2, 3, 0)

    def test_one_transfer_at_a_time(self) -> None:
        giver = _account("a", 1, gpus=5)
        giver.give(("b", 2), ((GPU, 1),))
        assert giver.is_sending(("b", 2))
        with pytest.raises(AssertionError, match="one transfer"):
            giver.give(("b", 2), ((GPU, 1),))

    def test_what_is_in_use_is_not_given(self) -> None:
        giver = _account("a", 1, gpus=5)
        giver.charge("job", ((GPU, 4),))
        with pytest.raises(AssertionError, match="not free"):
            giver.give(("b", 2), ((GPU, 2),))

    def test_what_a_lost_region_may_have_taken_is_nobodys(self) -> None:
        giver = _account("a", 1, gpus=5)
        giver.give(("b", 2), ((GPU, 2),))
        giver.give_up(("b", 2))
        assert (giver.held(GPU), giver.balances[GPU].lost, giver.undecided()) == (3, 2, [])
        late = RightsDecision(
            giver="a", giver_id=1, to="b", to_id=2, sequence=1, verdict=RightsVerdict.BURNED
        )
        assert not giver.on_decision(late)


class TestKeeper:
    def test_raising_mints(self) -> None:
        keeper = _account("a", 1, gpus=5)
        keeper.take_document(document(2, {GPU: 8}), {})
        assert (keeper.held(GPU), keeper.balances[GPU].debt) == (8, 0)

    def test_lowering_takes_nothing_that_is_in_use(self) -> None:
        keeper = _account("a", 1, gpus=5)
        keeper.charge("job", ((GPU, 4),))
        keeper.take_document(document(2, {GPU: 2}), {})
        keeper.pay_debts()
        assert (keeper.held(GPU), keeper.balances[GPU].debt) == (4, 2)
        assert not keeper.may_use(((GPU, 1),))
        keeper.discharge("job")
        keeper.pay_debts()
        assert (keeper.held(GPU), keeper.balances[GPU].debt, keeper.free(GPU)) == (2, 0, 2)

    def test_while_it_owes_it_gives_nothing(self) -> None:
        keeper = _account("a", 1, gpus=5)
        keeper.charge("job", ((GPU, 5),))
        keeper.take_document(document(2, {GPU: 4}), {})
        assert keeper.free(GPU) == 0

    def test_a_quota_that_was_lifted_keeps_what_was_minted(self) -> None:
        keeper = _account("a", 1, gpus=5)
        keeper.take_document(document(2, {GPU: None}), {})
        keeper.take_document(document(3, {GPU: 6}), {})
        assert keeper.held(GPU) == 6

    def test_what_the_operator_writes_off_is_minted_once(self) -> None:
        keeper = _account("a", 1, gpus=5)
        keeper.take_document(document(2, {GPU: 5}, written_off=3), {})
        keeper.take_document(document(3, {GPU: 5}, written_off=3), {})
        assert keeper.held(GPU) == 8

    def test_after_a_lost_disk_only_the_difference_is_minted(self) -> None:
        keeper = _account("a", 1, gpus=5)
        keeper.begin_anew(9)
        assert keeper.held(GPU) == 0
        keeper.take_document(document(3, {GPU: 7}), {GPU: Quota(tenant="lab", resource="gpu", limit=5)})
        assert keeper.held(GPU) == 2

    def test_after_a_lost_disk_what_runs_holds_its_rights(self) -> None:
        account = _account("a", 1, gpus=5)
        account.charge("job", ((GPU, 2),))
        account.begin_anew(9)
        assert (account.held(GPU), account.free(GPU)) == (2, 0)
        account.discharge("job")
        assert account.free(GPU) == 2


def test_what_was_not_needed_for_a_while_is_swept() -> None:
    account = _account("a", 1, gpus=5)
    account.sweep()
    account.charge("one", ((GPU, 3),))
    account.discharge("one")
    assert account.sweep() == ((GPU, 2),)
    assert account.sweep() == ((GPU, 5),)


LIMITS = ({GPU: 6, CPU: 9}, {GPU: 12, CPU: 9}, {GPU: 3, CPU: 20}, {GPU: 3, CPU: 1}, {GPU: 30, CPU: 7})


@pytest.mark.parametrize("seed", range(30))
def test_every_right_is_somewhere_once(seed: int) -> None:
    bank = Bank(2 + seed % 3, seed)
    for number in range(1, 6):
        bank.apply(document(number, LIMITS[(seed + number) % len(LIMITS)]))
        for _ in range(150):
            bank.act()
            bank.check()
    bank.settle()
    bank.check()


@pytest.mark.parametrize("seed", range(30))
def test_lost_disks_lose_rights_and_never_double_them(seed: int) -> None:
    bank = Bank(3, seed)
    for number in range(1, 5):
        bank.apply(document(number, LIMITS[(seed + number) % len(LIMITS)]))
        for _ in range(150):
            bank.act(disks_lost=True)
            used_before = {key: bank.unpaid.get(key, 0) for key in (GPU, CPU)}
            for key, most in used_before.items():
                used = sum(account.used.get(key, 0) for account in bank.accounts.values())
                held = sum(account.held(key) for account in bank.accounts.values())
                assert used <= held
                assert used <= most
    bank.settle()
