"""Messages of an edition: compiled once, then for each reader the slots are filled and the segments joined.

Everything that is the same for all readers is encoded, folded and checked once per process (see `segments`). The same
content also becomes an `EmailMultiAlternatives` for providers' APIs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from html import escape
from operator import itemgetter
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter.formatting import format_local_date, isolate
from newsletter.languages import reader_words
from newsletter.models import Edition, Newsletter, Tracking
from newsletter.rendering import slots
from subscribers import audience, tokens
from subscribers.models import LegalBasis, Subscription
from workers.message import header_fields, segments

MAX_NAME_LENGTH = 60
"""Characters. A longer name is probably spam in the name field; the greeting uses its fallback instead."""
_BIDI_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Unicode marks that change the direction of the surrounding text."""


@dataclass(frozen=True, slots=True)
class MessageContent:
    """Subject and bodies with slots: of a frozen `Edition`, or of a rendering for a test or preview."""

    issue: int
    language: str
    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a message needs to know about its reader."""

    id: int
    email: str
    name: str = ""
    confirmed_at: datetime | None = None
    source_url: str = ""
    legal_basis: str = LegalBasis.CONSENT
    may_track: bool = False


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """One reader's message, ready to send."""

    sender: str
    """Envelope sender; bounces go there."""
    recipient: str
    message_id: str
    data: bytes
    stuffed: bool = False
    """True if `data` is dot-stuffed and ends with the end-of-data mark (RFC 5321 section 4.5.2)."""


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """A compiled edition: encoded pieces with gaps for the values of a reader."""

    content: MessageContent
    newsletter: Newsletter
    domain: str
    sender: str
    inbound: str
    """The domain that receives bounces (INBOUND_DOMAIN); "" if none does."""
    zone: ZoneInfo
    title: str
    brand: str
    headers: tuple[tuple[str, slots.Segments], ...]
    """Headers other than From, To, Subject and Date, for providers' APIs."""
    pattern: tuple[bytes, ...]
    """Pieces and gaps in turn, beginning and ending with a piece."""
    values_of: Callable[[Mapping[str, bytes]], tuple[bytes, ...]] = field(repr=False)
    """Returns the value of each gap from a reader's values. An `itemgetter`, as it runs once a message."""
    fields: tuple[str, ...]
    """The gap names that are merge fields: "name:…_plain", "name:…_html"."""
    at_start: tuple[str, ...]
    """Gap names that also occur at the start of a line. There they are named "…^", and a leading dot is doubled."""
    quoted: bool
    stuffed: bool
    shared_hit: str
    bodies: tuple[slots.Segments, slots.Segments] = field(repr=False)
    """Text and HTML, not encoded."""


# --- compile once ----------------------------------------------------------------------------------------------------

_cache: dict[object, MessageTemplate] = {}
MAX_CACHED = 24


def template_for_edition(
    edition: Edition, newsletter: Newsletter, *, eight_bit: bool = False, stuffed: bool = False
) -> MessageTemplate:
    """Return the compiled edition, from a cache of this process.

    The key contains everything that the compiled bytes depend on, so a change of settings or content compiles again.
    """
    key = (
        edition.pk,
        (eight_bit, stuffed),
        hash((edition.subject, edition.html, edition.text)),
        (newsletter.from_name, newsletter.from_email, newsletter.reply_to, newsletter.list_id, newsletter.tracking),
        (settings.SITE_URL, settings.INBOUND_DOMAIN, settings.SECRET_KEY),
    )
    if key not in _cache:
        while len(_cache) >= MAX_CACHED:
            _cache.pop(next(iter(_cache)), None)
        content = MessageContent(edition.issue_id, edition.language, edition.subject, edition.html, edition.text)
        _cache[key] = compile_template(content, newsletter, eight_bit=eight_bit, stuffed=stuffed)
    return _cache[key]


