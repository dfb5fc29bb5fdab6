"""The caught mail of embedded mode: each message is one file, named after its Message-ID."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from workers.routes import base

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+=-]")
_NAME = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9._@+=-]{0,230}\.eml")
MAX_HEADER_BYTES = 8192


class MailboxRoute:
    """Writes each message atomically: a crash leaves no partial file, and the same Message-ID no second file."""

    kind = "mailbox"
    capabilities = base.Capabilities(window=0)

    def __init__(self, name: str, url: str) -> None:
        address = base.parse_url(url, options=frozenset())
        self.name, self.rate = name, address.number("rate", 0)

    def open(self) -> None:
        folder().mkdir(parents=True, exist_ok=True, mode=0o750)

    def eight_bit(self) -> bool:
        return False

    def send(self, letter: base.OutgoingMessage, *, deadline: float = base.NO_DEADLINE) -> base.SendResult:
        target = folder() / file_name(letter.message_id)
        fresh = target.with_suffix(f".{secrets.token_hex(4)}.new")
        base.check_deadline(deadline)
        try:
            fresh.write_bytes(letter.data)
            fresh.replace(target)
        except OSError as error:
            raise base.RouteUnavailable(f"The caught mail cannot be written: {error.strerror}") from None
        return base.SendResult("accepted", "250", provider_id=target.name)

    def close(self) -> None:
        pass


def folder() -> Path:
    return Path(settings.MAILBOX_DIR)


def file_name(message_id: str) -> str:
    inner = message_id.strip().strip("<>").lstrip(".")[:220]
    return _UNSAFE.sub("_", inner) + ".eml"


# --- reading, for the mailbox pages ----------------------------------------------------------------------------------


class NoSuchMessage(LookupError):
    """There is no caught mail of this name."""


@dataclass(frozen=True, slots=True)
class CaughtMessage:
    """The fields of a caught mail that a list shows."""

    name: str
    subject: str
    sender: str
    to: str
    to_address: str
    caught_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """A parsed caught mail: `html` and `text` are its parts, `headers` all its headers in order."""

    caught: CaughtMessage
    sent_at: datetime | None
    html: str
    text: str
    headers: tuple[tuple[str, str], ...]
    source: bytes


def count() -> int:
    return sum(1 for _entry in _entries())


def messages(*, limit: int = 100, offset: int = 0, to: str = "") -> list[CaughtMessage]:
    """Caught mail, newest first; `to` keeps those whose recipient contains it."""
    newest = sorted(_entries(), key=lambda entry: (-entry.stat().st_mtime_ns, entry.name))
    found = (
        (_read_summary(Path(entry.path)) for entry in newest)
        if to
        else (_read_summary(Path(e.path)) for e in newest[offset:])
    )
    if not to:
        return [mail for _, mail in zip(range(limit), found, strict=False)]
    matching = (mail for mail in found if to.casefold() in mail.to_address.casefold())
    return [mail for place, mail in zip(range(offset + limit), matching, strict=False) if place >= offset]


def open_message(name: str) -> OpenedMessage:
    """Open one caught mail. Raises NoSuchMessage, also for a name that could leave the folder."""
    file = folder() / name
    if not _NAME.fullmatch(name) or not file.is_file():
        raise NoSuchMessage(name)
    source = file.read_bytes()
    mail = message_from_bytes(source, policy=policy.default)
    return OpenedMessage(
        caught=_caught(file, mail),
        sent_at=_date(mail),
        html=_part(mail, "html"),
        text=_part(mail, "plain"),
        headers=tuple((key, str(value)) for key, value in mail.items()),
        source=source,
    )


def _entries() -> Iterator[os.DirEntry[str]]:
    if not folder().is_dir():
        return
    with os.scandir(folder()) as entries:
        yield from (entry for entry in entries if entry.name.endswith(".eml"))


def _read_summary(file: Path) -> CaughtMessage:
    with file.open("rb") as handle:
        return _caught(file, BytesHeaderParser(policy=policy.default).parsebytes(handle.read(MAX_HEADER_BYTES)))


def _caught(file: Path, mail: Any) -> CaughtMessage:
    caught_at = datetime.fromtimestamp(file.stat().st_mtime, tz=UTC)
    recipients: tuple[MailAddress, ...] = mail["To"].addresses if mail["To"] is not None else ()
    return CaughtMessage(
        name=file.name,
        subject=str(mail["Subject"] or ""),
        sender=str(mail["From"] or ""),
        to=str(mail["To"] or ""),
        to_address=recipients[0].addr_spec if recipients else "",
        caught_at=caught_at,
    )


def _date(mail: EmailMessage) -> datetime | None:
    try:
        return parsedate_to_datetime(str(mail["Date"]))
    except ValueError:
        return None


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""
