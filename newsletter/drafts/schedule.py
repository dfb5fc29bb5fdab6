"""The publishing schedule of a newsletter: days and time of its issues, and when a draft is prepared. No database.

All times are local times of the newsletter's time zone. If clocks skip that time, the slot is later by the length of
the gap. If the time occurs twice, the slot is the first of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

MAX_DAYS_BEFORE = 6
"""A draft is prepared at most this many days before its slot."""


@dataclass(frozen=True)
class Cadence:
    days: tuple[int, ...]
    """Days of the week, sorted and at least one. Monday is 0."""
    at: time
    """The time at which an issue is sent."""
    days_before: int
    """How many days before the slot the draft is prepared. 0 is the same day."""
    prepared_at: time

    def __post_init__(self) -> None:
        if not self.days or list(self.days) != sorted(set(self.days)) or not set(self.days) <= set(range(7)):
            raise ValueError(f"Days of a cadence are some of 0 to 6 in order, not {self.days!r}")
        if not 0 <= self.days_before <= MAX_DAYS_BEFORE:
            raise ValueError(f"A draft is prepared 0 to {MAX_DAYS_BEFORE} days before, not {self.days_before!r}")
        if self.days_before == 0 and self.prepared_at >= self.at:
            raise ValueError(f"A draft is prepared before its slot at {self.at:%H:%M}, not at {self.prepared_at:%H:%M}")

    def next_slot(self, after: datetime, *, zone: tzinfo) -> datetime:
        """The first slot after `after`, in `zone`."""
        day = after.astimezone(zone).date() - timedelta(days=1)
        while True:
            slot = _local_datetime(day, self.at, zone)
            if day.weekday() in self.days and _is_later(slot, after):
                return slot
            day += timedelta(days=1)

    def preparation(self, slot: datetime) -> datetime:
        """When the draft for `slot` is prepared. `slot` must be a slot of this schedule."""
        zone = slot.tzinfo
        assert zone is not None, "slots know their zone"  # noqa: S101
        made = _local_datetime(slot.date() - timedelta(days=self.days_before), self.prepared_at, zone)
        return slot if _is_later(made, slot) else made  # clocks skipped the time between the two

    def to_json(self) -> dict[str, Any]:
        return {
            "days": list(self.days),
            "at": f"{self.at:%H:%M}",
            "days_before": self.days_before,
            "prepared_at": f"{self.prepared_at:%H:%M}",
        }


DEFAULT_CADENCE = Cadence(days=(1,), at=time(8), days_before=1, prepared_at=time(9))
"""The schedule of a new newsletter: every Tuesday morning, prepared on Monday."""


def parse_cadence(stored: Mapping[str, Any]) -> Cadence | None:
    """Parse `Newsletter.cadence`. Returns None if it is empty. Raises ValueError if it is invalid."""
    if not stored:
        return None
    try:
        return Cadence(
            days=tuple(int(day) for day in stored["days"]),
            at=time.fromisoformat(stored["at"]),
            days_before=int(stored["days_before"]),
            prepared_at=time.fromisoformat(stored["prepared_at"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"Invalid cadence: {stored!r}") from error


def next_slot(stored: Mapping[str, Any], *, after: datetime, zone: tzinfo) -> datetime | None:
    """The first slot after `after` by `Newsletter.cadence`, or None if the newsletter has no schedule."""
    cadence = parse_cadence(stored)
    return cadence.next_slot(after, zone=zone) if cadence else None


def _local_datetime(day: date, at: time, zone: tzinfo) -> datetime:
    """Local date and time in `zone`. The conversion through UTC turns a time that clocks skip into one that exists."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC).astimezone(zone)


def _is_later(first: datetime, second: datetime) -> bool:
    """Compare in UTC. Python compares datetimes of one time zone by their local time, which is wrong when clocks go
    back.
    """
    return first.astimezone(UTC) > second.astimezone(UTC)
