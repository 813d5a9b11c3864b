"""What can be done to the way from one region to another: by nft inside namespaces, or by the proxy."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from chaos.live.network import Network
from hanse.bench.proxy import Proxy


class Way(NamedTuple):
    """One direction."""

    sender: str
    receiver: str


class Trouble(enum.Enum):
    """What befalls what travels on a way."""

    CUT = "nothing arrives"
    DROP = "a share of the packets is lost"
    DELAY = "everything arrives later"
    SWALLOW = "connections stay open, and nothing that is sent on them arrives, ever"


class Imposed(NamedTuple):
    """One trouble on one way. `amount`: the share for DROP, seconds for DELAY."""

    trouble: Trouble
    way: Way
    amount: float = 0.0


class Links(Protocol):
    """Troubles add up; each is lifted as it was imposed."""

    def impose(self, troubles: Iterable[Imposed]) -> None:
        """From now on."""

    def lift(self, troubles: Iterable[Imposed]) -> None:
        """No longer."""


class DirectLinks:
    """Packets are dropped where they arrive, in the receiver's namespace."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._imposed: Counter[Imposed] = Counter()

    def impose(self, troubles: Iterable[Imposed]) -> None:
        """See Links."""
        self._change(troubles, 1)

    def lift(self, troubles: Iterable[Imposed]) -> None:
        """See Links."""
        self._change(troubles, -1)

    def _change(self, troubles: Iterable[Imposed], by: int) -> None:
        changed = list(troubles)
        for each in changed:
            self._imposed[each] += by
        for receiver in sorted({each.way.receiver for each in changed}):
            here = [one for one, count in self._imposed.items() if count > 0 and one.way.receiver == receiver]
            self._network.write_rules(receiver, [self._rule(one) for one in here])

    def _rule(self, one: Imposed) -> str:
        source = f"ip saddr {self._network.address(one.way.sender)}"
        match one.trouble:
            case Trouble.CUT:
                return f"{source} drop"
            case Trouble.DROP:
                return f"{source} numgen random mod 1000 < {round(one.amount * 1000)} drop"
            case _:
                raise AssertionError(f"{one.trouble} needs the proxy, as campaigns are checked for")


class ProxyLinks:
    """The proxy holds back, delays or swallows."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def impose(self, troubles: Iterable[Imposed]) -> None:
        """See Links."""
        self._change(troubles, 1)

    def lift(self, troubles: Iterable[Imposed]) -> None:
        """See Links."""
        self._change(troubles, -1)

    def _change(self, troubles: Iterable[Imposed], by: int) -> None:
        for one in troubles:
            match one.trouble:
                case Trouble.CUT:
                    self._proxy.hold(one.way, by)
                case Trouble.DELAY:
                    self._proxy.delay(one.way, by * one.amount)
                case Trouble.SWALLOW:
                    self._proxy.swallow(one.way, by)
                case _:
                    raise AssertionError(f"{one.trouble} needs direct links, as campaigns are checked for")
