"""Render an issue in one language, and freeze it as an `Edition` with its `Link` rows.

Previews, test mails and the mail that is sent come from `render`. The web archive renders the same blocks as a page.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import pydantic
from django.conf import settings
from django.db import transaction
from django.template import loader
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from newsletter import content
from newsletter.blocks import composing
from newsletter.blocks.view import BlockView, EventTime
from newsletter.formatting import format_day, format_time, language_name, zone_name
from newsletter.issues import TEMPLATE_VERSION
from newsletter.languages import reader_words
from newsletter.media import video_thumbnails
from newsletter.models import Edition, Issue, Link, Newsletter, Tracking
from newsletter.rendering import colours, mjml, richtext, slots
from newsletter.rendering.links import LinkBook, NumberedLink

__all__ = [
    "RenderError",
    "NumberedLink",
    "Rendering",
    "freeze",
    "languages",
    "preview_html",
    "preview_text",
    "render",
]

logger = logging.getLogger(__name__)

SANS_FONTS = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
COLOURS = {
    "ground": colours.GROUND,
    "paper": colours.PAPER,
    "ink": colours.INK,
    "muted": colours.MUTED,
    "rule": colours.RULE,
    "edge": colours.EDGE,
    "ground_dark": colours.GROUND_DARK,
    "paper_dark": colours.PAPER_DARK,
    "ink_dark": colours.INK_DARK,
    "muted_dark": colours.MUTED_DARK,
    "rule_dark": colours.RULE_DARK,
    "edge_dark": colours.EDGE_DARK,
    "warning": colours.WARNING,
    "warning_ground": colours.WARNING_GROUND,
    "warning_dark": colours.WARNING_DARK,
    "warning_ground_dark": colours.WARNING_GROUND_DARK,
    "scam": colours.SCAM,
    "scam_ground": colours.SCAM_GROUND,
    "scam_dark": colours.SCAM_DARK,
    "scam_ground_dark": colours.SCAM_GROUND_DARK,
}
DARK_MEDIA_QUERY = "@media (prefers-color-scheme: dark)"
LOGO_HEIGHT = 40

CompileMjml = Callable[[mjml.MjmlSource], str]


class RenderError(Exception):
    """The issue cannot be rendered. The message is shown to editors; `block` is the id of the faulty block, or None.

    A lazy message is translated when it is shown, into the editor's language and not that of the mail.
    """

    def __init__(self, message: str | Promise, block: str | None = None) -> None:
        super().__init__(message)
        self.block = block


@dataclass(frozen=True)
class Rendering:
    """An issue in one language. `html` and `text` hold slots (see `rendering.slots`)."""

    language: str
    subject: str
    preheader: str
    html: str
    text: str
    links: tuple[NumberedLink, ...]


def languages(issue: Issue) -> list[str]:
    """Languages in which the issue is sent, the newsletter's default language first."""
    return issue.newsletter.languages or [issue.newsletter.default_language]


def document(issue: Issue) -> content.Document:
    try:
        return content.parse(issue.content)
    except pydantic.ValidationError as error:
        raise RenderError(_("The issue cannot be read: its stored text is damaged.")) from error


def issue_date(issue: Issue) -> datetime:
    """The date shown in the issue, in local time: when it is sent, or for a draft when it was last edited."""
    moment = issue.scheduled_at or issue.started_at or issue.sent_at or issue.edited_at
    return timezone.localtime(moment, issue.newsletter.zone)


def edition_line(issue: Issue) -> str:
    """ "Issue 48 · Tuesday, 24 November 2026", in the active language."""
    number = _("Issue %(number)s") % {"number": issue.number}
    return f"{number} · {format_day(issue_date(issue))}"


def web_url(issue: Issue) -> str:
    """Address of the issue in the web archive, or "" if the newsletter has no public archive."""
    if not issue.newsletter.archive_is_public:
        return ""
    return settings.SITE_URL + reverse("archive-issue", kwargs={"year": issue_date(issue).year, "slug": issue.slug})


# --- rendering -------------------------------------------------------------------------------------------------------


def render(issue: Issue, language: str, *, tracked: bool = False, first_link: int = 1) -> Rendering:
    """Render the issue in `language`. MJML is compiled in this process, after its size was checked. Raises RenderError."""
    return _render(issue, language, tracked=tracked, first_link=first_link, to_html=mjml.to_html)


