"""The rhythm of a newsletter: on which days an issue usually leaves, and when its draft is prepared. Pure.

All times are those on the wall in the newsletter's zone. In a night when clocks skip that time, the slot is as much
later as they skip; when it comes twice, the slot is the first of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

MAX_DAYS_BEFORE = 6
"""A draft is prepared within a week of its slot."""


@dataclass(frozen=True)
class Cadence:
    days: tuple[int, ...]
    """Days of the week, Monday is 0; at least one, in order."""
    at: time
    """When an issue leaves."""
    days_before: int
    """How many days earlier its draft is prepared; 0 is the same day."""
    prepared_at: time

    def __post_init__(self) -> None:
        if not self.days or list(self.days) != sorted(set(self.days)) or not set(self.days) <= set(range(7)):
            raise ValueError(f"Days of a cadence are some of 0 to 6 in order, not {self.days!r}")
        if not 0 <= self.days_before <= MAX_DAYS_BEFORE:
            raise ValueError(f"A draft is prepared 0 to {MAX_DAYS_BEFORE} days before, not {self.days_before!r}")
        if self.days_before == 0 and self.prepared_at >= self.at:
            raise ValueError(f"A draft is prepared before its slot at {self.at:%H:%M}, not at {self.prepared_at:%H:%M}")

    def next_slot(self, after: datetime, *, zone: tzinfo) -> datetime:
        """The first slot later than `after`, in `zone`."""
        day = after.astimezone(zone).date() - timedelta(days=1)
        while True:
            slot = _on_the_wall(day, self.at, zone)
            if day.weekday() in self.days and _is_later(slot, after):
                return slot
            day += timedelta(days=1)

    def preparation(self, slot: datetime) -> datetime:
        """When the draft for `slot`, one of ours, is prepared."""
        zone = slot.tzinfo
        assert zone is not None, "slots know their zone"  # noqa: S101
        made = _on_the_wall(slot.date() - timedelta(days=self.days_before), self.prepared_at, zone)
        return slot if _is_later(made, slot) else made  # clocks skipped the time between the two

    def to_json(self) -> dict[str, Any]:
        return {
            "days": list(self.days),
            "at": f"{self.at:%H:%M}",
            "days_before": self.days_before,
            "prepared_at": f"{self.prepared_at:%H:%M}",
        }


DEFAULT_CADENCE = Cadence(days=(1,), at=time(8), days_before=1, prepared_at=time(9))
"""What a new newsletter begins with: every Tuesday morning, prepared on Monday."""


def parse_cadence(stored: Mapping[str, Any]) -> Cadence | None:
    """What `Newsletter.cadence` holds; None where there is no rhythm. Raises ValueError for what is none."""
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
        raise ValueError(f"This is no cadence: {stored!r}") from error


def next_slot(stored: Mapping[str, Any], *, after: datetime, zone: tzinfo) -> datetime | None:
    """The first slot later than `after` of what `Newsletter.cadence` holds; None where there is no rhythm."""
    rhythm = parse_cadence(stored)
    return rhythm.next_slot(after, zone=zone) if rhythm else None


def _on_the_wall(day: date, at: time, zone: tzinfo) -> datetime:
    """That day and time in `zone`; by way of UTC, so that a time which clocks skip becomes one that they show."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC).astimezone(zone)


def _is_later(one: datetime, other: datetime) -> bool:
    """Compared in UTC: within one zone Python compares clock faces, which is wrong in the night clocks go back."""
    return one.astimezone(UTC) > other.astimezone(UTC)
