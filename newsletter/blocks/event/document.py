from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from newsletter.blocks.base import BlockBase, Language, WordsBase

LOCAL_TIME_PATTERN = r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})?$"


class CalendarEventWords(WordsBase):
    RICH_TEXT_FIELDS: ClassVar[tuple[str, ...]] = ("summary",)
    TITLE_FIELDS: ClassVar[tuple[str, ...]] = ("headline",)
    LINK_FIELDS: ClassVar[tuple[str, ...]] = ("url",)

    headline: str = ""
    summary: str = ""
    place: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.headline)


class CalendarEvent(BlockBase):
    kind: Literal["event"] = "event"
    starts_at: str = Field(default="", pattern=LOCAL_TIME_PATTERN)
    """A local time of the newsletter's zone: 2026-12-01T09:00."""
    ends_at: str = Field(default="", pattern=LOCAL_TIME_PATTERN)
    words: dict[Language, CalendarEventWords] = {}