def _render(issue: Issue, language: str, *, tracked: bool, first_link: int, to_html: CompileMjml) -> Rendering:
    parsed = document(issue)
    default = issue.newsletter.default_language
    envelope = parsed.envelope(language, default)
    with reader_words.override(language, issue.newsletter.fixed_words_language):
        book = build_link_book(issue, language, tracked=tracked, first=first_link)
        frame = composing.Frame(
            language=language,
            subject=richtext.clean_line(envelope.subject),
            preheader=richtext.clean_line(envelope.preheader),
            values=_frame_values(issue, language, tracked=tracked),
            picture_url=picture_url,
            thumbnail_url=thumbnail_url,
        )
        ready = build_block_views(parsed, language=language, default=default, book=book, issue=issue)
        source = composing.compose(ready, frame=frame, book=book, render=render_template)
        text = composing.compose_text(ready, frame=frame, book=book, render=render_template)
    try:
        html = to_html(source)
    except mjml.MjmlError as refused:
        raise _render_error(refused, issue) from refused
    return Rendering(language, frame.subject, frame.preheader, html, text, book.links)


def build_block_views(
    parsed: content.Document, *, language: str, default: str, book: LinkBook, issue: Issue
) -> tuple[BlockView, ...]:
    """The blocks of the document as a reader of `language` sees them. Raises RenderError."""
    try:
        return composing.build_views(
            content.shown_blocks(parsed, language, default),
            language=language,
            book=book,
            when=partial(event_time, issue),
        )
    except composing.InvalidBlock as wrong:
        message = gettext_lazy("This text is too long or has too many tags. Paste it again as plain text.")
        raise RenderError(message, wrong.block) from wrong


def build_link_book(
    issue: Issue,
    language: str,
    *,
    tracked: bool = False,
    first: int = 1,
    amended: Mapping[tuple[str, str], str] | None = None,
) -> LinkBook:
    own = frozenset({web_url(issue), privacy_url(issue.newsletter)} - {""})
    return LinkBook(settings.SITE_URL, tracked=tracked, first=first, own=own, amended=amended)


def privacy_url(newsletter: Newsletter) -> str:
    return newsletter.privacy_url or f"{settings.SITE_URL}/privacy/"


def picture_url(picture: content.Picture) -> str:
    return media_url(picture.path)


def thumbnail_url(picture: content.Picture) -> str:
    """Address of the picture with a play button drawn on it."""
    return media_url(video_thumbnails.create_thumbnail(picture.path)) if media_url(picture.path) else ""


def media_url(path: str) -> str:
    """Absolute address of a file below MEDIA_ROOT, or "" for a path that leads outside it."""
    if not path or ".." in PurePosixPath(path).parts or "\\" in path:
        return ""
    return f"{settings.SITE_URL}{settings.MEDIA_URL}{quote(path.lstrip('/'))}"


def render_template(name: str, context: Mapping[str, Any]) -> str:
    return loader.render_to_string(name, dict(context))


def language_note(language: str) -> str:
    """The note beside an article in another language than the mail, in the active language."""
    notes = {"id": _("This article is in Indonesian."), "en": _("This article is in English.")}
    if language in notes:
        return notes[language]
    name = language_name(language)
    return _("This article is in %(language)s.") % {"language": name} if name != language else ""


def _frame_values(issue: Issue, language: str, *, tracked: bool) -> dict[str, Any]:
    newsletter = issue.newsletter
    palette = colours.build_palette(newsletter.accent)
    direction, spoken = mjml.text_direction(language), reader_words.current_language()
    return {
        "words_language": spoken,
        "words_class": f" lang-{spoken}" if spoken != language else "",
        "brand": richtext.clean_line(newsletter.brand),
        "edition": edition_line(issue),
        "sender": richtext.clean_line(newsletter.from_name or newsletter.brand),
        "postal_address": richtext.clean_line(newsletter.postal_address),
        "direction": direction,
        "start": "right" if direction == "rtl" else "left",
        "end": "left" if direction == "rtl" else "right",
        "why": slots.format_slot("why"),
        "preferences_url": f"{settings.SITE_URL}/p/{slots.format_slot('p')}/",
        "unsubscribe_url": f"{settings.SITE_URL}/u/{slots.format_slot('u')}/",
        "web_url": web_url(issue),
        "privacy_url": privacy_url(newsletter),
        "pixel_url": f"{settings.SITE_URL}/t/{slots.format_slot('hit')}.gif" if tracked else "",
        "logo": _logo(newsletter),
        "note_on": language_note,
        "palette": palette,
        "c": COLOURS,
        "sans": SANS_FONTS,
        "looks": {"ltr": _inline_styles(palette, "0 0 0 22px"), "rtl": _inline_styles(palette, "0 22px 0 0")},
    }


