"""Context variables of every page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from newsletter.languages import reader_words, tags


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "SITE_URL": settings.SITE_URL,
        "EMBEDDED": settings.EMBEDDED,
        "page_language": translation.get_language(),
        "words_language": reader_words.current_language(),
        "direction": tags.text_direction(reader_words.current_language()),
        "languages": [
            {"code": code, "name": translation.get_language_info(code)["name_local"]} for code, _ in settings.LANGUAGES
        ],
    }
