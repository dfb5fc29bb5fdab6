"""What providers report after the mail has left: deliveries, bounces and complaints, and what follows from them.

Events come late, twice and in any order, and anybody can post a forged one. So an event counts only with our own sealed
token, each is stored once, a status is only ever raised, and too many at once wait for a person (T-40 to T-45).
"""

from workers.provider_events.consequences import go_on
from workers.provider_events.parsing import (
    BLOCKED,
    BOUNCED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    LEFT,
    METADATA,
    SOFT_BOUNCED,
    Report,
    kind_of,
    read,
)
from workers.provider_events.quarantine import HeldBack, apply, held_back, held_of, leave_out
from workers.provider_events.recording import receive, record

__all__ = [
    "BLOCKED",
    "BOUNCED",
    "COMPLAINED",
    "DEFERRED",
    "DELIVERED",
    "HeldBack",
    "LEFT",
    "METADATA",
    "Report",
    "SOFT_BOUNCED",
    "apply",
    "go_on",
    "held_back",
    "held_of",
    "kind_of",
    "leave_out",
    "read",
    "receive",
    "record",
]
