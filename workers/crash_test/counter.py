"""What was taken, whichever way it came, whether everything stands still, and what all connections have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable


class MailCounter:
    """Everything that was taken, for all connections."""

    def __init__(self) -> None:
        self.messages = 0
        self.ids: Counter[str] = Counter()
        self.recipients: Counter[str] = Counter()
        self.marks: list[tuple[int, str]] = []
        """In order; one is due when so many were taken."""
        self.sessions: set[Connection] = set()
        self.is_paused = False
        self.tell: Callable[[object], None] = lambda _told: None

    def take(self, copies: Iterable[tuple[str, str]]) -> str:
        """Count copies (recipient, id) that came together; "before", "after" or "cut" if all stand still at them."""
        for recipient, own_id in copies:
            self.messages += 1
            self.ids[own_id] += 1
            self.recipients[recipient] += 1
        if not self.marks or self.marks[0][0] > self.messages:
            return ""
        _count, where = self.marks.pop(0)
        self.is_paused = True
        self.tell({"mark": self.messages, "where": where})
        return where

    def go_on(self) -> None:
        self.is_paused = False
        for session in list(self.sessions):
            session.go_on()


class Connection(asyncio.Protocol, ABC):
    """One connection to a server that stands still when it is told to; each kind says in `go_further` what it takes."""

    greeting = b""

    def __init__(self, count: MailCounter) -> None:
        self.count = count
        self.waiting = bytearray()
        self.pending_reply = b""
        self.is_cut = self.is_gone = False

    @abstractmethod
    def process_next(self) -> bool:
        """Take the next piece of `waiting`; False while none is whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport
        self.count.sessions.add(self)
        transport.write(self.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was sent in full before its sender died is taken all the same, as servers do."""
        self.is_gone = True
        self.go_on()

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        self.go_on()

    def go_on(self) -> None:
        if self.is_cut:
            self.count.sessions.discard(self)
            self.transport.abort()
            return
        if self.pending_reply and not self.count.is_paused:
            self.transport.write(self.pending_reply)
            self.pending_reply = b""
        while not self.count.is_paused and self.process_next():
            pass
        if self.is_gone and not self.count.is_paused:
            self.count.sessions.discard(self)