def _inline_styles(palette: colours.Palette, listing: str) -> richtext.InlineStyles:
    return richtext.InlineStyles(
        link=f"color:{palette.accent};text-decoration:underline",
        paragraph="margin:0 0 12px",
        last="margin:0",
        listing=f"margin:0 0 12px;padding:{listing}",
        item="margin:0 0 6px",
    )


def _logo(newsletter: Newsletter) -> dict[str, Any] | None:
    logo = newsletter.logo
    if logo is None or not logo.height or not (url := media_url(logo.file.name or "")):
        return None
    return {"url": url, "width": max(24, min(240, round(logo.width * LOGO_HEIGHT / logo.height)))}


def _render_error(error: mjml.MjmlError, issue: Issue) -> RenderError:
    logger.warning("issue cannot be rendered", extra={"issue": issue.pk, "reason": error.reason})
    messages = {
        "too long": _("This issue is too long to become a mail. Remove some blocks."),
        "too many": _("This issue has too many parts to become a mail. Remove some blocks."),
        "timeout": _("Making the mail took too long. Shorten the issue, then try again."),
        "crashed": _("The mail could not be made from this issue. Remove the block you changed last, then try again."),
    }
    message = messages.get(
        error.reason, _("A block cannot be shown in a mail. Write its text again without formatting.")
    )
    return RenderError(message, error.block or None)


# --- events ----------------------------------------------------------------------------------------------------------


def event_time(issue: Issue, event: content.CalendarEvent, language: str) -> EventTime:
    """Date and time of `event` in the active language and the newsletter's time zone, and the address of its .ics file."""
    starts_at, ends_at = (
        parse_local_time(issue.newsletter, event.starts_at),
        parse_local_time(issue.newsletter, event.ends_at),
    )
    if starts_at is None:
        return EventTime()
    url = calendar_url(issue, event.id, language)
    zone = zone_name(starts_at, issue.newsletter.zone)
    if ends_at is None or ends_at <= starts_at:
        return EventTime(_day(starts_at), f"{_clock(starts_at)} {zone}", url)
    if ends_at.date() == starts_at.date():
        values = {"start": _clock(starts_at), "end": _clock(ends_at), "zone": zone}
        return EventTime(_day(starts_at), _("%(start)s to %(end)s %(zone)s") % values, url)
    first, last = (_("%(date)s, %(time)s") % {"date": _day(one), "time": _clock(one)} for one in (starts_at, ends_at))
    return EventTime(_("%(start)s to %(end)s %(zone)s") % {"start": first, "end": last, "zone": zone}, "", url)


def parse_local_time(newsletter: Newsletter, clock: str) -> datetime | None:
    """Parse local date and time of the newsletter's time zone. Returns None for invalid text."""
    try:
        return datetime.fromisoformat(clock).replace(tzinfo=newsletter.zone) if clock else None
    except ValueError:
        return None


def _day(moment: datetime) -> str:
    return format_day(moment)


def _clock(moment: datetime) -> str:
    return format_time(moment)


def calendar_url(issue: Issue, block: str, language: str) -> str:
    """Address of the .ics file of an event. It is signed, so that events of unpublished issues cannot be guessed."""
    number = issue.pk or 0  # An issue that exists only as a preview has no primary key, and no file.
    key = calendar_key(number, block, language)
    path = reverse("event-calendar", kwargs={"issue": number, "block": block, "language": language, "key": key})
    return settings.SITE_URL + path


def calendar_key(issue: int, block: str, language: str, *, secret: str | None = None) -> str:
    """128 bits of an HMAC over issue, block and language."""
    signed = salted_hmac("newsletter.editions.calendar", f"{issue}:{block}:{language}", secret, algorithm="sha256")
    return signed.hexdigest()[:32]


