"""Titles of blocks on pages that do not show the blocks: a few of their words, or their kind."""

from __future__ import annotations

from newsletter import content
from newsletter.articles.article_data import clean_text
from newsletter.studio.shared.document_form.fields import KIND_LABELS

MAX_LENGTH = 90


def block_title(block: content.Block, *preferred: str) -> tuple[str, str]:
    """A few plain words of the block, and their language.

    Words in a `preferred` language win over those in another. If the block has no words: the name of its kind in the
    page's language, and "".
    """
    for language in (*preferred, *block.words):
        if title := _title_in(block, language):
            return title, language
    return str(KIND_LABELS[block.kind]), ""


def _title_in(block: content.Block, language: str) -> str:
    words = block.words.get(language)
    texts = words.title_texts() if words else ()
    return next((title for text in texts if (title := clean_text(text, most=MAX_LENGTH))), "")
