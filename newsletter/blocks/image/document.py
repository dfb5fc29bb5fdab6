from __future__ import annotations

from typing import Any, ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, Picture, WordsBase


class ImageWords(WordsBase):
    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ("facts",)
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("caption", "image_alt")
    LINK_FIELDS: ClassVar[tuple[str, ...]] = ("url",)

    image_alt: str = ""
    caption: str = ""
    facts: str = ""
    """A little HTML: what an infographic says, for readers who do not see it."""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.image_alt)


class Image(BlockBase):
    kind: Literal["image"] = "image"
    picture: Picture | None = None
    is_decorative: bool = False
    """The picture needs no words: it has no alt text, and cannot be a link."""
    words: dict[Language, ImageWords] = {}

    def words_for(self, language: Language, default: Language) -> tuple[Any, Language] | None:
        """Nothing without a picture; a decorative picture is shown without words."""
        if self.picture is None:
            return None
        if self.is_decorative:
            return self.words.get(language) or ImageWords(), language
        return super().words_for(language, default)

    def is_written(self, language: Language) -> bool:
        return bool(self.is_decorative and self.picture) or super().is_written(language)
