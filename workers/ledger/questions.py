"""What a provider can be asked about readers of whom nobody is sure. It stands where the provider's own id would be.

`?mailgun/warta-3f/2`: the kind of route, the mark that the call bears at the provider, and how often it was asked.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from workers.routes.base import TRACED_KINDS

MARKS = 256
"""Providers keep only so many different marks, so that calls share these; a look reads each reader's own token."""


@dataclass(frozen=True, slots=True)
class Question:
    kind: str
    mark: str
    asked: int = 0

    def __str__(self) -> str:
        return f"?{self.kind}/{self.mark}/{self.asked}"

    @property
    def next(self) -> Question:
        return replace(self, asked=self.asked + 1)


def mark(batch: int, attempt: int) -> str:
    """What each call of this claim bears: known before it leaves, and after a crash without any answer."""
    return f"warta-{zlib.crc32(f'{batch}-{attempt}'.encode()) % MARKS:02x}"


def of(route: str, batch: int, attempt: int) -> str:
    """The question about a call of this claim; "" where the provider cannot be asked. `route` is its name."""
    kind = route.rpartition("-")[0]
    return str(Question(kind, mark(batch, attempt))) if kind in TRACED_KINDS else ""


def read(text: str) -> Question | None:
    parts = text.removeprefix("?").split("/")
    if not text.startswith("?") or len(parts) != 3 or not parts[2].isdigit():
        return None
    return Question(parts[0], parts[1], int(parts[2]))
