"""Blocks made from an article: what `lead`, `story` and `brief` have in common. No Django."""

from __future__ import annotations

from typing import Any, ClassVar

from newsletter.blocks.base import BlockBase, DocumentModel, Language, WordsBase
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


class ArticleSnapshot(DocumentModel):
    """Title, summary and URL of an article when a block took its words. Later readings are compared with them."""

    title: str = ""
    summary: str = ""
    url: str = ""


class StoryWords(WordsBase):
    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ("summary",)
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("headline", "image_alt")
    LINK_FIELDS: ClassVar[tuple[str, ...]] = ("url",)

    headline: str = ""
    summary: str = ""
    """A little HTML."""
    url: str = ""
    link_text: str = ""
    """Words of the button (lead) or the closing link; if empty, none is shown."""
    image_alt: str = ""
    update: str = ""
    """What changed since the article was first reported, such as "also for holders of ITAP"."""

    @property
    def is_complete(self) -> bool:
        return bool(self.headline and self.url)


class ArticleBlock(BlockBase):
    """A block made from a stored article."""

    article: int | None = None
    seen: dict[Language, ArticleSnapshot] = {}
    keeps_gone: bool = False
    """An editor decided to keep the block although the article's page is gone."""


def build_view(view: BlockView, block: Any, words: StoryWords, context: ViewContext) -> BlockView:
    """The view of a story; `block.picture` is shown if the kind has one."""
    return view.with_fields(
        headline=richtext.clean_line(words.headline),
        url=words.url,
        body=richtext.parse(words.summary),
        link_text=richtext.clean_line(words.link_text),
        update=richtext.clean_line(words.update),
        picture=getattr(block, "picture", None),
        picture_alt=richtext.clean_line(words.image_alt),
    )
