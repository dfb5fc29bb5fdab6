"""The key by which a provider can be searched for an uncertain message. Stored in `Delivery.provider_id`.

Format: `?mailgun/5e0c91d2a7b4/warta-3f/2`: the kind of route, the account of the provider, the mark (a tag) of the call,
and the number of look-ups made so far. The leading `?` tells it from a provider's message id.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from workers import providers

MARK_COUNT = 256
"""Number of different marks. Providers limit the number of tags, so calls share them; a look-up compares the token of
each reader as well."""


@dataclass(frozen=True, slots=True)
class LookUp:
    kind: str
    account: str
    mark: str
    times_asked: int = 0

    def __str__(self) -> str:
        return f"?{self.kind}/{self.account}/{self.mark}/{self.times_asked}"

    @property
    def next(self) -> LookUp:
        return replace(self, times_asked=self.times_asked + 1)


def make_mark(batch: int, attempt: int) -> str:
    """Return the mark of every call of this claim. It derives from the claim, so it is known after a crash, too."""
    return f"warta-{zlib.crc32(f'{batch}-{attempt}'.encode()) % MARK_COUNT:02x}"


def encode(route: str, account: str, batch: int, attempt: int) -> str:
    """Return the look-up key for a call of this claim; "" if the provider has no search or the account is unknown.

    `route` is the name of the route, `account` its `base.account_of`.
    """
    kind = route.rpartition("-")[0]
    return str(LookUp(kind, account, make_mark(batch, attempt))) if account and providers.can_look_up(kind) else ""


def parse(text: str) -> LookUp | None:
    """Return the look-up key in a `Delivery.provider_id`, or None if it holds a provider's message id."""
    parts = text.removeprefix("?").split("/")
    if not text.startswith("?") or len(parts) != 4 or not parts[3].isdigit():
        return None
    return LookUp(parts[0], parts[1], parts[2], int(parts[3]))
