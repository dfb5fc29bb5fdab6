from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from newsletter.blocks.event.document import CalendarEvent, CalendarEventWords
from newsletter.blocks.findings import BlockChecks, Defect


def describe_unfinished(words: CalendarEventWords) -> str:
    return _("This block has no headline.")


def find_invalid_time(block: CalendarEvent, at: datetime, zone: ZoneInfo) -> Defect | None:
    """No time, an end before the start, or an event that is over when the issue is sent at `at`."""
    if not any(words.is_complete for words in block.words.values()):
        return None
    starts_at, ends_at = parse_local_time(block.starts_at, zone), parse_local_time(block.ends_at, zone)
    if starts_at is None:
        return Defect(_("This event has no date and time."), block.id, "blocks")
    if ends_at is not None and ends_at <= starts_at:
        return Defect(_("This event ends before it begins."), block.id, "blocks")
    if (ends_at or starts_at) < at:
        return Defect(_("This event is over by the time the issue goes out."), block.id)
    return None


def parse_local_time(text: str, zone: ZoneInfo) -> datetime | None:
    """A local time as a datetime; None for "" and for a day that does not exist."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone) if text else None
    except ValueError:
        return None


CHECKS = BlockChecks(describe_unfinished=describe_unfinished, find_invalid_time=find_invalid_time)
