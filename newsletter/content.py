"""The document of an issue: blocks in order, each with its words per language. JSON in and out; no Django.

A document is stored whole in `Issue.content`. `version` names the shape, so that later releases can read old rows.
The classes of blocks are defined in `newsletter.blocks`, a folder per kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from newsletter.blocks import registry
from newsletter.blocks.article import ArticleBlock, ArticleSnapshot, StoryWords
from newsletter.blocks.base import BlockBase, DocumentModel, Language, LanguagePolicy, Picture, WordsBase, new_block_id
from newsletter.blocks.brief import Brief
from newsletter.blocks.button import Button, ButtonWords
from newsletter.blocks.divider import Divider, DividerWords
from newsletter.blocks.event import CalendarEvent, CalendarEventWords
from newsletter.blocks.faq import Faq, FaqEntry, FaqWords
from newsletter.blocks.figures import Figure, Figures, FiguresWords
from newsletter.blocks.image import Image, ImageWords
from newsletter.blocks.lead import Lead
from newsletter.blocks.notice import Callout
from newsletter.blocks.quote import Quote, QuoteWords
from newsletter.blocks.registry import Block, Words
from newsletter.blocks.story import Story
from newsletter.blocks.text import Text, TextWords
from newsletter.blocks.video import Video, VideoWords

__all__ = [
    "ArticleBlock",
    "ArticleSnapshot",
    "BLOCK_TYPES",
    "Block",
    "BlockBase",
    "Brief",
    "Button",
    "ButtonWords",
    "CalendarEvent",
    "CalendarEventWords",
    "Callout",
    "Divider",
    "DividerWords",
    "Document",
    "DocumentModel",
    "Envelope",
    "Faq",
    "FaqEntry",
    "FaqWords",
    "Figure",
    "Figures",
    "FiguresWords",
    "Image",
    "ImageWords",
    "Language",
    "LanguagePolicy",
    "Lead",
    "Picture",
    "Quote",
    "QuoteWords",
    "Story",
    "StoryWords",
    "Text",
    "TextWords",
    "VERSION",
    "Video",
    "VideoWords",
    "Words",
    "WordsBase",
    "dump",
    "new_block_id",
    "parse",
    "shown_blocks",
    "words_for",
]

VERSION: Literal[1] = 1
BLOCK_TYPES: dict[str, type[BlockBase]] = {name: kind.model for name, kind in registry.KINDS.items()}


class Envelope(DocumentModel):
    subject: str = ""
    preheader: str = ""


class Document(DocumentModel):
    version: Literal[1] = VERSION
    envelopes: dict[Language, Envelope] = {}
    blocks: list[Block] = []

    def envelope(self, language: Language, default: Language) -> Envelope:
        """Subject and preheader in `language`; each falls back to the default language's."""
        own, other = self.envelopes.get(language, Envelope()), self.envelopes.get(default, Envelope())
        return Envelope(subject=own.subject or other.subject, preheader=own.preheader or other.preheader)

    def block(self, block_id: str) -> Block | None:
        return next((block for block in self.blocks if block.id == block_id), None)

    def article_ids(self) -> list[int]:
        return [block.article for block in self.blocks if isinstance(block, ArticleBlock) and block.article]


def parse(data: dict[str, Any]) -> Document:
    """Read a stored document; {} is an empty one. Raises pydantic.ValidationError, which names the invalid part."""
    return Document.model_validate(data or {})


def dump(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json")


def words_for(block: Block, language: Language, default: Language) -> tuple[Words, Language] | None:
    """The words that readers of `language` see in `block`, and the language of these words.

    None if the block is left out: it has no words here and its policy is not to fall back, or it lacks its picture.
    """
    return block.words_for(language, default)


def shown_blocks(document: Document, language: Language, default: Language) -> Iterator[tuple[Block, Words, Language]]:
    """Blocks as readers of `language` see them, in order."""
    for block in document.blocks:
        shown = words_for(block, language, default)
        if shown is not None:
            yield block, *shown
