"""Words and addresses as they stand in the headers of a mail: RFC 5322, with RFC 2047 for what is not ASCII. Pure.

`taken` is how much of the first line is used already, in octets; folds are CRLF and a space.
"""

from __future__ import annotations

import binascii
import re

_CONTROLS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f]")
_ATOM = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+")
_ADDRESS = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64}@[A-Za-z0-9.-]{1,255}")


class Unsendable(ValueError):
    """No mail can be addressed to this; it should never have got into the list."""


def clean(words: str) -> str:
    """One line without control characters: nothing that a person typed can start a header of its own."""
    return _CONTROLS.sub(" ", words).strip(" ")


def unstructured(words: str, *, taken: int) -> str:
    """A Subject's value, folded; `taken` is how much of its first line is used."""
    words = clean(words)
    if not words.isascii() or "=?" in words:
        return encoded_words(words, taken=taken)
    return _fold(words, taken=taken)


def phrase(words: str, *, taken: int) -> str:
    """A display name (RFC 5322 section 3.2.5): atoms, a quoted string, or encoded words; never mixed."""
    words = clean(words)
    if not words.isascii() or "=?" in words:
        return encoded_words(words, taken=taken)
    if _ATOM.fullmatch(words):
        return words
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mailbox(name: str, email: str, *, taken: int) -> str:
    """`name <email>` as it stands in a header, folded before the address where the line would be long."""
    return name_addr(name, ascii_address(email), taken=taken)


def name_addr(name: str, address: str, *, taken: int) -> str:
    name = clean(name) if name else ""
    if not name:
        return address
    shown = phrase(name, taken=taken)
    gap = "\r\n " if taken + len(shown) + len(address) + 3 > 78 or "\r\n" in shown else " "
    return f"{shown}{gap}<{address}>"


def encoded_words(words: str, *, taken: int) -> str:
    """RFC 2047 in base64: each word at most 75 long and whole characters only, one a line."""
    lines, room, current = [], 75 - taken, b""
    for sign in words:
        raw = sign.encode()
        if current and 12 + 4 * -(-len(current + raw) // 3) > room:
            lines.append(current)
            room, current = 75, b""
        current += raw
    lines.append(current)
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(line, newline=False).decode()}?=" for line in lines)


def _fold(words: str, *, taken: int) -> str:
    """ASCII words with a fold before a space wherever a line would pass 76."""
    lines, current = [], ""
    for word in words.split(" "):
        if current and taken + len(current) + 1 + len(word) > 76:
            lines.append(current)
            current, taken = word, 1
        else:
            current = f"{current} {word}" if current else word
    return "\r\n ".join([*lines, current])


def ascii_address(email: str) -> str:
    """The address as it travels, its domain in IDNA. Raises Unsendable."""
    if _ADDRESS.fullmatch(email):
        return email
    email = _INVISIBLE.sub("", email).strip(" ")
    if not email.isascii():
        local, _at, domain = email.rpartition("@")
        if not local.isascii():
            raise Unsendable("Letters beyond ASCII before the @ need SMTPUTF8 at every server on the way.")
        try:
            email = f"{local}@{domain.encode('idna').decode()}"
        except UnicodeError:
            raise Unsendable("The domain of the address cannot be written in IDNA.") from None
    if not _ADDRESS.fullmatch(email):
        raise Unsendable("The address has signs that mail cannot carry.")
    return email


def domain_of(email: str) -> str:
    return ascii_address(email).rpartition("@")[2]
