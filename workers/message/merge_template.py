"""An edition as a template for a provider that fills in the readers' values itself (merge APIs).

The frozen segments are joined with the provider's placeholders instead of a reader's values, so templates of this
project never contain a provider's syntax. Text in an article or a name that looks like a placeholder is escaped, so
that the provider leaves it unchanged. The names of the placeholders cannot be guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from newsletter.models import Tracking
from newsletter.rendering import slots
from subscribers import tokens
from workers.message import builder, header_fields
from workers.routes.base import MergeMessage, MergeRecipient, MergeRoute, MergeSyntax

PLAIN, HTML = "plain", "html"
WORD_JOINER = "\u2060"
"""An invisible character of no width. Inserted into text, it breaks the syntax of a placeholder."""


@dataclass(frozen=True, slots=True)
class MergeTemplate:
    """A message for a merge API, and the value key of each placeholder."""

    mail: builder.MessageTemplate
    syntax: MergeSyntax
    mailing: MergeMessage
    keys: Mapping[str, str]
    """Value key ("u", "why_html", …) to the name of the placeholder."""
    headers: tuple[tuple[str, slots.Segments], ...]
    """Headers that differ between readers."""
    keeps_message_ids: bool


def compile_template(mail: builder.MessageTemplate, route: MergeRoute, *, mark: str = "") -> MergeTemplate:
    """Return the template for all readers of an edition. `mark` is a tag by which the provider's log can be searched."""
    syntax = route.syntax
    shared = {} if mail.newsletter.tracking == Tracking.INDIVIDUAL else {"hit": mail.shared_hit}
    keys = _placeholder_names(mail, shared)
    text, html = (
        _join(body, kind, {**{key: syntax.place(name) for key, name in keys.items()}, **shared}, syntax)
        for body, kind in zip(mail.bodies, (PLAIN, HTML), strict=True)
    )
    newsletter = mail.newsletter
    mailing = MergeMessage(
        from_name=escape_placeholders(header_fields.clean(newsletter.from_name), syntax),
        from_email=header_fields.ascii_address(newsletter.from_email),
        reply_to=header_fields.ascii_address(newsletter.reply_to) if newsletter.reply_to else "",
        subject=escape_placeholders(header_fields.clean(mail.content.subject), syntax),
        text=text,
        html=html,
        headers={name: _line(value.static[0]) for name, value in mail.headers if not value.slots},
        mark=mark,
    )
    reader_headers = tuple((name, value) for name, value in mail.headers if value.slots)
    return MergeTemplate(mail, syntax, mailing, keys, reader_headers, route.keeps_message_ids)


def build_recipient(
    template: MergeTemplate, reader: builder.Recipient, reader_tokens: tokens.SubscriberTokens
) -> MergeRecipient:
    """Return one reader's address, values and headers. Raises header_fields.Unsendable."""
    mail, syntax, keys = template.mail, template.syntax, template.keys
    why_plain, why_html = builder.subscription_reason(mail, reader)
    values = {
        "u": reader_tokens.unsubscribe,
        "p": reader_tokens.preferences,
        "why_plain": _escape_placeholders_cached(why_plain, syntax, PLAIN),
        "why_html": _escape_placeholders_cached(why_html, syntax, HTML),
    }
    if "hit" in keys:
        values["hit"] = builder.hit_token(mail, reader)
    if mail.fields:
        values |= _fields(template, builder.greeting_name(reader))
    name = header_fields.clean(reader.name) if reader.name else ""
    return MergeRecipient(
        recipient=header_fields.ascii_address(reader.email),
        name=escape_placeholders(name, syntax) if name else "",
        message_id=tokens.message_id(mail.content.issue, reader.id, mail.domain) if template.keeps_message_ids else "",
        token=reader_tokens.event,
        values={place: values[key] for key, place in keys.items()},
        headers={header: _line(slots.fill(value, values)) for header, value in template.headers},
    )


def escape_placeholders(text: str, syntax: MergeSyntax, kind: str = PLAIN) -> str:
    """Escape everything in `text` that the provider would take for a placeholder."""
    if kind == HTML:
        return syntax.strange.sub(lambda match: f"&#{ord(match.group()[0])};{match.group()[1:]}", text)
    return syntax.strange.sub(lambda match: f"{match.group()[0]}{WORD_JOINER}{match.group()[1:]}", text)


_escape_placeholders_cached = lru_cache(maxsize=4096)(escape_placeholders)


def _placeholder_names(mail: builder.MessageTemplate, shared: Mapping[str, str]) -> dict[str, str]:
    """Return short placeholder names that the author of an article or a name cannot guess."""
    secret = hashlib.sha256(tokens.make_event_token(mail.content.issue, 0).encode()).hexdigest()[:8]
    keys: dict[str, None] = {}
    for body, kind in zip(mail.bodies, (PLAIN, HTML), strict=True):
        keys |= {_value_key(slot, kind): None for slot in body.slots if slot not in shared}
    return {key: f"w{secret}x{place}" for place, key in enumerate(keys)}


def _value_key(slot: str, kind: str) -> str:
    return f"{slot}_{kind}" if slot == "why" or ":" in slot else slot


def _join(body: slots.Segments, kind: str, values: Mapping[str, str], syntax: MergeSyntax) -> str:
    pieces = [escape_placeholders(body.static[0], syntax, kind)]
    for slot, static in zip(body.slots, body.static[1:], strict=True):
        pieces += (values[_value_key(slot, kind)], escape_placeholders(static, syntax, kind))
    return "".join(pieces)


def _fields(template: MergeTemplate, name: str) -> dict[str, str]:
    """Return the reader's value of each merge field, or its fallback."""
    values = {}
    for key in template.mail.fields:
        field, _mark, kind = key.rpartition("_")
        text = (escape(name) if kind == HTML else name) or _fallback(field)
        values[key] = escape_placeholders(text, template.syntax, kind)
    return values


def _fallback(field: str) -> str:
    name_and_fallback = slots.split_field(field)
    return name_and_fallback[1] if name_and_fallback else ""


def _line(value: str) -> str:
    """Return a header's value without folds, as providers' APIs expect it."""
    return value.replace("\r\n", "")
