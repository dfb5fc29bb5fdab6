"""What mail, plain text and archive show of one block: cleaned texts, ready for templates. No Django."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from newsletter.blocks.base import BlockBase, Language, Picture
from newsletter.rendering import mjml, richtext
from newsletter.rendering.links import LinkBook


@dataclass(frozen=True)
class EventTime:
    """When an event is, in the mail's language."""

    day: str = ""
    """The date; for an event of several days, the first and the last."""
    hours: str = ""
    """With the zone: 08:00 to 12:00 WITA. Empty if `day` contains the hours."""
    calendar_url: str = ""


FormatEventTime = Callable[[Any, Language], EventTime]
"""(block with `starts_at` and `ends_at`, language of its words) -> when it is."""


def no_event_time(block: BlockBase, language: Language) -> EventTime:
    return EventTime()


@dataclass(frozen=True)
class FaqAnswer:
    """A question with its answer."""

    question: str
    body: richtext.RichText


@dataclass(frozen=True)
class ViewContext:
    """What building a view may use besides the block."""

    book: LinkBook
    """Links get their numbers in the order in which they are entered."""
    format_event_time: FormatEventTime = no_event_time


@dataclass(frozen=True)
class BlockView:
    """One block for readers of one language. Fields that the kind does not have are empty."""

    kind: str
    block: str
    language: str
    is_foreign: bool = False
    """In another language than the rest of the issue."""
    level: int = 0
    """Of the heading; 0 without one."""
    has_line: bool = False
    """A line is drawn above the block."""
    headline: str = ""
    url: str = ""
    href: str = ""
    body: richtext.RichText = ()
    link_text: str = ""
    update: str = ""
    tone: str = ""
    source: str = ""
    picture: Picture | None = None
    picture_alt: str = ""
    duration: str = ""
    transcript_href: str = ""
    answers: tuple[FaqAnswer, ...] = ()
    place: str = ""
    moment: EventTime = EventTime()
    details: Any = None
    """What only this kind shows, in a class of the kind."""
    is_large: bool = False
    """The heading is in the largest size."""

    @property
    def direction(self) -> str:
        return mjml.text_direction(self.language)

    def with_fields(self, **fields: Any) -> BlockView:
        return replace(self, **fields)
