"""Why an issue that is due may not begin by itself: hours late, or due only because a clock jumped. Reads only.

A machine that was down for a day must not mail a newsletter's readers at three in the morning when it comes back, and a
clock that was set wrong must not send next week's issue. A person decides then, on the progress page.
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
"""A clock that gained less against the seconds that passed was only set right."""


@dataclass
class ClockWatch:
    """The wall clock beside a steady one, as one process saw both last."""

    seen: tuple[datetime, float] | None = None

    def jumped_from(self, *, now: datetime, tick: float) -> datetime | None:
        """What the wall clock should show at `now`, if it jumped ahead since it was asked last; else None.

        `tick` is in seconds that pass whatever the wall clock is set to, the machine's sleep included.
        """
        then, at_tick = self.seen or (now, tick)
        self.seen = (now, tick)
        expected = then + timedelta(seconds=tick - at_tick)
        return expected if now - expected > MIN_CLOCK_JUMP else None


def reason_to_hold(issue: Issue, *, now: datetime, jumped_from: datetime | None = None) -> str:
    """The reason in the newsletter's language, with the question to answer; "" if the issue may begin."""
    due, zone = issue.scheduled_at, issue.newsletter.zone
    if due is None:
        return ""
    with translation.override(issue.newsletter.default_language):
        if jumped_from is not None and jumped_from < due <= now:
            return _(
                "The clock of this machine jumped from %(before)s to %(now)s, past the time this issue was due. "
                "Send it now, at another time, or take it back?"
            ) % {"before": formatting.format_datetime(jumped_from, zone), "now": formatting.format_datetime(now, zone)}
        if now - due > timedelta(hours=settings.MOST_LATE_H):
            return _(
                "It was due on %(due)s, but the service was down until %(now)s. "
                "Send it now, at another time, or take it back?"
            ) % {"due": formatting.format_datetime(due, zone), "now": formatting.format_datetime(now, zone)}
    return ""
