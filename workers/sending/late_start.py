"""Reasons to hold an issue that is due: it is hours late, or a clock jump made it due. Reads only.

A server that was down for a day must not send a newsletter at three in the morning when it returns, and a clock that was
set wrong must not send next week's issue. In both cases a person decides on the progress page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import formatting
from newsletter.models import Issue

MIN_CLOCK_JUMP = timedelta(minutes=5)
"""A smaller jump is a normal correction of the clock."""


@dataclass
class ClockWatch:
    """Compares the wall clock with a steady clock, within one process."""

    last_reading: tuple[datetime, float] | None = None

    def jumped_from(self, *, now: datetime, tick: float) -> datetime | None:
        """Return the time that the wall clock should show at `now` if it jumped ahead since the last call; else None.

        `tick` is boottime in seconds: setting the wall clock does not change it, and time in suspend counts.
        """
        last_time, last_tick = self.last_reading or (now, tick)
        self.last_reading = (now, tick)
        expected = last_time + timedelta(seconds=tick - last_tick)
        return expected if now - expected > MIN_CLOCK_JUMP else None


def reason_to_hold(issue: Issue, *, now: datetime, jumped_from: datetime | None = None) -> str:
    """Return the reason in the newsletter's language, with the question to answer; "" if the issue may begin."""
    due, zone = issue.scheduled_at, issue.newsletter.zone
    if due is None:
        return ""
    with translation.override(issue.newsletter.default_language):
        if jumped_from is not None and jumped_from < due <= now:
            return _(
                "The server clock jumped from %(before)s to %(now)s, past the time this issue was due. "
                "Send it now, at another time, or take it back?"
            ) % {"before": formatting.format_datetime(jumped_from, zone), "now": formatting.format_datetime(now, zone)}
        if now - due > timedelta(hours=settings.MOST_LATE_H):
            return _(
                "It was due on %(due)s, but the service was down until %(now)s. "
                "Send it now, at another time, or take it back?"
            ) % {"due": formatting.format_datetime(due, zone), "now": formatting.format_datetime(now, zone)}
    return ""
