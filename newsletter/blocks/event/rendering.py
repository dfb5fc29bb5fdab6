from __future__ import annotations

from newsletter.blocks.event.document import CalendarEvent, CalendarEventWords
from newsletter.blocks.kind import CalendarEntry
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: CalendarEvent, words: CalendarEventWords, context: ViewContext) -> BlockView:
    return view.with_fields(
        headline=richtext.clean_line(words.headline),
        url=words.url,
        body=richtext.parse(words.summary),
        place=richtext.clean_line(words.place),
        moment=context.format_event_time(block, view.language),
    )


def calendar_entry(block: CalendarEvent, words: CalendarEventWords) -> CalendarEntry:
    return CalendarEntry(block.starts_at, block.ends_at, words.headline, words.summary, words.place, words.url)
