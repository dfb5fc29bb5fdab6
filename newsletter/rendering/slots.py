"""Places in a frozen edition that differ per reader: written `⟦u⟧`, found once, then filled by joining pieces.

A merge field carries the words for readers of whom we know nothing, so that no mail can leave without any: `⟦name:…⟧`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple

OPEN, CLOSE = "⟦", "⟧"
SLOT_NAMES = frozenset({"hit", "u", "p", "why"})
"""Tracking token, unsubscribe token, preferences token, and the sentence that says why this mail came.

Tokens are URL-safe ASCII. Whoever fills `why` in HTML escapes it first."""
FIELD_NAMES = frozenset({"name"})
"""What a merge field may name."""
_FIELD = re.compile(rf"({'|'.join(sorted(FIELD_NAMES))}):([\w-]*)", re.ASCII)
_SLOT = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
_MARKS = str.maketrans("", "", OPEN + CLOSE)


class UnknownSlot(ValueError):
    """The text has a slot that nobody can fill, or a mark without its partner."""


class Segments(NamedTuple):
    """`static[0] + slots[0] + static[1] + … + static[-1]`; there is one more static piece than slots."""

    static: tuple[str, ...]
    slots: tuple[str, ...]


def format_slot(name: str) -> str:
    return f"{OPEN}{name}{CLOSE}"


def format_field(name: str, fallback: str) -> str:
    """A merge field. `fallback` is filled in as it is; its written form has no blanks and no signs that anybody escapes."""
    return format_slot(f"{name}:{urlsafe_b64encode(fallback.encode()).decode().rstrip('=')}")


def split_field(key: str) -> tuple[str, str] | None:
    """The name and the fallback of a merge field; None for any other slot."""
    name, colon, fallback = key.partition(":")
    if not colon:
        return None
    return name, urlsafe_b64decode(fallback + "=" * (-len(fallback) % 4)).decode()


def split(text: str) -> Segments:
    """Cut `text` at its slots. Raises UnknownSlot."""
    pieces = _SLOT.split(text)
    static, slots = tuple(pieces[::2]), tuple(pieces[1::2])
    strangers = {key for key in set(slots) - SLOT_NAMES if not _is_field(key)}
    if strangers or any(OPEN in piece or CLOSE in piece for piece in static):
        raise UnknownSlot(f"Not a slot: {', '.join(sorted(strangers)) or 'a single mark'}")
    return Segments(static, slots)


def _is_field(key: str) -> bool:
    if not _FIELD.fullmatch(key):
        return False
    try:
        return split_field(key) is not None
    except ValueError:
        return False


def fill(segments: Segments, values: Mapping[str, str]) -> str:
    """Put `values` into the slots, exactly as they are; merge fields without one get their fallback.

    Raises KeyError where another is missing.
    """
    pieces = [segments.static[0]]
    for key, static in zip(segments.slots, segments.static[1:], strict=True):
        field = split_field(key)
        pieces += (values[key] if field is None else values.get(field[0]) or field[1], static)
    return "".join(pieces)


def strip_marks(text: str) -> str:
    """`text` as somebody wrote it, unable to pass for a slot."""
    return text.translate(_MARKS)
