"""The language of a page for readers: `?lang=`, then what the page knows of its reader, then Accept-Language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from django.http import HttpRequest

from newsletter.languages import reader_words, tags

MAX_HEADER_LENGTH = 500
"""Characters of Accept-Language that are read."""


class HasLanguages(Protocol):
    languages: list[str]


def offered_languages(newsletters: Iterable[HasLanguages]) -> list[str]:
    """Every language of these newsletters, once."""
    return list(dict.fromkeys(code for newsletter in newsletters for code in newsletter.languages))


def asked_language(request: HttpRequest, offered: Iterable[str] = ()) -> str:
    """The language of `?lang=`; "" if it is none of `offered` and has no fixed words either."""
    asked = request.GET.get("lang", "")
    if not tags.is_valid_tag(asked):
        return ""
    tag = tags.parse_tag(asked)
    return tag if tag in offered or reader_words.has_words(tag) else ""


def accepted_language(request: HttpRequest, offered: Sequence[str]) -> str:
    """The first language of Accept-Language that is offered, else the first that is offered."""
    for accepted in request.headers.get("Accept-Language", "")[:MAX_HEADER_LENGTH].split(","):
        tag = accepted.partition(";")[0].strip()
        if tags.is_valid_tag(tag) and (match := tags.find_match(tag, offered)):
            return match
    return offered[0]


def choose_language(request: HttpRequest, offered: Sequence[str], *, preferred: str = "") -> str:
    """The language a page is shown in. Without any offer, the languages of the interface are offered."""
    if asked := asked_language(request, offered):
        return asked
    if preferred and tags.is_valid_tag(preferred):
        return preferred
    return accepted_language(request, offered or reader_words.INTERFACE_LANGUAGES)
