"""Dates, times, counts, durations and names as the pages and mails show them, in the active language.

Template tags and filters in `newsletter.templatetags.warta` only call these functions. Bahasa Indonesia and English
use Django's formats; the other languages of readers use those of CLDR. Digits are Western in every language, so that a
figure reads the same beside an address or a price.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.lists import format_list
from django.conf import settings
from django.utils import formats, timezone
from django.utils.translation import get_language, get_language_info, ngettext
from django.utils.translation import gettext as _

from newsletter.languages import tags
from newsletter.languages.reader_words import INTERFACE_LANGUAGES


def zone_name(moment: datetime, zone: ZoneInfo) -> str:
    """What the zone calls itself at that moment: WIB, WITA, WIT, CET; UTC+07 for a zone without letters."""
    name = moment.astimezone(zone).tzname() or zone.key
    return f"UTC{name}" if name[:1] in "+-" else name


def language_name(tag: str) -> str:
    """The name of a language in the active language; the tag if CLDR has no name for it."""
    spoken = get_language() or settings.LANGUAGE_CODE
    if tag in INTERFACE_LANGUAGES and spoken in INTERFACE_LANGUAGES:
        return str(get_language_info(tag)["name_translated"])
    return tags.display_name(tag, spoken)


def own_language_name(tag: str) -> str:
    """The name of a language in that language, as a link to its version says it."""
    if tag in INTERFACE_LANGUAGES:
        return str(get_language_info(tag)["name_local"])
    return tags.display_name(tag)


def _cldr_locale() -> Locale | None:
    """Babel's data of the active language; None where Django's formats are used."""
    spoken = get_language() or settings.LANGUAGE_CODE
    return None if spoken.partition("-")[0] in INTERFACE_LANGUAGES else tags.cldr_locale(spoken)


def isolate(text: str) -> str:
    """Keep an address or a name from reordering a sentence that is written from right to left (UAX #9, FSI and PDI)."""
    if not text or tags.text_direction(get_language() or "") == "ltr":
        return text
    return f"\u2068{text}\u2069"


def format_day(day: date) -> str:
    """A date with its weekday: "Tuesday, 24 November 2026"."""
    locale = _cldr_locale()
    return dates.format_date(day, "full", locale) if locale else formats.date_format(day, "l, j F Y")


def format_local_date(day: date) -> str:
    """A date as the newsletter's zone has it: "24 November 2026"."""
    locale = _cldr_locale()
    return dates.format_date(day, "long", locale) if locale else formats.date_format(day, "j F Y")


def join_names(names: Sequence[str]) -> str:
    """Names as a sentence has them: "Monday, Wednesday and Friday"."""
    if locale := _cldr_locale():
        return format_list(names, locale=locale)
    if len(names) < 2:
        return "".join(names)
    return _("%(first)s and %(last)s") % {"first": ", ".join(names[:-1]), "last": names[-1]}


def format_time(at: datetime | time, *, seconds: bool = False) -> str:
    """ "07:00", or "07.00" as Bahasa Indonesia writes it; always 24 hours."""
    colon = "." if (get_language() or "").startswith("id") else ":"
    return formats.time_format(at, f"H{colon}i{colon}s" if seconds else f"H{colon}i")


def format_datetime(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    """A date with time and zone: "Tuesday, 24 November 2026, 07:00 WIB"; empty without a moment."""
    if moment is None:
        return ""
    local = timezone.localtime(moment, zone or timezone.get_default_timezone())
    return f"{format_day(local)}, {format_time(local)} {zone_name(moment, zone or timezone.get_default_timezone())}"


def format_date(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    if moment is None:
        return ""
    return format_local_date(timezone.localtime(moment, zone))


def format_time_with_zone(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    if moment is None:
        return ""
    local = timezone.localtime(moment, zone or timezone.get_default_timezone())
    return f"{format_time(local)} {zone_name(moment, zone or timezone.get_default_timezone())}"


def format_number(value: float) -> str:
    """A count with the separators of the active language."""
    locale = _cldr_locale()
    return numbers.format_decimal(value, locale=locale) if locale else str(formats.localize(value))


def count_readers(count: int) -> str:
    return ngettext("%(count)s reader", "%(count)s readers", count) % {"count": format_number(count)}


def format_percent(part: float, whole: float) -> str:
    """One decimal below ten per cent, none above; empty without a whole."""
    if not whole:
        return ""
    share = 100 * part / whole
    return formats.number_format(share, 0 if share >= 10 or share == 0 else 1) + "\u00a0%"


def format_clock(moment: datetime, zone: ZoneInfo) -> str:
    local = timezone.localtime(moment, zone)
    return f"{format_time(local)}\u00a0{zone_name(moment, zone)}"


def relative_day(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """Today, Tomorrow, or the day in full, to begin a sentence with."""
    local = timezone.localtime(moment, zone)
    ahead = (local.date() - timezone.localtime(now, zone).date()).days
    if ahead == 0:
        return _("Today")
    if ahead == 1:
        return _("Tomorrow")
    return formats.date_format(local, "l j F Y" if ahead > 300 else "l j F")


def relative_day_and_clock(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """ "Tomorrow, Tuesday 07:00 WIB", or the day in full."""
    local, words = timezone.localtime(moment, zone), relative_day(moment, zone, now=now)
    is_near = (local.date() - timezone.localtime(now, zone).date()).days in {0, 1}
    named = f"{words}, {formats.date_format(local, 'l')}" if is_near else words
    return f"{named} {format_clock(moment, zone)}"


def time_ago(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """For what was done: "3 min ago" within the hour, "today, 16:51 WIB", "yesterday, …", else with the day."""
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return _("%(span)s ago") % {"span": _minutes(minutes)}
    local, time = timezone.localtime(moment, zone), format_clock(moment, zone)
    days = (timezone.localtime(now, zone).date() - local.date()).days
    if days < 2:
        return (_("today, %(time)s") if days == 0 else _("yesterday, %(time)s")) % {"time": time}
    return f"{formats.date_format(local, 'j F')}, {time}"


def short_datetime(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """For a button: "Thu 08:00 WIB" within a week, "26 Nov 08:00 WIB" after it."""
    local = timezone.localtime(moment, zone)
    soon = local.date() - timezone.localtime(now, zone).date() < timedelta(days=7)
    return f"{formats.date_format(local, 'D' if soon else 'j M')} {format_clock(moment, zone)}"


def format_duration(length: timedelta) -> str:
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


def approximate_duration(length: timedelta) -> str:
    """A rough span for estimates: whole minutes, or "less than a minute"."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return _("less than a minute")
    return _("about %(span)s") % {"span": _minutes(minutes) if minutes < 90 else _hours(round(minutes / 60))}


def _two(first: str, second: str) -> str:
    return f"{first} {second}".strip()


def _days(count: int) -> str:
    return _tight(ngettext("%(count)s day", "%(count)s days", count) % {"count": format_number(count)})


def _hours(count: int) -> str:
    return _tight(_("%(count)s h") % {"count": format_number(count)})


def _minutes(count: int) -> str:
    return _tight(_("%(count)s min") % {"count": format_number(count)})


def _seconds(count: int) -> str:
    return _tight(_("%(count)s s") % {"count": format_number(count)})


def _tight(text: str) -> str:
    """A figure stays on the line of its unit."""
    return text.replace(" ", "\u00a0")
