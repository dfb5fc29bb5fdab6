"""What to call a block on pages that do not show it: a few of its own words, or its kind."""

from __future__ import annotations

from typing import Any

from newsletter import content
from newsletter.articles.article_data import clean_text
from newsletter.studio.shared.document_form.fields import KIND_LABELS

TITLE_FIELDS = ("headline", "heading", "label", "quote", "body", "caption", "image_alt")
"""Texts that a person knows a block by, the best first."""
MAX_LENGTH = 90


def block_title(block: content.Block, *preferred: str) -> tuple[str, str]:
    """A few plain words of the block, and their language; its kind in the page's language, and "", where it has none.

    Words in a `preferred` language win over those in another.
    """
    for language in (*preferred, *block.words):
        if title := _title_in(block, language):
            return title, language
    return str(KIND_LABELS[block.kind]), ""


def _title_in(block: content.Block, language: str) -> str:
    words: Any = block.words.get(language)
    questions = getattr(words, "questions", None) or [content.FaqEntry()]
    texts = (*(getattr(words, name, "") for name in TITLE_FIELDS), questions[0].question)
    return next((told for text in texts if (told := clean_text(text, most=MAX_LENGTH))), "")
