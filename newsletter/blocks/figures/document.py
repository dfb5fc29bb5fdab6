from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, TextFields, WordsBase

LEAST = 2


class Figure(TextFields):
    value: str = ""
    """A number as readers see it: 12,400 or 98 %."""
    label: str = ""
    """What is counted."""

    @property
    def is_complete(self) -> bool:
        return bool(self.value and self.label)


class FiguresWords(WordsBase):
    ITEMS_FIELD: ClassVar[str] = "figures"

    heading: str = ""
    figures: list[Figure] = []
    source: str = ""

    @property
    def is_complete(self) -> bool:
        return sum(figure.is_complete for figure in self.figures) >= LEAST

    @property
    def is_begun(self) -> bool:
        """Figures that were added but not filled in do not count."""
        return bool(self.heading or self.source or any(figure.value or figure.label for figure in self.figures))

    def title_texts(self) -> Iterator[str]:
        yield self.heading
        yield from (f"{figure.value} {figure.label}" for figure in self.figures)


class Figures(BlockBase):
    kind: Literal["figures"] = "figures"
    words: dict[Language, FiguresWords] = {}
