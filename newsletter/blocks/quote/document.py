from __future__ import annotations

from typing import ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, WordsBase


class QuoteWords(WordsBase):
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("quote",)

    quote: str = ""
    source: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.quote)


class Quote(BlockBase):
    kind: Literal["quote"] = "quote"
    words: dict[Language, QuoteWords] = {}