def is_valid_calendar_key(key: str, issue: int, block: str, language: str) -> bool:
    """Check a key, also against keys made with SECRET_KEY_FALLBACKS."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    valid_keys = (calendar_key(issue, block, language, secret=secret) for secret in secrets)
    return any(hmac.compare_digest(key.encode(), valid_key.encode()) for valid_key in valid_keys)


# --- freezing --------------------------------------------------------------------------------------------------------


def freeze(issue: Issue, *, now: datetime) -> list[Edition]:
    """Store one `Edition` per language, with its numbered links. Do nothing if the issue is frozen already.

    MJML is compiled in a subprocess (see `COMPILE_MJML_IN_SUBPROCESS`), outside any transaction. Without tracking, links
    lead straight to their target, so no `Link` is written. Raises RenderError.
    """
    tracked = issue.newsletter.tracking != Tracking.OFF
    to_html = mjml.to_html_in_subprocess if settings.COMPILE_MJML_IN_SUBPROCESS else mjml.to_html
    renderings: list[Rendering] = []
    if not _frozen(issue):
        first = 1
        for language in languages(issue):
            done = _render(issue, language, tracked=tracked, first_link=first, to_html=to_html)
            renderings.append(done)
            first += len(done.links)
    with transaction.atomic():
        # Two workers may freeze one issue: the row lock lets the second one see the editions of the first.
        Issue.objects.select_for_update().get(pk=issue.pk)
        if not _frozen(issue):
            _store_editions(issue, renderings, tracked=tracked, now=now)
    return _frozen(issue)


def freeze_key(issue: Issue) -> str:
    """The approval and the date of the mail that a frozen edition belongs to.

    An edition with another key is out of date: the issue was edited, or scheduled for another day.
    """
    return f"{issue.approved_hash}:{issue_date(issue).date().isoformat()}"


def _frozen(issue: Issue) -> list[Edition]:
    order = {language: place for place, language in enumerate(languages(issue))}
    return sorted(issue.editions.all(), key=lambda edition: order.get(edition.language, len(order)))


def _store_editions(issue: Issue, renderings: list[Rendering], *, tracked: bool, now: datetime) -> None:
    Edition.objects.bulk_create(
        Edition(
            issue=issue,
            language=done.language,
            subject=done.subject[:300],
            preheader=done.preheader[:300],
            html=done.html,
            text=done.text,
            template_version=TEMPLATE_VERSION,
            frozen_at=now,
            frozen_for=freeze_key(issue),
        )
        for done in renderings
    )
    if tracked:
        Link.objects.bulk_create(
            Link(
                issue=issue,
                issue_key=issue.pk,
                number=link.number,
                language=done.language,
                url=link.url,
                block=link.block,
                label=link.label,
            )
            for done in renderings
            for link in done.links
        )
    logger.info("issue frozen", extra={"issue": issue.pk, "editions": len(renderings)})


# --- previews --------------------------------------------------------------------------------------------------------


def preview_html(issue: Issue, language: str, *, dark: bool = False, images: bool = True, name: str = "") -> str:
    """The HTML as a reader would see it, with sample tokens. `name` is the reader's name.

    `dark` shows the dark colours, whatever the browser prefers.
    """
    html = render(issue, language).html
    if dark:
        html = html.replace(DARK_MEDIA_QUERY, "@media all")
    if not images:
        html = re.sub(r'(<img [^>]*?)\ssrc="[^"]*"', r"\1", html)
    return slots.fill(slots.split(html), {**_sample_values(issue, language, escaped=True), "name": escape(name)})


def preview_text(issue: Issue, language: str, *, name: str = "") -> str:
    samples = {**_sample_values(issue, language, escaped=False), "name": name}
    return slots.fill(slots.split(render(issue, language).text), samples)


def _sample_values(issue: Issue, language: str, *, escaped: bool) -> dict[str, str]:
    with reader_words.override(language, issue.newsletter.fixed_words_language):
        why = _("You receive this mail because you signed up for %(title)s and confirmed it.") % {
            "title": issue.newsletter.title_in(language)
        }
    return {"hit": "preview", "u": "preview", "p": "preview", "why": escape(why) if escaped else why}