def compile_template(
    content: MessageContent, newsletter: Newsletter, *, eight_bit: bool = False, stuffed: bool = False
) -> MessageTemplate:
    """Encode everything that is the same for all readers. Raises slots.UnknownSlot.

    Bodies are 8bit if the route supports it and no line is too long, else quoted-printable with each slot on a separate
    line. With `stuffed`, messages are dot-stuffed, unless a reader's value decides where a line starts.
    """
    bodies = (slots.split(_newlines(content.text)), slots.split(_newlines(content.html)))
    quoted = not eight_bit or any(segments.longest_line_length(body) > segments.MAX_LINE_LENGTH for body in bodies)
    headers = _headers(content, newsletter)
    chain = segments.SegmentBuilder()
    _write_headers(chain, content, newsletter, headers)
    segments.write_bodies(chain, bodies, quoted=quoted, language=content.language)
    stuffed = stuffed and segments.can_dot_stuff(chain)
    if stuffed:
        segments.dot_stuff(chain)
    return MessageTemplate(
        content=content,
        newsletter=newsletter,
        domain=header_fields.domain_of(newsletter.from_email),
        sender=header_fields.ascii_address(newsletter.from_email),
        inbound=settings.INBOUND_DOMAIN,
        zone=newsletter.zone,
        title=header_fields.clean(newsletter.title_in(content.language)),
        brand=header_fields.clean(newsletter.brand),
        headers=headers,
        pattern=tuple(part for piece in chain.pieces for part in (piece, b""))[:-1],
        values_of=itemgetter(*chain.names),
        fields=tuple({name.removesuffix(segments.LINE_START_SUFFIX): None for name in chain.names if ":" in name}),
        at_start=segments.line_start_names(chain),
        quoted=quoted,
        stuffed=stuffed,
        shared_hit=tokens.make_hit(content.issue, 0),
        bodies=bodies,
    )


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _headers(content: MessageContent, newsletter: Newsletter) -> tuple[tuple[str, slots.Segments], ...]:
    contact = header_fields.ascii_address(newsletter.reply_to or newsletter.from_email)
    headers = [
        ("List-Id", list_id(newsletter)),
        ("List-Unsubscribe", _list_unsubscribe()),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Help", f"<mailto:{contact}?subject=help>"),
        ("List-Owner", f"<mailto:{contact}>"),
        ("List-Post", "NO"),
    ]
    if newsletter.is_public:
        headers.append(("List-Subscribe", f"<{settings.SITE_URL}/subscribe/>"))
    if newsletter.archive_is_public:
        headers.append(("List-Archive", f"<{settings.SITE_URL}/archive/>"))
    headers += [("Precedence", "bulk"), ("Feedback-ID", feedback_id(content, newsletter))]
    return tuple((name, slots.split(value)) for name, value in headers)


def _list_unsubscribe() -> str:
    """Return the one-click URL first (RFC 8058), and a mailto if INBOUND_DOMAIN receives mail."""
    token = slots.format_slot("u")
    by_web = f"<{settings.SITE_URL}/u/{token}/>"
    if not settings.INBOUND_DOMAIN:
        return by_web
    return f"{by_web},\r\n <mailto:unsubscribe+{token}@{settings.INBOUND_DOMAIN}?subject=unsubscribe>"


def list_id(newsletter: Newsletter) -> str:
    """Return a List-Id (RFC 2919): a phrase and the id in angle brackets, at most 255 octets."""
    bare = f"<{re.sub('[^A-Za-z0-9._-]', '', newsletter.list_id)}>"
    named = f"{header_fields.phrase(newsletter.title, taken=9)} {bare}"
    return named if len(named) + len("List-Id: ") <= 255 else bare


def feedback_id(content: MessageContent, newsletter: Newsletter) -> str:
    """Return campaign:newsletter:kind:sender for Gmail. The sender part is 5 to 15 characters and never changes (S-22)."""
    host = re.sub(r"[^a-z0-9]", "", settings.SITE_HOST.lower().removeprefix("www.").removeprefix("newsletter."))
    return f"{content.issue}:{re.sub('[^a-z0-9-]', '-', newsletter.slug)[:40]}:issue:{(host + 'warta')[:15] if len(host) < 5 else host[:15]}"


def _write_headers(
    chain: segments.SegmentBuilder,
    content: MessageContent,
    newsletter: Newsletter,
    headers: Iterable[tuple[str, slots.Segments]],
) -> None:
    chain.add(f"From: {header_fields.mailbox(newsletter.from_name, newsletter.from_email, taken=6)}\r\nTo: ")
    chain.slot("to")
    if newsletter.reply_to:
        chain.add(f"\r\nReply-To: {header_fields.ascii_address(newsletter.reply_to)}")
    chain.add(f"\r\nSubject: {header_fields.unstructured(content.subject, taken=9)}\r\nDate: ")
    chain.slot("date")
    chain.add("\r\nMessage-ID: ")
    chain.slot("message_id")
    for name, value in headers:
        chain.add(f"\r\n{name}: ")
        chain.segments(value)
    chain.add(f"\r\nContent-Language: {content.language}\r\nMIME-Version: 1.0\r\n")


