"""Base classes of blocks and of their words. No Django.

The order of the fields is the order of the keys in the stored JSON.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Language = str
LanguagePolicy = Literal["required", "optional", "fallback"]
"""What to do if a block has no words in a language: refuse to send, leave the block out, or show the default language."""


def new_block_id() -> str:
    """A short random block id, safe in CSS classes, ids and URLs."""
    return "b" + secrets.token_hex(4)


class DocumentModel(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Picture(DocumentModel):
    """A stored `MediaFile`: its id, its path below the media root, and its size in pixels."""

    media: int
    path: str
    width: int
    height: int


class TextFields(DocumentModel):
    """Texts of a block in one language."""

    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields with a little HTML: p, br, strong, em, a, ul, ol, li. They can hold links and merge fields."""

    def rich_texts(self) -> Iterator[str]:
        """The HTML of the fields that are not empty."""
        return (text for name in self.RICH_TEXT_FIELDS if (text := getattr(self, name)))

    def change_rich_texts(self, change: Callable[[str], str]) -> dict[str, Any]:
        """The new values of the fields that `change` makes different, by name. Changes nothing in place."""
        texts = {name: getattr(self, name) for name in self.RICH_TEXT_FIELDS}
        return {name: new for name, text in texts.items() if text and (new := change(text)) != text}


class WordsBase(TextFields):
    """The words of a block in one language."""

    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields that can name the block in lists. The first one that is not empty is used."""
    LINK_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields that hold a URL."""
    ITEMS_FIELD: ClassVar[str] = ""
    """The field with a list of `TextFields`, if the kind has one."""

    @property
    def is_complete(self) -> bool:
        """Whether the words can be shown to readers."""
        raise NotImplementedError

    @property
    def is_begun(self) -> bool:
        """Whether anything is written."""
        return any(self.model_dump().values())

    @property
    def items(self) -> list[Any]:
        """The stored list, not a copy; an empty one if the kind has no items."""
        return getattr(self, self.ITEMS_FIELD) if self.ITEMS_FIELD else []

    def title_texts(self) -> Iterator[str]:
        """Texts that can name the block in lists, the best first."""
        return (getattr(self, name) for name in self.TITLE_FIELDS)

    def rich_texts(self) -> Iterator[str]:
        yield from super().rich_texts()
        for item in self.items:
            yield from item.rich_texts()

    def change_rich_texts(self, change: Callable[[str], str]) -> dict[str, Any]:
        fields = super().change_rich_texts(change)
        items = [item.model_copy(update=item.change_rich_texts(change)) for item in self.items]
        return {**fields, self.ITEMS_FIELD: items} if items != self.items else fields


class BlockBase(DocumentModel):
    id: str = Field(default_factory=new_block_id, pattern=r"^[a-z][a-z0-9]{2,39}$")
    policy: dict[Language, LanguagePolicy] = {}

    def words_for(self, language: Language, default: Language) -> tuple[Any, Language] | None:
        """The words that readers of `language` see, and the language of these words.

        None if the block is left out: it has no complete words here, and its policy is not to fall back.
        """
        own = self._words.get(language)
        if own is not None and own.is_complete:
            return own, language
        other = self._words.get(default)
        if self.policy.get(language, "fallback") == "fallback" and other is not None and other.is_complete:
            return other, default
        return None

    def is_written(self, language: Language) -> bool:
        """Whether the block needs no more words in `language`."""
        return language in self._words and self._words[language].is_complete

    @property
    def _words(self) -> dict[Language, Any]:
        """The field `words`, which each kind declares with its own type, last in its JSON."""
        words: dict[Language, Any] = getattr(self, "words")  # noqa: B009
        return words
