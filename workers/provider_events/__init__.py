"""What providers report after the mail has left: deliveries, bounces and complaints, and what follows from them.

Events come late, twice and in any order, and anybody can post a forged one. So an event counts only with our own sealed
token, each is stored once, a status is only ever raised, and too many at once wait for a person (T-40 to T-45).
"""

from workers.provider_events.consequences import apply_released
from workers.provider_events.parsing import (
    BLOCKED,
    BOUNCED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    METADATA_KEY,
    SOFT_BOUNCED,
    UNSUBSCRIBED,
    EventReport,
    event_kind,
    parse_event,
)
from workers.provider_events.quarantine import HeldEvents, count_held, dismiss, held_events, release
from workers.provider_events.recording import receive, record

__all__ = [
    "BLOCKED",
    "BOUNCED",
    "COMPLAINED",
    "DEFERRED",
    "DELIVERED",
    "HeldEvents",
    "UNSUBSCRIBED",
    "METADATA_KEY",
    "EventReport",
    "SOFT_BOUNCED",
    "release",
    "apply_released",
    "count_held",
    "held_events",
    "event_kind",
    "dismiss",
    "parse_event",
    "receive",
    "record",
]
