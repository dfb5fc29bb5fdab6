"""`/archive/events/…`: an event of an issue as a calendar file (RFC 5545). Public; the key in the URL gives access."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from newsletter import content, editions
from newsletter.blocks import registry
from newsletter.blocks.kind import CalendarEntry
from newsletter.models import Issue
from newsletter.rendering import links, richtext

MAX_LINE_OCTETS = 75
"""Octets without the line break (RFC 5545 section 3.1)."""


@login_not_required
@require_safe
def event_calendar(request: HttpRequest, issue: int, block: str, language: str, key: str) -> HttpResponse:
    """The calendar file of one event. 404 with a wrong key, or if the event was removed from the issue."""
    if not editions.is_valid_calendar_key(key, issue, block, language):
        raise Http404
    stored_issue = get_object_or_404(Issue.objects.select_related("newsletter"), pk=issue)
    response = HttpResponse(build_calendar(stored_issue, block, language), content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{block}.ics"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def build_calendar(issue: Issue, block_id: str, language: str) -> str:
    """A calendar with one event. Raises Http404 if the issue has no such event with a date and a name."""
    try:
        block = editions.document(issue).block(block_id)
    except editions.RenderError:
        raise Http404 from None
    read_entry = registry.kind_of(block).calendar_entry if block else None
    shown = content.words_for(block, language, issue.newsletter.default_language) if block else None
    if block is None or read_entry is None or shown is None:
        raise Http404
    entry, spoken = read_entry(block, shown[0]), shown[1]
    starts_at = editions.parse_local_time(issue.newsletter, entry.starts_at)
    ends_at = editions.parse_local_time(issue.newsletter, entry.ends_at)
    if starts_at is None:
        raise Http404
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Warta//Newsletter//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{issue.pk}-{block.id}@{settings.SITE_HOST}",
        f"DTSTAMP:{_utc(issue.edited_at)}",
        f"DTSTART:{_utc(starts_at)}",
        *([f"DTEND:{_utc(ends_at)}"] if ends_at and ends_at > starts_at else []),
        f"SUMMARY;LANGUAGE={spoken}:{_escaped(richtext.clean_line(entry.headline))}",
        *_details(entry),
        f"ORGANIZER;CN={_quoted(issue.newsletter.brand)}:mailto:{issue.newsletter.from_email}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{fold_line(line)}\r\n" for line in lines)


def _details(entry: CalendarEntry) -> list[str]:
    place, url = richtext.clean_line(entry.place), links.percent_encode(entry.url)
    try:
        summary = richtext.to_text(richtext.parse(entry.summary), lambda _url, _label: "")
    except richtext.TooComplex:
        summary = ""
    return [
        *([f"DESCRIPTION:{_escaped(summary)}"] if summary else []),
        *([f"LOCATION:{_escaped(place)}"] if place else []),
        *([f"URL:{url}"] if links.is_safe_url(url) else []),
    ]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    """Escape a TEXT value (RFC 5545 section 3.3.11)."""
    for sign in ("\\", ";", ","):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", "\\n")


def _quoted(text: str) -> str:
    """Quote a parameter value (RFC 5545 section 3.2), without quotes and control characters inside."""
    return '"' + richtext.clean_line(text).replace('"', "'") + '"'


def fold_line(line: str) -> str:
    """Fold a line to at most 75 octets, never inside a character (RFC 5545 section 3.1). Further lines start with a
    space.
    """
    lines, current = [], ""
    for sign in line:
        if len((current + sign).encode()) > MAX_LINE_OCTETS:
            lines.append(current)
            current = " "
        current += sign
    return "\r\n".join([*lines, current])