# --- fill for each reader --------------------------------------------------------------------------------------------


def render(
    mail: MessageTemplate, reader: Recipient, *, now: datetime, reader_tokens: tokens.SubscriberTokens | None = None
) -> RenderedMessage:
    """Return one reader's message. Raises header_fields.Unsendable.

    `reader_tokens` come from `tokens.make_for_subscribers`, where making them for a whole claim at once is cheaper.
    """
    recipient = header_fields.ascii_address(reader.email)
    issue = mail.content.issue
    reader_tokens = reader_tokens or tokens.make_for_subscribers(issue, [reader.id])[reader.id]
    message_id = tokens.message_id(issue, reader.id, mail.domain)
    why_plain, why_html = _encode_reason(subscription_reason(mail, reader), mail.quoted)
    values = {
        "to": header_fields.name_addr(reader.name, recipient, taken=4).encode(),
        "date": date_header(now),
        "message_id": message_id.encode(),
        "u": reader_tokens.unsubscribe.encode(),
        "p": reader_tokens.preferences.encode(),
        "hit": (reader_tokens.hit if _may_track(mail, reader) else mail.shared_hit).encode(),
        "why_plain": why_plain,
        "why_html": why_html,
    }
    if mail.fields:
        values.update(_fields(mail, reader))
    if mail.stuffed:
        for name in mail.at_start:
            values[name + segments.LINE_START_SUFFIX] = segments.dot_stuff_value(values[name])
    parts = list(mail.pattern)
    parts[1::2] = mail.values_of(values)
    sender = f"bounce+{reader_tokens.event}@{mail.inbound}" if mail.inbound else mail.sender
    return RenderedMessage(sender, recipient, message_id, b"".join(parts), mail.stuffed)


def _fields(mail: MessageTemplate, reader: Recipient) -> dict[str, bytes]:
    """Return the reader's value of each merge field, or its fallback."""
    name, values = greeting_name(reader), {}
    for key in mail.fields:
        field, _mark, kind = key.rpartition("_")
        fallback = _fallback(field)
        values[key] = (
            _encode(escape(name) if kind == "html" else name, mail.quoted)
            if name
            else _encode_cached(fallback, mail.quoted)
        )
    return values


@lru_cache(maxsize=1024)
def _fallback(field: str) -> str:
    name_and_fallback = slots.split_field(field)
    return name_and_fallback[1] if name_and_fallback else ""


def greeting_name(reader: Recipient) -> str:
    """Return the reader's name for use in a sentence; "" if the fallback should be used."""
    name = header_fields.clean(_BIDI_MARKS.sub("", reader.name)) if reader.name else ""
    return name if len(name) <= MAX_NAME_LENGTH else ""


def build_email(mail: MessageTemplate, reader: Recipient) -> EmailMultiAlternatives:
    """Return the same message as an object for a provider's API. Its metadata holds the token for the provider's events."""
    recipient = header_fields.ascii_address(reader.email)
    why_text, why_html = subscription_reason(mail, reader)
    values = {
        "u": tokens.make_unsubscribe(reader.id, mail.content.issue),
        "p": tokens.make_preferences(reader.id),
        "hit": hit_token(mail, reader),
    }
    name = greeting_name(reader)
    by_body = ({"why": why_text, "name": name}, {"why": why_html, "name": escape(name)})
    text, html = (slots.fill(body, {**values, **extra}) for body, extra in zip(mail.bodies, by_body, strict=True))
    headers = {name: slots.fill(value, values).replace("\r\n", "") for name, value in mail.headers}
    headers["Message-ID"] = tokens.message_id(mail.content.issue, reader.id, mail.domain)
    newsletter = mail.newsletter
    message = EmailMultiAlternatives(
        subject=header_fields.clean(mail.content.subject),
        body=text,
        from_email=_display_address(newsletter.from_name, newsletter.from_email),
        to=[_display_address(reader.name, recipient)],
        reply_to=[header_fields.ascii_address(newsletter.reply_to)] if newsletter.reply_to else None,
        headers=headers,
    )
    message.attach_alternative(html, "text/html")
    message.metadata = {"warta": tokens.make_event_token(mail.content.issue, reader.id)}  # type: ignore[attr-defined]
    return message


