from __future__ import annotations

from typing import ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, WordsBase


class ButtonWords(WordsBase):
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("label",)
    LINK_FIELDS: ClassVar[tuple[str, ...]] = ("url",)

    label: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.label and self.url)


class Button(BlockBase):
    kind: Literal["button"] = "button"
    words: dict[Language, ButtonWords] = {}
