"""All kinds of blocks, in the order in which the composer offers them. No Django."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from newsletter.blocks import (
    brief,
    button,
    divider,
    event,
    faq,
    figures,
    image,
    lead,
    notice,
    quote,
    story,
    text,
    video,
)
from newsletter.blocks.article import StoryWords
from newsletter.blocks.base import BlockBase
from newsletter.blocks.kind import BlockKind

KINDS: dict[str, BlockKind] = {
    folder.KIND.name: folder.KIND
    for folder in (lead, story, brief, text, image, video, notice, faq, figures, quote, event, button, divider)
}
"""By stored kind."""

Block = Annotated[
    lead.Lead
    | story.Story
    | brief.Brief
    | text.Text
    | image.Image
    | video.Video
    | notice.Callout
    | faq.Faq
    | figures.Figures
    | quote.Quote
    | event.CalendarEvent
    | button.Button
    | divider.Divider,
    Field(discriminator="kind"),
]
Words = (
    StoryWords
    | text.TextWords
    | image.ImageWords
    | video.VideoWords
    | faq.FaqWords
    | figures.FiguresWords
    | event.CalendarEventWords
    | button.ButtonWords
    | quote.QuoteWords
    | divider.DividerWords
)


def kind_of(block: BlockBase) -> BlockKind:
    """The facts about the block's kind."""
    return KINDS[getattr(block, "kind")]  # noqa: B009
