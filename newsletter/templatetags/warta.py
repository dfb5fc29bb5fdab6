"""Template tags of our pages, built in everywhere: `{% icon "mail" %}`, `{{ moment|when:newsletter.zone }}`."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide as render_icon

from newsletter import formatting
from newsletter.languages import reader_words, tags

register = template.Library()

register.filter("when", formatting.format_datetime)
register.filter("day", formatting.format_date)
register.filter("clock", formatting.format_time_with_zone)
register.filter("isolate", formatting.isolate)
register.filter("language_name", formatting.language_name)
register.filter("own_language_name", formatting.own_language_name)
register.filter("text_direction", tags.text_direction)


@lru_cache(maxsize=256)
def _icon(name: str) -> SafeString:
    inner = render_icon(name, size=None).partition(">")[2].rpartition("</svg>")[0]
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


@register.filter
def in_language(thing: Any, language: str) -> str:
    """A newsletter's title in `language`."""
    return str(thing.title_in(language))


@register.simple_tag(takes_context=True)
def lang_attributes(context: Context, language: str) -> SafeString:
    """`lang` and `dir` for text in `language`; nothing where the page's fixed words are in the same language."""
    around = context.get("words_language") or reader_words.current_language()
    if not language or language == around:
        return mark_safe("")
    return format_html(' lang="{}" dir="{}"', language, tags.text_direction(language))


@register.simple_tag(takes_context=True)
def title_attributes(context: Context, newsletter: Any) -> SafeString:
    """`lang` and `dir` for title and description of `newsletter`, as the page's reader sees them."""
    return lang_attributes(context, newsletter.title_language(context.get("page_language") or ""))


@register.simple_tag
def timestamp(moment: datetime, zone: ZoneInfo | None = None) -> SafeString:
    """A <time> element, machine-readable and in words."""
    return format_html(
        '<time datetime="{}">{}</time>', moment.isoformat(timespec="minutes"), formatting.format_datetime(moment, zone)
    )
