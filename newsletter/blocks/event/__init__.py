"""An event with its date and place. Readers can add it to their calendar."""

from newsletter.blocks.event.document import CalendarEvent, CalendarEventWords
from newsletter.blocks.event.rendering import build_view, calendar_entry
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "CalendarEvent", "CalendarEventWords"]

KIND = BlockKind(model=CalendarEvent, build_view=build_view, calendar_entry=calendar_entry)
