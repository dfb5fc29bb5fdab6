from __future__ import annotations

from typing import ClassVar, Literal

from newsletter.blocks.base import BlockBase, Language, Picture, WordsBase


class VideoWords(WordsBase):
    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ("summary",)
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("headline", "image_alt")
    LINK_FIELDS: ClassVar[tuple[str, ...]] = ("url", "transcript_url")

    headline: str = ""
    summary: str = ""
    url: str = ""
    duration: str = ""
    """As players show it: 3:45."""
    transcript_url: str = ""
    image_alt: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.headline and self.url)


class Video(BlockBase):
    kind: Literal["video"] = "video"
    picture: Picture | None = None
    words: dict[Language, VideoWords] = {}
