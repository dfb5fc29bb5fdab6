from __future__ import annotations

from typing import ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, WordsBase


class TextWords(WordsBase):
    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ("body",)
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("heading", "body")

    heading: str = ""
    body: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.heading or self.body)


class Text(BlockBase):
    kind: Literal["text"] = "text"
    words: dict[Language, TextWords] = {}
