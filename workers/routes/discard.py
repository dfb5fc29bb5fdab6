"""Takes everything and keeps nothing: for demonstration data and measurements."""

from __future__ import annotations

from workers.routes import base


class DiscardRoute:
    kind = "discard"
    capabilities = base.Capabilities(window=0)

    def __init__(self, name: str, url: str) -> None:
        address = base.parse_url(url, options=frozenset())
        self.name, self.rate = name, address.number("rate", 0)

    def open(self) -> None:
        pass

    def eight_bit(self) -> bool:
        return True

    def send(self, letter: base.OutgoingMessage, *, deadline: float = base.NO_DEADLINE) -> base.SendResult:
        base.check_deadline(deadline)
        return base.SendResult("accepted", "250")

    def close(self) -> None:
        pass