def _display_address(name: str, email: str) -> str:
    return str(Address(display_name=header_fields.clean(name), addr_spec=header_fields.ascii_address(email)))


def envelope_sender(mail: MessageTemplate, reader: Recipient) -> str:
    """Return the envelope sender: a VERP address with a token if INBOUND_DOMAIN receives mail, else the sender's."""
    if mail.inbound:
        return f"bounce+{tokens.make_event_token(mail.content.issue, reader.id)}@{mail.inbound}"
    return mail.sender


def hit_token(mail: MessageTemplate, reader: Recipient) -> str:
    """Return the reader's hit token with individual tracking and consent, else the token that all readers share."""
    return tokens.make_hit(mail.content.issue, reader.id) if _may_track(mail, reader) else mail.shared_hit


def _may_track(mail: MessageTemplate, reader: Recipient) -> bool:
    newsletter = mail.newsletter
    agrees = reader.may_track or not newsletter.tracking_needs_consent
    return agrees and newsletter.tracking == Tracking.INDIVIDUAL


@lru_cache(maxsize=8)
def _date(second: int) -> bytes:
    return format_datetime(datetime.fromtimestamp(second, tz=timezone.get_default_timezone())).encode()


def date_header(now: datetime) -> bytes:
    return _date(int(now.timestamp()))


def _encode(text: str, quoted: bool) -> bytes:
    return segments.quoted_printable(text, goes_on=True) if quoted else text.encode()


_encode_cached = lru_cache(maxsize=4096)(_encode)


@lru_cache(maxsize=4096)
def _encode_reason(sentences: tuple[str, str], quoted: bool) -> tuple[bytes, bytes]:
    plain, html = sentences
    return _encode(plain, quoted), _encode(html, quoted)


def subscription_reason(mail: MessageTemplate, reader: Recipient) -> tuple[str, str]:
    """Return the sentence on why the reader gets this mail and since when, as text and as HTML."""
    since = reader.confirmed_at.astimezone(mail.zone).date().isoformat() if reader.confirmed_at else ""
    return _reason(
        mail.content.language,
        mail.newsletter.fixed_words_language,
        mail.title,
        mail.brand,
        reader.legal_basis,
        _site(reader.source_url),
        since,
    )


@lru_cache(maxsize=1024)
def _site(url: str) -> str:
    return (urlsplit(url).hostname or "")[:100]


@lru_cache(maxsize=4096)
def _reason(language: str, fallback: str, title: str, brand: str, basis: str, site: str, since: str) -> tuple[str, str]:
    with reader_words.override(language, fallback):
        day = format_local_date(datetime.fromisoformat(since)) if since else ""
        values = {"title": isolate(title), "brand": isolate(brand), "site": isolate(site), "date": day}
        sentence = _sentence(basis, site=site, since=since) % values
    return sentence, escape(sentence)


def _sentence(basis: str, *, site: str, since: str) -> str:
    if basis == LegalBasis.SOFT_OPT_IN and since:
        return _("You receive this mail because %(brand)s has known you as a customer or member since %(date)s.")
    if basis == LegalBasis.PUBLIC_TASK and since:
        return _("You have received this mail as part of the public service of %(brand)s since %(date)s.")
    if site and since:
        return _("You receive this mail because you signed up for %(title)s on %(site)s, confirmed on %(date)s.")
    if since:
        return _("You receive this mail because you signed up for %(title)s, confirmed on %(date)s.")
    return _("You receive this mail because you signed up for %(title)s and confirmed it.")


# --- readers ---------------------------------------------------------------------------------------------------------


def load_recipients(subscription_ids: Iterable[int]) -> Mapping[int, Recipient]:
    """Return the recipients of these subscriptions by id, in one query."""
    rows = Subscription.objects.filter(pk__in=audience.ids_subquery(subscription_ids)).values_list(
        "pk", "subscriber__email", "subscriber__name", "confirmed_at", "source_url", "legal_basis", "may_track"
    )
    return {row[0]: Recipient(*row) for row in rows}
