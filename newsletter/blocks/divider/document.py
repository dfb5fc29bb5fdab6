from __future__ import annotations

from typing import Any, Literal

from newsletter.blocks.base import BlockBase, Language, WordsBase


class DividerWords(WordsBase):
    @property
    def is_complete(self) -> bool:
        return True


class Divider(BlockBase):
    kind: Literal["divider"] = "divider"
    words: dict[Language, DividerWords] = {}

    def words_for(self, language: Language, default: Language) -> tuple[Any, Language] | None:
        return DividerWords(), language

    def is_written(self, language: Language) -> bool:
        return True
