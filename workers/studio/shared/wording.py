"""Times, spans and counts as these pages say them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter.templatetags.warta import time_of_day, zone_name


def number(value: float) -> str:
    """A count with the page language's separators."""
    return str(formats.localize(value))


def readers(count: int) -> str:
    return ngettext("%(count)s reader", "%(count)s readers", count) % {"count": number(count)}


def percent(part: float, whole: float) -> str:
    """One decimal below ten per cent, none above; empty without a whole."""
    if not whole:
        return ""
    share = 100 * part / whole
    return formats.number_format(share, 0 if share >= 10 or share == 0 else 1) + "\u00a0%"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    local = timezone.localtime(moment, zone)
    return f"{time_of_day(local)}\u00a0{zone_name(moment, zone)}"


def day(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """Today, Tomorrow, or the day in full, to begin a sentence with."""
    local = timezone.localtime(moment, zone)
    ahead = (local.date() - timezone.localtime(now, zone).date()).days
    if ahead == 0:
        return _("Today")
    if ahead == 1:
        return _("Tomorrow")
    return formats.date_format(local, "l j F Y" if ahead > 300 else "l j F")


def day_and_clock(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """ "Tomorrow, Tuesday 07:00 WIB", or the day in full."""
    local, words = timezone.localtime(moment, zone), day(moment, zone, now=now)
    is_near = (local.date() - timezone.localtime(now, zone).date()).days in {0, 1}
    named = f"{words}, {formats.date_format(local, 'l')}" if is_near else words
    return f"{named} {clock(moment, zone)}"


def past(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """For what was done: "3 min ago" within the hour, "today, 16:51 WIB", "yesterday, …", else with the day."""
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return _("%(span)s ago") % {"span": _minutes(minutes)}
    local, time = timezone.localtime(moment, zone), clock(moment, zone)
    days = (timezone.localtime(now, zone).date() - local.date()).days
    if days < 2:
        return (_("today, %(time)s") if days == 0 else _("yesterday, %(time)s")) % {"time": time}
    return f"{formats.date_format(local, 'j F')}, {time}"


def short_moment(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """For a button: "Thu 08:00 WIB" within a week, "26 Nov 08:00 WIB" after it."""
    local = timezone.localtime(moment, zone)
    soon = local.date() - timezone.localtime(now, zone).date() < timedelta(days=7)
    return f"{formats.date_format(local, 'D' if soon else 'j M')} {clock(moment, zone)}"


def span(length: timedelta) -> str:
    """The two largest units: "13 h 55 min", "3 days 2 h", "45 s"."""
    seconds = max(0, round(length.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        return _two(_days(days), _hours(hours) if hours else "")
    if hours:
        return _two(_hours(hours), _minutes(minutes) if minutes else "")
    if minutes >= 5 or (minutes and not seconds % 60):
        return _minutes(minutes)
    return _two(_minutes(minutes), _seconds(seconds % 60)) if minutes else _seconds(seconds)


def about(length: timedelta) -> str:
    """A rough span for estimates: whole minutes, or "less than a minute"."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return _("less than a minute")
    return _("about %(span)s") % {"span": _minutes(minutes) if minutes < 90 else _hours(round(minutes / 60))}


def _two(first: str, second: str) -> str:
    return f"{first} {second}".strip()


def _days(count: int) -> str:
    return _tight(ngettext("%(count)s day", "%(count)s days", count) % {"count": number(count)})


def _hours(count: int) -> str:
    return _tight(_("%(count)s h") % {"count": number(count)})


def _minutes(count: int) -> str:
    return _tight(_("%(count)s min") % {"count": number(count)})


def _seconds(count: int) -> str:
    return _tight(_("%(count)s s") % {"count": number(count)})


def _tight(text: str) -> str:
    """A figure stays on the line of its unit."""
    return text.replace(" ", "\u00a0")
