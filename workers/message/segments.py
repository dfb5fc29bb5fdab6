"""The bytes of a message as pieces with slots between them: encoded bodies, short lines, dot-stuffing. Pure functions.

`static[0] + value + static[1] + …`: `builder` fills in the values of a reader.
"""

from __future__ import annotations

import binascii
import hashlib

from newsletter.rendering import mjml, slots

MAX_LINE_LENGTH = 900
"""RFC 5321 allows 998 bytes (section 4.5.3.1.6); some relays count differently."""
MAX_SLOT_LENGTHS = {"hit": 40, "u": 60, "p": 60, "why": 400, "name": mjml.MAX_FIELD_BYTES}
LINE_START_SUFFIX = "^"
"""Suffix of the name of a slot that is at the start of a line and whose value may begin with a dot."""


class SegmentBuilder:
    """Collects pieces of bytes and slots in turn."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = [b""]
        self.names: list[str] = []

    def add(self, piece: str | bytes) -> None:
        self.pieces[-1] += piece.encode() if isinstance(piece, str) else piece

    def slot(self, name: str) -> None:
        self.names.append(name)
        self.pieces.append(b"")

    def segments(self, segments: slots.Segments) -> None:
        self.add(segments.static[0])
        for name, static in zip(segments.slots, segments.static[1:], strict=True):
            self.slot(name)
            self.add(static)


# --- bodies ----------------------------------------------------------------------------------------------------------


def write_bodies(
    chain: SegmentBuilder, bodies: tuple[slots.Segments, slots.Segments], *, quoted: bool, language: str
) -> None:
    """Write multipart/alternative, plain text first (RFC 2046 section 5.1.4).

    The boundary is a hash of the content, so equal editions give equal bytes.
    """
    inside = "".join(part for body in bodies for part in body.static)
    boundary = f"=_warta_{hashlib.sha256(inside.encode()).hexdigest()[:24]}"
    encoding = "quoted-printable" if quoted else "8bit"
    chain.add(f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n')
    for kind, body in zip(("plain", "html"), bodies, strict=True):
        chain.add(f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n")
        chain.add(f"Content-Language: {language}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
        (_write_quoted if quoted else _write_plain)(chain, body, kind=kind)
        chain.add("\r\n")
    chain.add(f"--{boundary}--\r\n")


def _write_plain(chain: SegmentBuilder, body: slots.Segments, *, kind: str) -> None:
    chain.add(body.static[0].replace("\n", "\r\n"))
    for name, static in zip(body.slots, body.static[1:], strict=True):
        chain.slot(f"{name}_{kind}" if name == "why" or ":" in name else name)
        chain.add(static.replace("\n", "\r\n"))


def _write_quoted(chain: SegmentBuilder, body: slots.Segments, *, kind: str) -> None:
    """Write a quoted-printable body. Soft line breaks around each slot keep a long value from exceeding the line limit."""
    chain.add(quoted_printable(body.static[0], goes_on=bool(body.slots)))
    last = len(body.slots) - 1
    for place, (name, static) in enumerate(zip(body.slots, body.static[1:], strict=True)):
        if not chain.pieces[-1].endswith(b"\r\n"):
            chain.add("=\r\n")
        chain.slot(f"{name}_{kind}" if name == "why" or ":" in name else name)
        if static and not static.startswith("\n"):
            chain.add("=\r\n")
        chain.add(quoted_printable(static, goes_on=place < last))


def quoted_printable(text: str, *, goes_on: bool = False) -> bytes:
    """Encode by RFC 2045 section 6.7, lines of at most 76. With `goes_on` the last line leaves room for a soft break."""
    # The appended letter reserves a column for the soft break and keeps trailing spaces unencoded. It is removed again.
    raw = text.encode() + (b"A" if goes_on else b"")
    encoded = binascii.b2a_qp(raw, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return encoded[:-1] if goes_on else encoded


def longest_line_length(body: slots.Segments) -> int:
    """Return the bytes of the longest line, with the longest possible value in each slot."""
    longest_values = {name: "x" * size for name, size in MAX_SLOT_LENGTHS.items()}
    return max(len(line.encode()) for line in slots.fill(body, longest_values).split("\n"))


# --- dot-stuffing (RFC 5321 section 4.5.2) -----------------------------------------------------------------------------


def can_dot_stuff(chain: SegmentBuilder) -> bool:
    """False if an empty value would decide whether the dot after it starts a line."""
    return not any(
        _starts_a_line(chain, place) and _may_be_empty(name) and chain.pieces[place + 1][:1] in {b"", b"."}
        for place, name in enumerate(chain.names)
    )


def dot_stuff(chain: SegmentBuilder) -> None:
    """Double every dot that starts a line, and append the end-of-data mark. Slots at a line start get a suffix."""
    starts = [_starts_a_line(chain, place) for place in range(len(chain.names))]
    chain.names = [
        name + LINE_START_SUFFIX if at_start and _is_free_text(name) else name
        for name, at_start in zip(chain.names, starts, strict=True)
    ]
    chain.pieces = [piece.replace(b"\r\n.", b"\r\n..") for piece in chain.pieces]
    chain.pieces[-1] += b".\r\n"


def line_start_names(chain: SegmentBuilder) -> tuple[str, ...]:
    return tuple(
        {name.removesuffix(LINE_START_SUFFIX): None for name in chain.names if name.endswith(LINE_START_SUFFIX)}
    )


def dot_stuff_value(value: bytes) -> bytes:
    """Dot-stuff a value that is at the start of a line."""
    value = value.replace(b"\r\n.", b"\r\n..")
    return b"." + value if value.startswith(b".") else value


def _starts_a_line(chain: SegmentBuilder, place: int) -> bool:
    return chain.pieces[place].endswith(b"\r\n")


def _is_free_text(name: str) -> bool:
    """True if the value may begin with a dot; tokens, dates and addresses never do."""
    return name.startswith("why") or ":" in name


def _may_be_empty(name: str) -> bool:
    name_and_fallback = slots.split_field(name.rpartition("_")[0]) if ":" in name else None
    return name_and_fallback is not None and not name_and_fallback[1]
