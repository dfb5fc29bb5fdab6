"""What to call a block on pages that do not show it: a few of its own words, or its kind."""

from __future__ import annotations

from typing import Any

from newsletter import content
from newsletter.articles.article_data import plain
from newsletter.studio.shared.document_form.fields import KINDS

TELLING = ("headline", "heading", "label", "quote", "body", "caption", "image_alt")
"""Texts that a person knows a block by, the best first."""
LONGEST = 90


def named(block: content.Block, *preferred: str) -> tuple[str, str]:
    """A few plain words of the block, and their language; its kind in the page's language, and "", where it has none.

    Words in a `preferred` language win over those in another.
    """
    for language in (*preferred, *block.words):
        if title := _told(block, language):
            return title, language
    return str(KINDS[block.kind]), ""


def _told(block: content.Block, language: str) -> str:
    words: Any = block.words.get(language)
    questions = getattr(words, "questions", None) or [content.Question()]
    texts = (*(getattr(words, name, "") for name in TELLING), questions[0].question)
    return next((told for text in texts if (told := plain(text, most=LONGEST))), "")
