"""What the review page decides on: who gets the issue, when, how long it takes, and what stands in the way.

Reads only. The count in the sentence, on the button and in the plan is `Readers.count`: one figure from one query.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import formatting, issues
from newsletter.checks import Check, filter_for_editors
from newsletter.models import Issue, IssueStatus, Tracking
from newsletter.studio.composer.checks_panel import FIELD_BY_CHECK
from subscribers import audience
from workers import routes
from workers.models import Route
from workers.sending import preflight
from workers.studio.review import timing
from workers.studio.shared import audience_text

UNUSUAL_FACTOR = 2
"""More than twice or less than half of the last issue's readers: the number must be typed."""
LARGE_AUDIENCE = 5_000
"""So many readers are never reached by one person's single click: the number is typed, or a second person approves."""


# --- who -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LanguageShare:
    language: str
    name: str
    count: int


@dataclass(frozen=True)
class AudienceEquation:
    """The audience equation: confirmed − paused − bounced − complained − stopped by us = count."""

    shares: tuple[LanguageShare, ...]
    paused: int
    bounced: int
    complained: int
    suppressed: int
    """Stopped by an editor."""
    left: int = 0
    """Of those who got, or clicked in, an earlier issue: who has left since."""
    found: str = ""
    """What all of them have in common; "" for confirmed readers."""

    @property
    def count(self) -> int:
        return sum(share.count for share in self.shares)

    @property
    def left_out(self) -> int:
        return self.left + self.paused + self.bounced + self.complained + self.suppressed

    @property
    def stopped(self) -> int:
        """Whom we may not write to."""
        return self.bounced + self.complained + self.suppressed

    @property
    def confirmed(self) -> int:
        return self.count + self.left_out

    def terms(self) -> list[tuple[int, str]]:
        """What is taken from the confirmed readers, where anything is."""
        terms = [
            (self.left, _("have left since")),
            (self.paused, _("pause their mail")),
            (self.bounced, _("bounced before")),
            (self.complained, _("complained before")),
            (self.suppressed, _("stopped by an editor")),
        ]
        return [(count, words) for count, words in terms if count]

    @property
    def reasons(self) -> str:
        """ "212 paused, 31 bounced, 9 complained": why some get nothing."""
        words = {
            _("%(count)s left since"): self.left,
            _("%(count)s paused"): self.paused,
            _("%(count)s bounced"): self.bounced,
            _("%(count)s complained"): self.complained,
            _("%(count)s stopped by an editor"): self.suppressed,
        }
        return ", ".join(
            phrase % {"count": formatting.format_number(count)} for phrase, count in words.items() if count
        )


def audience_equation(issue: Issue) -> AudienceEquation:
    """Who would get `issue` now, by the language of the edition they get."""
    newsletter = issue.newsletter
    found = dict.fromkeys(newsletter.languages or [newsletter.default_language], 0)
    try:
        for language, count in audience.count_by_language(audience.for_issue(issue)).items():
            found[newsletter.best_language(language)] += count
        excluded = audience.count_excluded(newsletter, issue.audience)
    except audience.UnknownFilter:
        excluded = {}  # the preflight names it, and nothing is sent
    found_by = audience_text.describe_source(issue)
    return AudienceEquation(
        shares=tuple(LanguageShare(code, formatting.language_name(code), count) for code, count in found.items()),
        paused=excluded.get("paused", 0),
        bounced=excluded.get("bounced", 0),
        complained=excluded.get("complained", 0),
        suppressed=excluded.get("suppressed", 0),
        left=excluded.get("left", 0) + excluded.get("pending", 0) if found_by else 0,
        found=found_by,
    )


# --- how many --------------------------------------------------------------------------------------------------------


def is_unusual(count: int, last: Issue | None) -> bool:
    if last is None or not last.audience_count:
        return False
    return count > UNUSUAL_FACTOR * last.audience_count or UNUSUAL_FACTOR * count < last.audience_count


# --- the whole page --------------------------------------------------------------------------------------------------


def check_key(check: Check) -> str:
    """What a tick names: the same check of the same block, language and link, on the next request too."""
    about = [hashlib.sha256(check.about.encode()).hexdigest()[:8]] if check.about else []
    return ".".join((check.id, check.block or "", check.language or "", *about))


@dataclass(frozen=True)
class UnmetCheck:
    """A check that is not met, as the page shows it."""

    key: str
    message: str
    language: str
    """Its name, where the issue has several."""
    href: str
    """Where in the composer it is answered; "" if nowhere."""
    is_ticked: bool = False


