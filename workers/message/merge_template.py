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
from workers.routes.base import Mailing, MergeRoute, Part, Syntax

PLAIN, HTML = "plain", "html"
JOINER = "\u2060"
"""Word joiner: takes no room and cannot be seen, and whoever looks for a place does not find one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A mailing, and which words of a reader stand at its places."""

    mail: builder.Compiled
    syntax: Syntax
    mailing: Mailing
    keys: Mapping[str, str]
    """What stands there ("u", "why_html", …) -> the name of the place."""
    headers: tuple[tuple[str, slots.Segments], ...]
    """Those that differ between readers."""
    keeps_message_ids: bool


def plan(mail: builder.Compiled, route: MergeRoute, *, mark: str = "") -> Plan:
    """One text for all readers of an edition. By `mark` the provider can be asked for the call later."""
    syntax = route.syntax
    shared = {} if mail.newsletter.tracking == Tracking.INDIVIDUAL else {"hit": mail.shared_hit}
    keys = _keys(mail, shared)
    text, html = (
        _joined(body, kind, {**{key: syntax.place(name) for key, name in keys.items()}, **shared}, syntax)
        for body, kind in zip(mail.bodies, (PLAIN, HTML), strict=True)
    )
    newsletter = mail.newsletter
    mailing = Mailing(
        from_name=unexpanded(header_fields.clean(newsletter.from_name), syntax),
        from_email=header_fields.ascii_address(newsletter.from_email),
        reply_to=header_fields.ascii_address(newsletter.reply_to) if newsletter.reply_to else "",
        subject=unexpanded(header_fields.clean(mail.words.subject), syntax),
        text=text,
        html=html,
        headers={name: _line(value.static[0]) for name, value in mail.headers if not value.slots},
        mark=mark,
    )
    own = tuple((name, value) for name, value in mail.headers if value.slots)
    return Plan(mail, syntax, mailing, keys, own, route.keeps_message_ids)


def part(plan: Plan, reader: builder.Reader, own: tokens.Own) -> Part:
    """What one reader's copy has of its own. Raises Unsendable."""
    mail, syntax, keys = plan.mail, plan.syntax, plan.keys
    why_plain, why_html = builder.why(mail, reader)
    words = {
        "u": own.unsubscribe,
        "p": own.preferences,
        "why_plain": _unexpanded(why_plain, syntax, PLAIN),
        "why_html": _unexpanded(why_html, syntax, HTML),
    }
    if "hit" in keys:
        words["hit"] = builder.hit(mail, reader)
    if mail.fields:
        words |= _fields(plan, builder.called(reader))
    name = header_fields.clean(reader.name) if reader.name else ""
    return Part(
        recipient=header_fields.ascii_address(reader.email),
        name=unexpanded(name, syntax) if name else "",
        message_id=tokens.message_id(mail.words.issue, reader.id, mail.domain) if plan.keeps_message_ids else "",
        token=own.event,
        values={place: words[key] for key, place in keys.items()},
        headers={header: _line(slots.fill(value, words)) for header, value in plan.headers},
    )


def unexpanded(words: str, syntax: Syntax, kind: str = PLAIN) -> str:
    """`words`, of which the provider fills in nothing."""
    if kind == HTML:
        return syntax.strange.sub(lambda found: f"&#{ord(found.group()[0])};{found.group()[1:]}", words)
    return syntax.strange.sub(lambda found: f"{found.group()[0]}{JOINER}{found.group()[1:]}", words)


_unexpanded = lru_cache(maxsize=4096)(unexpanded)


def _keys(mail: builder.Compiled, shared: Mapping[str, str]) -> dict[str, str]:
    """Names of the places: short, and not to be guessed by whoever gives a name or writes an article."""
    secret = hashlib.sha256(tokens.event_mac(mail.words.issue, 0).encode()).hexdigest()[:8]
    found: dict[str, None] = {}
    for body, kind in zip(mail.bodies, (PLAIN, HTML), strict=True):
        found |= {_key(slot, kind): None for slot in body.slots if slot not in shared}
    return {key: f"w{secret}x{place}" for place, key in enumerate(found)}


def _key(slot: str, kind: str) -> str:
    return f"{slot}_{kind}" if slot == "why" or ":" in slot else slot


def _joined(body: slots.Segments, kind: str, values: Mapping[str, str], syntax: Syntax) -> str:
    pieces = [unexpanded(body.static[0], syntax, kind)]
    for slot, static in zip(body.slots, body.static[1:], strict=True):
        pieces += (values[_key(slot, kind)], unexpanded(static, syntax, kind))
    return "".join(pieces)


def _fields(plan: Plan, name: str) -> dict[str, str]:
    """The reader's own words for each merge field, or those that stand in for them."""
    found = {}
    for key in plan.mail.fields:
        field, _mark, kind = key.rpartition("_")
        words = (escape(name) if kind == HTML else name) or _fallback(field)
        found[key] = unexpanded(words, plan.syntax, kind)
    return found


def _fallback(field: str) -> str:
    parted = slots.parted(field)
    return parted[1] if parted else ""


def _line(value: str) -> str:
    """A header's value as providers want it: without folds."""
    return value.replace("\r\n", "")
