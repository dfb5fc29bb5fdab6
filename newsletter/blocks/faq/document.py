from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, TextFields, WordsBase


class FaqEntry(TextFields):
    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ("answer",)

    question: str = ""
    answer: str = ""
    """A little HTML."""


class FaqWords(WordsBase):
    ITEMS_FIELD: ClassVar[str] = "questions"

    heading: str = ""
    questions: list[FaqEntry] = []

    @property
    def is_complete(self) -> bool:
        return any(one.question and one.answer for one in self.questions)

    def title_texts(self) -> Iterator[str]:
        yield self.heading
        if self.questions:
            yield self.questions[0].question


class Faq(BlockBase):
    kind: Literal["faq"] = "faq"
    words: dict[Language, FaqWords] = {}
