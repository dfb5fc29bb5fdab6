"""Values of header fields: RFC 5322, with RFC 2047 for text beyond ASCII. Pure functions.

`taken` is the number of octets of the first line that are in use already. A fold is CRLF and a space.
"""

from __future__ import annotations

import binascii
import re

_CONTROLS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f]")
_ATOM = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+")
_ADDRESS = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64}@[A-Za-z0-9.-]{1,255}")


class Unsendable(ValueError):
    """The address or name cannot be used in an email. Validation should have refused it at sign-up or import."""


def clean(text: str) -> str:
    """Return one line without control characters, so that user input cannot inject a header."""
    return _CONTROLS.sub(" ", text).strip(" ")


def unstructured(text: str, *, taken: int) -> str:
    """Return the folded value of an unstructured field such as Subject."""
    text = clean(text)
    if not text.isascii() or "=?" in text:
        return encoded_words(text, taken=taken)
    return _fold(text, taken=taken)


def phrase(text: str, *, taken: int) -> str:
    """Return a display name (RFC 5322 section 3.2.5): atoms, a quoted string, or encoded words; never mixed."""
    text = clean(text)
    if not text.isascii() or "=?" in text:
        return encoded_words(text, taken=taken)
    if _ATOM.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mailbox(name: str, email: str, *, taken: int) -> str:
    """Return `name <email>`, folded before the address if the line would be too long. Raises Unsendable."""
    return name_addr(name, ascii_address(email), taken=taken)


def name_addr(name: str, address: str, *, taken: int) -> str:
    """Like `mailbox`, for an address that `ascii_address` has returned."""
    name = clean(name) if name else ""
    if not name:
        return address
    shown = phrase(name, taken=taken)
    gap = "\r\n " if taken + len(shown) + len(address) + 3 > 78 or "\r\n" in shown else " "
    return f"{shown}{gap}<{address}>"


def encoded_words(text: str, *, taken: int) -> str:
    """Return RFC 2047 encoded words in base64, one a line: each at most 75 octets and of whole characters."""
    lines, room, current = [], 75 - taken, b""
    for character in text:
        raw = character.encode()
        if current and 12 + 4 * -(-len(current + raw) // 3) > room:
            lines.append(current)
            room, current = 75, b""
        current += raw
    lines.append(current)
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(line, newline=False).decode()}?=" for line in lines)


def _fold(text: str, *, taken: int) -> str:
    """Fold ASCII text before a space wherever a line would exceed 76 octets."""
    lines, current = [], ""
    for word in text.split(" "):
        if current and taken + len(current) + 1 + len(word) > 76:
            lines.append(current)
            current, taken = word, 1
        else:
            current = f"{current} {word}" if current else word
    return "\r\n ".join([*lines, current])


def ascii_address(email: str) -> str:
    """Return the address in ASCII, its domain in IDNA. Raises Unsendable."""
    if _ADDRESS.fullmatch(email):
        return email
    email = _INVISIBLE.sub("", email).strip(" ")
    if not email.isascii():
        local, _at, domain = email.rpartition("@")
        if not local.isascii():
            raise Unsendable("Characters beyond ASCII before the @ need SMTPUTF8 at every server on the way.")
        try:
            email = f"{local}@{domain.encode('idna').decode()}"
        except UnicodeError:
            raise Unsendable("The domain of the address cannot be encoded in IDNA.") from None
    if not _ADDRESS.fullmatch(email):
        raise Unsendable("The address has characters that email does not support.")
    return email


def domain_of(email: str) -> str:
    """Return the domain of the address in IDNA. Raises Unsendable."""
    return ascii_address(email).rpartition("@")[2]
