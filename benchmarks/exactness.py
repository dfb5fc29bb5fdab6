"""Whether wire bytes say what they must: read again by the standard library and compared with a plain rendering."""

from __future__ import annotations

import re
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from subscribers import tokens
from workers.message import builder, header_fields

HEADERS = ("From", "Reply-To", "Subject", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")
LONGEST_LINE = 998
ODD_NAMES = (
    "",
    "Siti",
    '"Budi" <bukan@alamat.example>',
    ".titik di depan",
    "Zoë\r\nBcc: lain@contoh.example",
    "\u202eterbalik\u202c 🎉",
    "=?utf-8?q?palsu?=",
    "Nama yang sangat panjang " * 6,
)


def readers_with_odd_names(readers: list[builder.Recipient]) -> list[builder.Recipient]:
    """`readers` under names that break what can be broken."""
    return [
        builder.Recipient(one.id, one.email, name, one.confirmed_at, one.source_url, one.legal_basis, one.may_track)
        for one, name in zip(readers, ODD_NAMES * (len(readers) // len(ODD_NAMES) + 1), strict=False)
    ]


def differences(mail: builder.MessageTemplate, reader: builder.Recipient, *, now: datetime) -> list[str]:
    """What is wrong with this reader's copy; nothing, if all is well."""
    copy = builder.render(mail, reader, now=now)
    parsed = message_from_bytes(copy.data, policy=policy.default)
    plain = message_from_bytes(builder.build_email(mail, reader).message().as_bytes(), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert isinstance(plain, EmailMessage)
    found = [name for name in HEADERS if _value(parsed, name) != _value(plain, name)]
    found += ["To"] if _receiver(parsed) != (header_fields.clean(reader.name), reader.email) else []
    found += [f"another defect: {defect!r}" for part in parsed.walk() for defect in part.defects]
    bodies = [part.get_payload(decode=True) for part in parsed.iter_parts()]
    if bodies != [body.replace("\n", "\r\n").encode() for body in _bodies(mail, reader)]:
        found.append("bodies")
    lines = copy.data.split(b"\r\n")
    if any(b"\n" in line or b"\r" in line or len(line) > LONGEST_LINE for line in lines):
        found.append("lines")
    return found


def _receiver(message: EmailMessage) -> tuple[str, str]:
    """Not compared with Django's, which lets a name that looks encoded pass for the name it encodes."""
    address = message["To"].addresses[0]
    return address.display_name, address.addr_spec


def _value(message: EmailMessage, name: str) -> str:
    return re.sub(r"\s+", "", str(message.get(name, "")))


def _bodies(mail: builder.MessageTemplate, reader: builder.Recipient) -> tuple[str, str]:
    """Text and HTML by nothing but replacing."""
    values = {
        "⟦hit⟧": tokens.make_hit(mail.content.issue, reader.id),
        "⟦u⟧": tokens.make_unsubscribe(reader.id, mail.content.issue),
        "⟦p⟧": tokens.make_preferences(reader.id),
    }
    text, html = mail.content.text, mail.content.html
    for slot, value in values.items():
        text, html = text.replace(slot, value), html.replace(slot, value)
    in_text, in_html = builder.subscription_reason(mail, reader)
    return text.replace("⟦why⟧", in_text), html.replace("⟦why⟧", in_html)
