"""What a provider can be asked about readers of whom nobody is sure. It stands where the provider's own id would be.

`?mailgun/5e0c91d2a7b4/warta-3f/2`: the kind of route, which account of the provider it used, the mark that the call
bears there, and how often it was asked.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from workers.routes.base import LOOK_UP_KINDS

MARK_COUNT = 256
"""Providers keep only so many different marks, so that calls share these; a look reads each reader's own token."""


@dataclass(frozen=True, slots=True)
class LookUp:
    kind: str
    account: str
    mark: str
    asked: int = 0

    def __str__(self) -> str:
        return f"?{self.kind}/{self.account}/{self.mark}/{self.asked}"

    @property
    def next(self) -> LookUp:
        return replace(self, asked=self.asked + 1)


def make_mark(batch: int, attempt: int) -> str:
    """What each call of this claim bears: known before it leaves, and after a crash without any answer."""
    return f"warta-{zlib.crc32(f'{batch}-{attempt}'.encode()) % MARK_COUNT:02x}"


def encode(route: str, account: str, batch: int, attempt: int) -> str:
    """The question about a call of this claim; "" where nobody can be asked, or nobody knows which account sent it.

    `route` is the name of the route, `account` its `base.account_of`.
    """
    kind = route.rpartition("-")[0]
    return str(LookUp(kind, account, make_mark(batch, attempt))) if account and kind in LOOK_UP_KINDS else ""


def parse(text: str) -> LookUp | None:
    parts = text.removeprefix("?").split("/")
    if not text.startswith("?") or len(parts) != 4 or not parts[3].isdigit():
        return None
    return LookUp(parts[0], parts[1], parts[2], int(parts[3]))
