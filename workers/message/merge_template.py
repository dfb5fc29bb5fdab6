"""An edition as one text for a provider that fills in the readers' own words itself.

The frozen segments are joined with the provider's places instead of a reader's values, so no template ever contains a
provider's syntax. What looks like a place of the provider but is none, in an article or in a reader's name, is broken
so that it stays as somebody wrote it; and nobody can guess what our own places are called.
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
"""Word joiner: takes no room and cannot be seen, and whoever looks for a place does not find one."""


@dataclass(frozen=True, slots=True)
class MergeTemplate:
    """A mailing, and which words of a reader stand at its places."""

    mail: builder.MessageTemplate
    syntax: MergeSyntax
    mailing: MergeMessage
    keys: Mapping[str, str]
    """What stands there ("u", "why_html", …) -> the name of the place."""
    headers: tuple[tuple[str, slots.Segments], ...]
    """Those that differ between readers."""
    keeps_message_ids: bool


def compile_template(mail: builder.MessageTemplate, route: MergeRoute, *, mark: str = "") -> MergeTemplate:
    """One text for all readers of an edition. By `mark` the provider can be asked for the call later."""
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
        subject=escape_placeholders(header_fields.clean(mail.words.subject), syntax),
        text=text,
        html=html,
        headers={name: _line(value.static[0]) for name, value in mail.headers if not value.slots},
        mark=mark,
    )
    own = tuple((name, value) for name, value in mail.headers if value.slots)
    return MergeTemplate(mail, syntax, mailing, keys, own, route.keeps_message_ids)


def build_recipient(plan: MergeTemplate, reader: builder.Recipient, own: tokens.SubscriberTokens) -> MergeRecipient:
    """What one reader's copy has of its own. Raises Unsendable."""
    mail, syntax, keys = plan.mail, plan.syntax, plan.keys
    why_plain, why_html = builder.subscription_reason(mail, reader)
    words = {
        "u": own.unsubscribe,
        "p": own.preferences,
        "why_plain": _escape_placeholders_cached(why_plain, syntax, PLAIN),
        "why_html": _escape_placeholders_cached(why_html, syntax, HTML),
    }
    if "hit" in keys:
        words["hit"] = builder.hit_token(mail, reader)
    if mail.fields:
        words |= _fields(plan, builder.greeting_name(reader))
    name = header_fields.clean(reader.name) if reader.name else ""
    return MergeRecipient(
        recipient=header_fields.ascii_address(reader.email),
        name=escape_placeholders(name, syntax) if name else "",
        message_id=tokens.message_id(mail.words.issue, reader.id, mail.domain) if plan.keeps_message_ids else "",
        token=own.event,
        values={place: words[key] for key, place in keys.items()},
        headers={header: _line(slots.fill(value, words)) for header, value in plan.headers},
    )


def escape_placeholders(words: str, syntax: MergeSyntax, kind: str = PLAIN) -> str:
    """`words`, of which the provider fills in nothing."""
    if kind == HTML:
        return syntax.strange.sub(lambda found: f"&#{ord(found.group()[0])};{found.group()[1:]}", words)
    return syntax.strange.sub(lambda found: f"{found.group()[0]}{WORD_JOINER}{found.group()[1:]}", words)


_escape_placeholders_cached = lru_cache(maxsize=4096)(escape_placeholders)


def _placeholder_names(mail: builder.MessageTemplate, shared: Mapping[str, str]) -> dict[str, str]:
    """Names of the places: short, and not to be guessed by whoever gives a name or writes an article."""
    secret = hashlib.sha256(tokens.make_event_token(mail.words.issue, 0).encode()).hexdigest()[:8]
    found: dict[str, None] = {}
    for body, kind in zip(mail.bodies, (PLAIN, HTML), strict=True):
        found |= {_value_key(slot, kind): None for slot in body.slots if slot not in shared}
    return {key: f"w{secret}x{place}" for place, key in enumerate(found)}


def _value_key(slot: str, kind: str) -> str:
    return f"{slot}_{kind}" if slot == "why" or ":" in slot else slot


def _join(body: slots.Segments, kind: str, values: Mapping[str, str], syntax: MergeSyntax) -> str:
    pieces = [escape_placeholders(body.static[0], syntax, kind)]
    for slot, static in zip(body.slots, body.static[1:], strict=True):
        pieces += (values[_value_key(slot, kind)], escape_placeholders(static, syntax, kind))
    return "".join(pieces)


def _fields(plan: MergeTemplate, name: str) -> dict[str, str]:
    """The reader's own words for each merge field, or those that stand in for them."""
    found = {}
    for key in plan.mail.fields:
        field, _mark, kind = key.rpartition("_")
        words = (escape(name) if kind == HTML else name) or _fallback(field)
        found[key] = escape_placeholders(words, plan.syntax, kind)
    return found


def _fallback(field: str) -> str:
    parted = slots.split_field(field)
    return parted[1] if parted else ""


def _line(value: str) -> str:
    """A header's value as providers want it: without folds."""
    return value.replace("\r\n", "")
