"""What was taken, whichever way it came, and whether everything stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol


class Waiting(Protocol):
    """A connection that may have something to say when it goes on."""

    def go_on(self) -> None: ...


class Count:
    """Everything that was taken, for all connections."""

    def __init__(self) -> None:
        self.messages = 0
        self.ids: Counter[str] = Counter()
        self.recipients: Counter[str] = Counter()
        self.marks: list[tuple[int, str]] = []
        """In order; one is due when so many were taken."""
        self.sessions: set[Waiting] = set()
        self.is_still = False
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
        self.is_still = True
        self.tell({"mark": self.messages, "where": where})
        return where

    def go_on(self) -> None:
        self.is_still = False
        for session in list(self.sessions):
            session.go_on()
