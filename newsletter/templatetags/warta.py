"""Template tags of our pages, built in everywhere: `{% icon "mail" %}`, `{{ moment|when:newsletter.zone }}`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import lucide
from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext as _

register = template.Library()


@lru_cache(maxsize=256)
def _icon(name: str) -> SafeString:
    inner = lucide._render_icon(name, size=None).partition(">")[2].rpartition("</svg>")[0]
    return mark_safe(  # noqa: S308 (constant markup around shapes of the icon package; nothing a person wrote)
        f'<svg class="i" viewBox="0 0 24 24" aria-hidden="true">{inner}</svg>'
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """A line icon, hidden from screen readers: put words or an aria-label beside it."""
    return _icon(name)


@register.filter
def linked_data(thing: dict[str, Any]) -> SafeString:
    """`thing` as JSON-LD: a block of data that browsers do not run, and that no word in it can end."""
    text = json.dumps(thing, ensure_ascii=False).translate(_IN_A_SCRIPT)
    return format_html(
        '<script type="application/ld+json">{}</script>',
        mark_safe(text),  # noqa: S308 (no character is left that could end the element)
    )


_IN_A_SCRIPT = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def zone_name(moment: datetime, zone: ZoneInfo) -> str:
    """What the zone calls itself at that moment: WIB, WITA, WIT, CET; UTC+07 for a zone without letters."""
    name = moment.astimezone(zone).tzname() or zone.key
    return f"UTC{name}" if name[:1] in "+-" else name


def language_name(code: str) -> str:
    """A language's name in the language of whoever reads it; the code where we know no name."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: "Monday, Wednesday and Friday"."""
    if len(names) < 2:
        return "".join(names)
    return _("%(first)s and %(last)s") % {"first": ", ".join(names[:-1]), "last": names[-1]}


def time_of_day(at: datetime | time, *, seconds: bool = False) -> str:
    """ "07:00", or "07.00" as Bahasa Indonesia writes it."""
    colon = "." if (get_language() or "").startswith("id") else ":"
    return formats.time_format(at, f"H{colon}i{colon}s" if seconds else f"H{colon}i")


@register.filter
def when(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    """A date with time and zone: "Tuesday, 24 November 2026, 07:00 WIB"; empty without a moment."""
    if moment is None:
        return ""
    local = timezone.localtime(moment, zone or timezone.get_default_timezone())
    day = formats.date_format(local, "l, j F Y")
    return f"{day}, {time_of_day(local)} {zone_name(moment, zone or timezone.get_default_timezone())}"


@register.filter
def day(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    if moment is None:
        return ""
    return formats.date_format(timezone.localtime(moment, zone), "j F Y")


@register.filter
def clock(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    if moment is None:
        return ""
    local = timezone.localtime(moment, zone or timezone.get_default_timezone())
    return f"{time_of_day(local)} {zone_name(moment, zone or timezone.get_default_timezone())}"


@register.filter
def in_language(thing: Any, language: str) -> str:
    """A newsletter's title in `language`."""
    return str(thing.title_in(language))


@register.simple_tag
def timestamp(moment: datetime, zone: ZoneInfo | None = None) -> SafeString:
    """A <time> element, machine-readable and in words."""
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(timespec="minutes"), when(moment, zone))
