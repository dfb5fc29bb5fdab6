"""Events of providers (deliveries, bounces, complaints) and their consequences.

Events arrive late, twice and in any order, and anybody can post a forged one. So an event counts only with a token that
Warta made, is stored once, and never lowers a status. Too many at once wait for an administrator (T-40 to T-45).
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
