"""Shortcuts of the shell: what leaves before its row is durable, and what is done when a transaction failed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import BAD_DISKS, CRASHES
from hanse.core.effects import Effects, Send
from hanse.core.messages import CancelAck, Commit, Decision, TerminalAck, Verdict
from hanse.sim.host import Host


def _leaking(leave: Callable[[Host, Effects], None]) -> Callable[[ExitStack], None]:
    """`leave` lets some of the effects of a step go before the step is queued for its commit."""

    def install(patches: ExitStack) -> None:
        queue = Host._queue

        def shortcut(self: Host, effects: Effects) -> None:
            leave(self, effects)
            queue(self, effects)

        replace(patches, Host, "_queue", shortcut)

    return install


def _sends(leaks: Callable[[Send], bool]) -> Callable[[Host, Effects], None]:
    def leave(host: Host, effects: Effects) -> None:
        early = [send for send in effects.sends if leaks(send)]
        effects.sends = [send for send in effects.sends if not leaks(send)]
        for send in early:
            assert host.core is not None
            host._send(send.to, host.core.envelope(send.to), (send.message,))

    return leave


def _is_committed(send: Send) -> bool:
    return isinstance(send.message, Decision) and send.message.verdict is Verdict.COMMITTED


def _launches(host: Host, effects: Effects) -> None:
    for launch in effects.launches:
        host.executor.launch(launch)
    effects.launches = []


def _replies(host: Host, effects: Effects) -> None:
    for reply in effects.replies:
        host._observer.answered(host, reply.request_id, reply.answer)
    effects.replies = []


def _go_on(patches: ExitStack) -> None:
    def shortcut(self: Host) -> None:
        self._observer.count("commit_failure")
        for _ in range(self._committing):
            if self._pending.popleft().wrote:
                self.ledger.pending.popleft()
        self._committing = 0
        if self._pending:
            self._begin_commit()

    replace(patches, Host, "rebuild", shortcut)


MUTANTS = (
    Mutant(
        name="COMMIT before the write",
        shortcut="COMMIT leaves before XFER is durable",
        profile=CRASHES,
        install=_leaking(_sends(lambda send: isinstance(send.message, Commit))),
    ),
    Mutant(
        name="COMMITTED before the write",
        shortcut="COMMITTED leaves before the acceptance is durable",
        profile=CRASHES,
        install=_leaking(_sends(_is_committed)),
    ),
    Mutant(
        name="launched before the write",
        shortcut="tasks are launched before RUNNING is durable",
        profile=CRASHES,
        install=_leaking(_launches),
    ),
    Mutant(
        name="a submit is acknowledged before the write",
        shortcut="a caller is answered before its job is durable",
        profile=CRASHES,
        install=_leaking(_replies),
    ),
    Mutant(
        name="TERMINAL is acknowledged before the write",
        shortcut="home acknowledges an outcome before it is durable there",
        profile=CRASHES,
        install=_leaking(_sends(lambda send: isinstance(send.message, TerminalAck))),
    ),
    Mutant(
        name="CANCEL is acknowledged before the write",
        shortcut="a hop acknowledges a wish before it is durable there",
        profile=CRASHES,
        install=_leaking(_sends(lambda send: isinstance(send.message, CancelAck))),
    ),
    Mutant(
        name="life goes on after a failed transaction",
        shortcut="a region keeps its memory when a transaction has failed",
        profile=BAD_DISKS,
        install=_go_on,
    ),
)
