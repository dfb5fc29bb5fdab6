"""When an issue may go out: its usual slot, and moments as the clocks of its newsletter show them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import formatting
from newsletter.drafts import schedule
from newsletter.models import Issue, IssueStatus, Newsletter

DEFAULT_TIME = time(8, 0)
"""Proposed where no issue went out yet."""
MAX_ISSUES_READ = 20
"""Issues among which the last two that were no corrections are found."""
EVENING, MORNING = 21, 5
"""Between these hours nothing is proposed by itself, unless the newsletter's rhythm says so."""


@dataclass(frozen=True)
class Slot:
    moment: datetime
    is_usual: bool
    """There is a rhythm; else it is the next morning."""


def propose_slot(issue: Issue, *, now: datetime) -> Slot:
    """The moment to propose: what the draft was prepared for, the next slot of the rhythm, or as the last issues."""
    newsletter, taken = issue.newsletter, _taken_slots(issue)
    if issue.prepared_for and issue.prepared_for > now and issue.prepared_for not in taken:
        return Slot(timezone.localtime(issue.prepared_for, newsletter.zone), is_usual=True)
    rhythm = _read_schedule(newsletter)
    if rhythm is None:
        return _repeat_last_interval(newsletter, now=now)
    moment = rhythm.next_slot(now, zone=newsletter.zone)
    while moment in taken:
        moment = rhythm.next_slot(moment, zone=newsletter.zone)
    return Slot(moment, is_usual=True)


def _taken_slots(issue: Issue) -> set[datetime]:
    """When other issues of the newsletter leave; a correction by mail stands in no issue's place."""
    others = Issue.objects.filter(newsletter=issue.newsletter, status=IssueStatus.SCHEDULED).exclude(pk=issue.pk)
    return {one.scheduled_at for one in others if one.scheduled_at and not one.is_correction_note}


def _read_schedule(newsletter: Newsletter) -> schedule.Cadence | None:
    try:
        return schedule.parse_cadence(newsletter.cadence)
    except ValueError:
        return None  # the settings page says so


def _repeat_last_interval(newsletter: Newsletter, *, now: datetime) -> Slot:
    """The last issue's hour, as many days later as it came after the one before; a week, where it was the first."""
    zone = newsletter.zone
    sent = newsletter.issues.filter(status=IssueStatus.SENT, scheduled_at__isnull=False).order_by("-scheduled_at")
    regular = [one for one in sent[:MAX_ISSUES_READ] if not one.is_correction_note][:2]
    past = [timezone.localtime(one.scheduled_at, zone) for one in regular if one.scheduled_at]
    if not past:
        tomorrow = timezone.localtime(now, zone).date() + timedelta(days=1)
        return Slot(datetime.combine(tomorrow, DEFAULT_TIME, tzinfo=zone), is_usual=False)
    every = min(31, max(1, (past[0].date() - past[1].date()).days)) if len(past) == 2 else 7
    moment = past[0].replace(second=0, microsecond=0)
    if is_night(moment, zone):
        moment = moment.replace(hour=DEFAULT_TIME.hour, minute=DEFAULT_TIME.minute)
    while moment <= now:
        moment = datetime.combine(moment.date() + timedelta(days=every), moment.time(), tzinfo=zone)
    return Slot(moment, is_usual=True)


def is_night(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether most readers sleep at `moment`, by the newsletter's clocks."""
    return not MORNING <= timezone.localtime(moment, zone).hour < EVENING


def local_moment(on: date, at: time, newsletter: Newsletter) -> datetime | None:
    """The moment that clocks in the newsletter's zone show `on` and `at`; None where they skip it."""
    moment = datetime.combine(on, at, tzinfo=newsletter.zone)
    there_and_back = moment.astimezone(timezone.get_fixed_timezone(0)).astimezone(newsletter.zone)
    return moment if there_and_back.replace(tzinfo=None) == moment.replace(tzinfo=None) else None


def is_ambiguous(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks in `zone` show this time once more an hour later, in the night they go back."""
    local = timezone.localtime(moment, zone)
    again = local.replace(fold=1)
    return local.fold == 0 and again.utcoffset() != local.utcoffset() and again.astimezone(UTC) > local.astimezone(UTC)


def describe_ambiguous(moment: datetime, zone: ZoneInfo) -> str:
    """The sentence for such a moment, else empty."""
    if not is_ambiguous(moment, zone):
        return ""
    words = {
        "time": formatting.format_time_with_zone(moment, zone),
        "utc": formatting.format_time_with_zone(moment, ZoneInfo("UTC")),
    }
    return (
        _("The clocks show this time twice that night. It is the first of the two: %(time)s, which is %(utc)s.") % words
    )
