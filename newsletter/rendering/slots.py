"""Places in a frozen edition that differ per reader: written `⟦name⟧`, found once, then filled by joining pieces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

OPEN, CLOSE = "⟦", "⟧"
NAMES = frozenset({"hit", "u", "p", "why"})
"""Tracking token, unsubscribe token, preferences token, and the sentence that says why this mail came.

Tokens are URL-safe ASCII. Whoever fills `why` in HTML escapes it first."""
_SLOT = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
_MARKS = str.maketrans("", "", OPEN + CLOSE)


class UnknownSlot(ValueError):
    """The text has a slot that nobody can fill, or a mark without its partner."""


class Segments(NamedTuple):
    """`static[0] + slots[0] + static[1] + … + static[-1]`; there is one more static piece than slots."""

    static: tuple[str, ...]
    slots: tuple[str, ...]


def slot(name: str) -> str:
    return f"{OPEN}{name}{CLOSE}"


def split(text: str) -> Segments:
    """Cut `text` at its slots. Raises UnknownSlot."""
    pieces = _SLOT.split(text)
    static, slots = tuple(pieces[::2]), tuple(pieces[1::2])
    strangers = set(slots) - NAMES
    if strangers or any(OPEN in piece or CLOSE in piece for piece in static):
        raise UnknownSlot(f"Not a slot: {', '.join(sorted(strangers)) or 'a single mark'}")
    return Segments(static, slots)


def fill(segments: Segments, values: Mapping[str, str]) -> str:
    """Put `values` into the slots, exactly as they are. Raises KeyError where one is missing."""
    pieces = [segments.static[0]]
    for name, static in zip(segments.slots, segments.static[1:], strict=True):
        pieces += (values[name], static)
    return "".join(pieces)


def without_marks(text: str) -> str:
    """`text` as somebody wrote it, unable to pass for a slot."""
    return text.translate(_MARKS)