@dataclass
class Decision:
    """Everything the review page says about `issue` at `now`."""

    issue: Issue
    now: datetime
    when: str = "slot"
    """slot, now or at."""
    at: datetime | None = None
    """The moment chosen by hand."""
    ticked: frozenset[str] = frozenset()
    on_text: str = ""
    at_text: str = ""
    """Date and time as typed, which stay in their fields even where they make no moment."""
    is_skipped: bool = False
    """Date and time were chosen, and the newsletter's clocks never show them."""

    @cached_property
    def readers(self) -> AudienceEquation:
        return audience_equation(self.issue)

    @property
    def audience(self) -> str:
        return audience_text.describe(self.issue)

    @cached_property
    def checks(self) -> list[Check]:
        return filter_for_editors(preflight.run_checks(self.issue, now=self.now), self.issue)

    @property
    def blocking(self) -> list[Check]:
        return [check for check in self.checks if not check.ok and check.severity == "blocks"]

    @property
    def warnings(self) -> list[tuple[str, Check]]:
        return [(check_key(check), check) for check in self.checks if not check.ok and check.severity == "warns"]

    @property
    def left(self) -> int:
        return len(self.blocking) + len(self.warnings)

    @property
    def stops(self) -> list[UnmetCheck]:
        return [self._left(check_key(check), check) for check in self.blocking]

    @property
    def ticks(self) -> list[UnmetCheck]:
        return [self._left(key, check) for key, check in self.warnings]

    def _left(self, key: str, check: Check) -> UnmetCheck:
        compose, anchor = (
            reverse("issue-compose", args=[self.issue.pk]),
            check.block or FIELD_BY_CHECK.get(check.id, ""),
        )
        place = f"{compose}?language={check.language}" if check.language else compose
        several = check.language and len(self.issue.newsletter.languages) > 1
        return UnmetCheck(
            key,
            check.message,
            formatting.language_name(check.language) if several and check.language else "",
            f"{place}#{anchor}" if anchor else "",
            key in self.ticked,
        )

    @property
    def suggestions(self) -> list[Check]:
        """Tips; how far the slow checks are is said elsewhere."""
        return [
            check for check in self.checks if not check.ok and check.severity == "suggests" and not check.is_pending
        ]

    @property
    def passed(self) -> int:
        return len({check.id for check in self.checks} - {check.id for check in self.checks if not check.ok})

    @property
    def unticked(self) -> list[tuple[str, Check]]:
        return [(key, check) for key, check in self.warnings if key not in self.ticked]

    @cached_property
    def last(self) -> Issue | None:
        return issues.last_sent(self.issue)

    @property
    def must_type_count(self) -> bool:
        return self.is_unusual or (self.readers.count >= LARGE_AUDIENCE and not self.issue.newsletter.four_eyes)

    @property
    def is_unusual(self) -> bool:
        return is_unusual(self.readers.count, self.last)

    # when

    @cached_property
    def slot(self) -> timing.Slot:
        return timing.propose_slot(self.issue, now=self.now)

    @property
    def is_night(self) -> bool:
        return timing.is_night(self.now, self.issue.newsletter.zone)

    @property
    def clock(self) -> str:
        return formatting.format_clock(self.now, self.issue.newsletter.zone)

    @property
    def hold(self) -> timedelta:
        return timedelta(seconds=self.issue.newsletter.hold_s)

    @property
    def chosen_time(self) -> datetime:
        """What the date and time fields hold: what was chosen, else the slot."""
        return timezone.localtime(self.at or self.slot.moment, self.issue.newsletter.zone)

    @property
    def fields(self) -> dict[str, str]:
        """Values of the date and time fields, in the form those fields want."""
        return {
            "on": self.on_text or self.chosen_time.strftime("%Y-%m-%d"),
            "at": self.at_text or self.chosen_time.strftime("%H:%M"),
            "first": timezone.localtime(self.now, self.issue.newsletter.zone).strftime("%Y-%m-%d"),
        }

    @property
    def ambiguous_time_note(self) -> str:
        """That the chosen time comes twice that night, and which of the two it is; empty on every other day."""
        return timing.describe_ambiguous(self.chosen_time, self.issue.newsletter.zone)

    @property
    def skipped(self) -> str:
        """That clocks never show the time typed on that day; empty else."""
        return _("The clocks jump over this time on that day. Choose another one.") if self.is_skipped else ""

    @property
    def moment(self) -> datetime:
        """When it goes out, by the choice made."""
        return {"now": self.now + self.hold, "slot": self.slot.moment, "at": self.chosen_time}[self.when]

    def options(self) -> list[dict[str, Any]]:
        """The three choices with the start of the sentence and the words on the button that belong to each."""
        return [self._option("slot", self.slot.moment), self._option("now", None), self._option("at", self.chosen_time)]

    def _option(self, key: str, moment: datetime | None) -> dict[str, Any]:
        zone = self.issue.newsletter.zone
        who = formatting.count_readers(self.readers.count)
        option: dict[str, Any] = {"key": key, "chosen": key == self.when, "who": who, "moment": moment}
        if moment is None:
            return option
        return option | {
            "day": formatting.relative_day(moment, zone, now=self.now),
            "label": formatting.relative_day_and_clock(moment, zone, now=self.now),
            "clock": formatting.format_clock(moment, zone),
            "short": formatting.short_datetime(moment, zone, now=self.now),
            "ahead": formatting.format_duration(moment - self.now),
            "is_past": moment <= self.now,
        }

    @cached_property
    def takes(self) -> str:
        """How long the sending takes, from the route's pace or from how long the last issue took; empty if unknown."""
        rate, last = _send_rate(), self.last
        if rate:
            return formatting.approximate_duration(timedelta(seconds=self.readers.count / rate))
        if last and last.started_at and last.sent_at and last.audience_count:
            return formatting.approximate_duration(
                (last.sent_at - last.started_at) * (self.readers.count / last.audience_count)
            )
        return ""

    # approval

    @property
    def is_approved(self) -> bool:
        return self.issue.status == IssueStatus.APPROVED and issues.matches_approval(self.issue)

    @property
    def approval_lapsed(self) -> bool:
        return self.issue.status == IssueStatus.APPROVED and not self.is_approved

    @property
    def needs_other_person(self) -> bool:
        return self.issue.newsletter.four_eyes and not self.is_approved

    @property
    def tracking(self) -> str:
        return str(Tracking(self.issue.newsletter.tracking).label)


def _send_rate() -> float:
    """Messages a second by the first route: as it goes now, or as it is set up; 0 is as fast as they are taken."""
    row = Route.objects.order_by("priority").first()
    if row is not None:
        return row.rate
    try:
        return routes.first().rate
    except (ImproperlyConfigured, IndexError):
        return 0.0
