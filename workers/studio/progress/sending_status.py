"""An issue under way: how far it is, how fast, who is uncertain. Reads batches, never one delivery per reader."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import formatting
from newsletter.models import Issue, IssueStatus
from subscribers import addresses
from subscribers.models import Subscription
from workers import ledger
from workers.models import Batch, BatchStatus, Delivery
from workers.sending import reconciliation
from workers.studio.progress import delays

RATE_WINDOW = timedelta(seconds=60)
ANNOUNCED_STEP = 10
"""Per cent between two announcements to screen readers."""
MAX_UNCERTAIN_SHOWN = 1000
"""Uncertain readers listed at once: as many as one call of a merge provider can leave without an answer."""
SLOW_POLL_FROM = timedelta(minutes=10)
FINAL_STATUSES = (IssueStatus.SENT, IssueStatus.CANCELLED)


@dataclass(frozen=True)
class UncertainReader:
    """A reader who may have the issue or not, known well enough to recognise and no better."""

    subscription: int
    name: str
    email: str
    language: str
    sent_at: datetime | None
    is_repeated: bool
    """An editor's click is on its way."""
    told: str = ""
    """What the mail service says of it."""
    keeps_message_id: bool = True
    """A second copy would have the same Message-ID."""


@dataclass
class SendingStatus:
    issue: Issue
    now: datetime

    @cached_property
    def equation(self) -> ledger.DeliveryCounts:
        return ledger.count_deliveries(self.issue)

    @property
    def total(self) -> int:
        return self.equation.audience

    @property
    def handled(self) -> int:
        """Readers whose outcome is known; deferred ones are tried again, uncertain ones are not."""
        return self.total - self.equation.waiting - self.equation.deferred

    @property
    def percent(self) -> int:
        """Whole per cent, 100 only when nobody waits."""
        return 100 * self.handled // self.total if self.total else 100 if self.is_over else 0

    @property
    def step(self) -> int:
        return self.percent // ANNOUNCED_STEP * ANNOUNCED_STEP

    @property
    def is_over(self) -> bool:
        return self.issue.status in FINAL_STATUSES

    @property
    def has_begun(self) -> bool:
        """False where it was held back at its time: nothing left, so it can still be edited."""
        return self.issue.started_at is not None

    @property
    def may_be_postponed(self) -> bool:
        """It waits for a person, and nobody got it yet."""
        return self.issue.status == IssueStatus.PAUSED and not self.has_begun

    @property
    def is_moving(self) -> bool:
        return self.issue.status == IssueStatus.SENDING

    @cached_property
    def rate(self) -> float:
        """Readers a second over the last minute, or since the start where that is shorter."""
        begun = self.issue.started_at
        if not self.is_moving or begun is None:
            return 0
        since = max(begun, self.now - RATE_WINDOW)
        done = Batch.objects.filter(issue=self.issue, sent_at__gt=since).aggregate(
            sum=Sum(F("accepted") + F("refused") + F("deferred") + F("uncertain"))
        )["sum"]
        return (done or 0) / max(1.0, (self.now - since).total_seconds())

    @property
    def only_retries_left(self) -> bool:
        return self.is_moving and not self.equation.waiting and self.equation.deferred > 0

    @property
    def left(self) -> timedelta | None:
        """Until nobody waits any more: at the present rate, and for those held back as their mail service allows."""
        held = [(delay.until, delay.readers) for delay in self.slow if delay.until]
        free = self.equation.waiting - sum(readers for _until, readers in held)
        ends = [until - self.now for until, _readers in held]
        if free > 0:
            if not self.rate:
                return None
            ends.append(timedelta(seconds=free / self.rate))
        return max(ends, default=None)

    @cached_property
    def pace(self) -> str:
        """ "24 a second · about 4 min left, done about 07:09 WIB"; empty while nothing can be said."""
        if self.only_retries_left:
            return ""
        parts = []
        if self.rate:
            rounded = round(self.rate, 1)
            each = formatting.format_number(round(rounded) if rounded >= 10 or rounded.is_integer() else rounded)
            parts.append(_("%(count)s a second") % {"count": each})
        if self.left is not None:
            done_at = formatting.format_clock(self.now + self.left, self.issue.newsletter.zone)
            parts.append(
                _("%(span)s left, done about %(time)s")
                % {"span": formatting.approximate_duration(self.left), "time": done_at}
            )
        return " · ".join(parts)

    @property
    def retries_note(self) -> str:
        """What to say when nothing is left but to try again."""
        if not self.only_retries_left:
            return ""
        return ngettext(
            "Everybody else has it; %(count)s reader is tried again by itself. There is nothing to do.",
            "Everybody else has it; %(count)s readers are tried again by themselves. There is nothing to do.",
            self.equation.deferred,
        ) % {"count": formatting.format_number(self.equation.deferred)}

    @property
    def ahead(self) -> timedelta:
        """Until it begins; zero once that moment has passed."""
        return max(timedelta(0), (self.issue.scheduled_at or self.now) - self.now)

    @property
    def countdown(self) -> str:
        """The countdown, as a clock within the last hour."""
        seconds = round(self.ahead.total_seconds())
        return f"{seconds // 60}:{seconds % 60:02}" if seconds < 3600 else formatting.format_duration(self.ahead)

    @property
    def held(self) -> int:
        """Seconds of the hold that are left; 0 outside it."""
        seconds = round(self.ahead.total_seconds())
        return seconds if seconds <= self.issue.newsletter.hold_s else 0

    @property
    def heading(self) -> str:
        sentences = {
            IssueStatus.SCHEDULED: _("Issue %(number)s is scheduled"),
            IssueStatus.SENDING: _("Issue %(number)s is going out"),
            IssueStatus.PAUSED: _("Issue %(number)s is paused"),
            IssueStatus.SENT: _("Issue %(number)s is sent"),
            IssueStatus.CANCELLED: _("Issue %(number)s was stopped for good"),
        }
        return sentences[IssueStatus(self.issue.status)] % {"number": self.issue.number}

    @property
    def subheading(self) -> str:
        issue, zone = self.issue, self.issue.newsletter.zone
        if issue.status == IssueStatus.SCHEDULED:
            return _("For %(time)s") % {"time": formatting.format_datetime(issue.scheduled_at, zone)}
        if issue.status == IssueStatus.SENT:
            return _("Finished %(time)s") % {"time": formatting.format_datetime(issue.sent_at, zone)}
        by = issue.scheduled_by
        if by is not None and issue.started_at:
            return _("Started %(time)s by %(name)s") % {
                "time": formatting.format_datetime(issue.started_at, zone),
                "name": by.name,
            }
        return (
            _("Started %(time)s") % {"time": formatting.format_datetime(issue.started_at, zone)}
            if issue.started_at
            else ""
        )

    @property
    def poll(self) -> str:
        """How often the page asks again."""
        waits = self.issue.status == IssueStatus.SCHEDULED and self.ahead > SLOW_POLL_FROM
        is_calm = waits or self.issue.status == IssueStatus.PAUSED or self.only_retries_left
        return "every 30s" if is_calm else "every 2s"

    def said(self) -> str:
        """The sentence of the live region; another one only every ten per cent or when the state changes."""
        number = self.issue.number
        if self.issue.status == IssueStatus.SENDING:
            return _("Issue %(number)s: %(percent)s per cent done.") % {"number": number, "percent": self.step}
        return _("Issue %(number)s: %(status)s.") % {"number": number, "status": self.issue.get_status_display()}

    @property
    def announcement_key(self) -> str:
        """Names what the live region says now, so that a poll can tell whether to say something new."""
        return f"{self.issue.status}-{self.step if self.is_moving else 0}"

    def terms(self) -> list[dict[str, Any]]:
        """The equation: six terms that add up to the plan. They stay in their places while the figures move."""
        equation = self.equation
        terms = [
            (equation.accepted, _("accepted by their mail service"), ""),
            (equation.deferred, _("deferred, tried again by itself"), ""),
            (equation.refused, _("refused"), ""),
            (equation.skipped, _("left out: they left, paused or were stopped"), ""),
            (equation.uncertain, _("uncertain, see below") if equation.uncertain else _("uncertain"), "bad"),
            (equation.waiting, self._waiting(), ""),
        ]
        return [
            {"count": count, "words": words, "tone": tone if count else "", "sign": "+" if place else ""}
            for place, (count, words, tone) in enumerate(terms)
        ]

    @cached_property
    def slow(self) -> list[delays.Delay]:
        """What is slow, and why."""
        return delays.delays_for(self.issue, deferred=self.equation.deferred, now=self.now)

    def _waiting(self) -> str:
        return _("not sent any more") if self.issue.status == IssueStatus.CANCELLED else _("waiting")

    @cached_property
    def first_batch(self) -> str:
        """What became of the first small batch; empty where there is none."""
        first = list(Batch.objects.filter(issue=self.issue, is_first=True))
        if not first:
            return ""
        size = sum(batch.size for batch in first)
        accepted, refused = sum(batch.accepted for batch in first), sum(batch.refused for batch in first)
        unsettled = sum(batch.deferred + batch.uncertain for batch in first)
        done = all(batch.status == BatchStatus.DONE for batch in first)
        sent_at = max((batch.sent_at for batch in first if batch.sent_at), default=None)
        if not done or sent_at is None:
            return ngettext(
                "The first %(count)s reader gets it alone; the rest follow only if nothing looks wrong.",
                "The first %(count)s readers get it alone; the rest follow only if nothing looks wrong.",
                size,
            ) % {"count": formatting.format_number(size)}
        clock = formatting.format_clock(sent_at, self.issue.newsletter.zone)
        words = {"count": formatting.format_number(size), "time": clock, "accepted": formatting.format_number(accepted)}
        if unsettled:
            return _(
                "First %(count)s: sent by %(time)s, %(accepted)s accepted, %(refused)s refused, %(open)s not settled yet."
            ) % {**words, "refused": formatting.format_number(refused), "open": formatting.format_number(unsettled)}
        if refused:
            return _("First %(count)s: sent by %(time)s, %(accepted)s accepted, %(refused)s refused.") % {
                **words,
                "refused": formatting.format_number(refused),
            }
        return _("First %(count)s: sent by %(time)s, %(accepted)s accepted, none refused.") % words

    @cached_property
    def uncertain(self) -> list[UncertainReader]:
        """The uncertain readers by masked name and address, in the order they were handed over."""
        if not self.equation.uncertain:
            return []
        deliveries = {
            each.subscription: each for each in ledger.uncertain_deliveries(self.issue, most=MAX_UNCERTAIN_SHOWN)
        }
        found = Subscription.objects.filter(pk__in=deliveries).select_related("subscriber").order_by("pk")
        return [self._unsure(subscription, deliveries[subscription.pk]) for subscription in found]

    @property
    def undecided(self) -> int:
        """Of those listed, how many nobody has had sent to again."""
        return sum(not reader.is_repeated for reader in self.uncertain)

    @property
    def not_shown(self) -> int:
        """Uncertain readers beyond those listed."""
        return max(0, self.equation.uncertain - len(self.uncertain))

    def _unsure(self, subscription: Subscription, delivery: Delivery) -> UncertainReader:
        reader = subscription.subscriber
        language = self.issue.newsletter.best_language(subscription.language)
        return UncertainReader(
            subscription=subscription.pk,
            name=mask_name(reader.name),
            email=addresses.mask(reader.email) if reader.email else "",
            language=formatting.language_name(language),
            sent_at=delivery.sent_at,
            is_repeated=delivery.due_at is not None,
            told=reconciliation.describe_look_up(delivery),
            keeps_message_id=bool(delivery.message_id),
        )

    @property
    def is_shown_once(self) -> bool:
        """Whether mail programs can tell a second copy from the first."""
        return all(reader.keeps_message_id for reader in self.uncertain)

    @property
    def as_of(self) -> str:
        return formatting.format_time(timezone.localtime(self.now, self.issue.newsletter.zone), seconds=True)


def mask_name(name: str) -> str:
    """ "Sari Wulandari" as "Sa•• Wu•••••••": enough to recognise, too little to learn."""
    return " ".join(word[:2] + "•" * max(2, len(word) - 2) for word in name.split())
