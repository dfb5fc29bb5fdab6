"""What the review page shows before a send: who gets the issue, when, in which words, and what stands in the way.

Reads only. The count in the sentence, on the button and in the plan is `Readers.count`: one figure from one query.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import content, editions, issues
from newsletter.checks import Check
from newsletter.models import Issue, IssueStatus, Newsletter, Tracking
from subscribers import audience
from subscribers.models import Subscription
from workers import preflight
from workers.models import Route
from workers.studio import wording

FIRST_SLOT = time(8, 0)
"""Proposed where no issue went out yet."""
UNUSUAL = 2
"""More than twice or less than half of the last issue's readers: the number must be typed."""


# --- who -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    language: str
    name: str
    count: int


@dataclass(frozen=True)
class Readers:
    """The audience equation: confirmed − paused − bounced − complained − stopped by us = count."""

    shares: tuple[Share, ...]
    paused: int
    bounced: int
    complained: int
    suppressed: int
    """Stopped by an editor."""

    @property
    def count(self) -> int:
        return sum(share.count for share in self.shares)

    @property
    def left_out(self) -> int:
        return self.paused + self.bounced + self.complained + self.suppressed

    @property
    def confirmed(self) -> int:
        return self.count + self.left_out

    def terms(self) -> list[tuple[int, str]]:
        """What is taken from the confirmed readers; the last one only where it happened."""
        terms = [
            (self.paused, _("pause their mail")),
            (self.bounced, _("bounced before")),
            (self.complained, _("complained before")),
        ]
        return [*terms, (self.suppressed, _("stopped by an editor"))] if self.suppressed else terms


def readers(issue: Issue) -> Readers:
    """Who would get `issue` now, by the language of the edition they get."""
    newsletter = issue.newsletter
    found = dict.fromkeys(newsletter.languages, 0)
    for language, count in audience.by_language(audience.for_issue(issue)).items():
        found[newsletter.best_language(language)] += count
    excluded = audience.excluded(newsletter, issue.audience)
    return Readers(
        shares=tuple(Share(code, wording.language(code), count) for code, count in found.items()),
        paused=excluded.get("paused", 0),
        bounced=excluded.get("bounced", 0),
        complained=excluded.get("complained", 0),
        suppressed=excluded.get("suppressed", 0),
    )


def audience_in_words(issue: Issue) -> str:
    """Whom the issue is for, as a sentence."""
    newsletter = issue.newsletter.title
    if not issue.audience:
        return _("Everybody on %(newsletter)s; no segment.") % {"newsletter": newsletter}
    if set(issue.audience) == {"language"}:
        language = wording.language(str(issue.audience["language"]))
        return _("Only readers in %(language)s.") % {"language": language}
    if set(issue.audience) == {"got_issue"}:
        number = Issue.objects.filter(pk=issue.audience["got_issue"]).values_list("number", flat=True).first()
        return _("Only those who got issue %(number)s.") % {"number": number}
    return _("Only a part of the readers of %(newsletter)s.") % {"newsletter": newsletter}


# --- when ------------------------------------------------------------------------------------------------------------


def usual_slot(newsletter: Newsletter, *, now: datetime) -> tuple[datetime, bool]:
    """The next moment of the newsletter's rhythm, and whether there is a rhythm yet: else tomorrow at eight."""
    zone = newsletter.zone
    sent = newsletter.issues.filter(status=IssueStatus.SENT, scheduled_at__isnull=False).order_by("-scheduled_at")
    past = [timezone.localtime(at, zone) for at in sent.values_list("scheduled_at", flat=True)[:2] if at]
    if not past:
        tomorrow = timezone.localtime(now, zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, FIRST_SLOT, tzinfo=zone), False
    every = min(31, max(1, (past[0].date() - past[1].date()).days)) if len(past) == 2 else 7
    moment = past[0].replace(second=0, microsecond=0)
    while moment <= now:
        moment = datetime.combine(moment.date() + timedelta(days=every), moment.time(), tzinfo=zone)
    return moment, True


def local_moment(on: date, at: time, newsletter: Newsletter) -> datetime | None:
    """The moment that clocks in the newsletter's zone show `on` and `at`; None where they skip it."""
    moment = datetime.combine(on, at, tzinfo=newsletter.zone)
    there_and_back = moment.astimezone(timezone.get_fixed_timezone(0)).astimezone(newsletter.zone)
    return moment if there_and_back.replace(tzinfo=None) == moment.replace(tzinfo=None) else None


# --- against the last issue ------------------------------------------------------------------------------------------


def last_issue(issue: Issue) -> Issue | None:
    """The newest issue that was sent before, whatever its audience, but not a note to a few."""
    sent = issue.newsletter.issues.filter(status=IssueStatus.SENT).exclude(pk=issue.pk)
    return sent.order_by("-sent_at").first()


def is_unusual(count: int, last: Issue | None) -> bool:
    if last is None or not last.audience_count:
        return False
    return count > UNUSUAL * last.audience_count or UNUSUAL * count < last.audience_count


@dataclass(frozen=True)
class Comparison:
    what: str
    before: str
    now: str
    why: str


def comparisons(issue: Issue, last: Issue, *, count: int) -> list[Comparison]:
    document, old = content.parse(issue.content), content.parse(last.content)
    return [
        Comparison(
            _("Readers"), wording.number(last.audience_count), wording.number(count), _came_and_went(issue, last)
        ),
        Comparison(
            _("Mail, at most"), _kilobytes(_heaviest(last)), _kilobytes(_heaviest(issue)), _("Gmail clips from 102 kB")
        ),
        Comparison(
            _("Blocks"), wording.number(len(old.blocks)), wording.number(len(document.blocks)), _kinds(old, document)
        ),
    ]


def _came_and_went(issue: Issue, last: Issue) -> str:
    since = last.started_at or last.sent_at
    subscriptions = Subscription.objects.filter(newsletter=issue.newsletter)
    parts = {
        _("%(count)s confirmed"): ("+", subscriptions.filter(confirmed_at__gt=since).count()),
        _("%(count)s left"): ("−", subscriptions.filter(ended_at__gt=since, confirmed_at__isnull=False).count()),
    }
    return ", ".join(sign + words % {"count": wording.number(n)} for words, (sign, n) in parts.items() if n)


def _heaviest(issue: Issue) -> int:
    """Bytes of the largest HTML part, frozen or as it would be now; 0 if it cannot be rendered."""
    frozen = [len(edition.html.encode()) for edition in issue.editions.all()]
    if frozen:
        return max(frozen)
    try:
        return max(len(editions.render(issue, code).html.encode()) for code in issue.newsletter.languages)
    except editions.CannotRender:
        return 0


def _kilobytes(size: int) -> str:
    return f"{wording.number(round(size / 1000))}\u00a0kB" if size else "–"


def _kinds(old: content.Document, document: content.Document) -> str:
    before, after = ({block.kind for block in each.blocks} for each in (old, document))
    parts = []
    if after - before:
        parts.append(_("new: %(kinds)s") % {"kinds": ", ".join(sorted(KIND_NAMES[k]() for k in after - before))})
    if before - after:
        parts.append(_("gone: %(kinds)s") % {"kinds": ", ".join(sorted(KIND_NAMES[k]() for k in before - after))})
    return "; ".join(parts)


KIND_NAMES = {
    "lead": lambda: _("lead"),
    "story": lambda: _("story"),
    "brief": lambda: _("brief"),
    "text": lambda: _("text"),
    "notice": lambda: _("notice"),
    "quote": lambda: _("quote"),
    "button": lambda: _("button"),
    "divider": lambda: _("divider"),
}
"""Called late, in the page's language."""


# --- what each language gets -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    tone: str
    """yes, part or none: a class of the stylesheet."""
    icon: str
    text: str


@dataclass(frozen=True)
class Row:
    title: str
    language: str
    """Of the title; empty where it is in the page's."""
    note: str
    cells: tuple[Cell, ...]


def matrix(issue: Issue) -> list[Row]:
    document, newsletter = content.parse(issue.content), issue.newsletter
    default = newsletter.default_language
    subject = Row(
        title=_("Subject"),
        language=default,
        note=document.envelope(default, default).subject,
        cells=tuple(_subject_cell(document, code) for code in newsletter.languages),
    )
    blocks = (block for block in document.blocks if not isinstance(block, content.Divider))
    return [subject, *(_block_row(block, newsletter) for block in blocks)]


def _subject_cell(document: content.Document, language: str) -> Cell:
    own = document.envelopes.get(language, content.Envelope()).subject
    if own:
        words = ngettext("%(count)s character", "%(count)s characters", len(own))
        return Cell("yes", "check", words % {"count": wording.number(len(own))})
    return Cell("part", "languages", _("From the first language"))


def _block_row(block: content.Block, newsletter: Newsletter) -> Row:
    default = newsletter.default_language
    shown = content.words_in(block, default, default)
    language = shown[1] if shown else next(iter(block.words), default)
    return Row(
        title=block_title(block, language) or KIND_NAMES[block.kind](),
        language=language,
        note="",
        cells=tuple(_block_cell(block, code, default) for code in newsletter.languages),
    )


def _block_cell(block: content.Block, language: str, default: str) -> Cell:
    shown = content.words_in(block, language, default)
    if shown is None:
        missing = block.policy.get(language) == "required"
        return Cell("part", "circle-alert", _("Missing")) if missing else Cell("none", "minus", _("Left out"))
    if shown[1] != language:
        return Cell("part", "languages", _("%(language)s, with a note") % {"language": wording.language(shown[1])})
    return Cell("yes", "check", _("Ready"))


TAG = re.compile(r"<[^>]*>")


def block_title(block: content.Block, language: str) -> str:
    """A few plain words a person knows the block by."""
    words: Any = block.words.get(language)
    for name in ("headline", "heading", "label", "quote", "body"):
        text = html.unescape(TAG.sub(" ", getattr(words, name, "") or "")).strip()
        if text:
            return text if len(text) <= 90 else text[:88].rstrip() + "…"
    return ""


# --- test ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TestState:
    tested_at: datetime | None
    changed: tuple[str, ...]
    """Names of blocks that differ from what was tested."""
    is_current: bool


def test_state(issue: Issue) -> TestState:
    if issue.tested_at is None:
        return TestState(None, (), is_current=False)
    if issue.tested_version == issue.version:
        return TestState(issue.tested_at, (), is_current=True)
    return TestState(issue.tested_at, tuple(_changes_since(issue, issue.tested_at)), is_current=False)


def _changes_since(issue: Issue, moment: datetime) -> list[str]:
    tested = issue.revisions.filter(saved_at__lte=moment).order_by("-number").first()
    if tested is None:
        return []
    old, new = content.parse(tested.content), content.parse(issue.content)
    default = issue.newsletter.default_language
    before = {block.id: block for block in old.blocks}
    after = {block.id: block for block in new.blocks}
    changed = [after.get(key) or before[key] for key in {**after, **before} if after.get(key) != before.get(key)]
    names = [block_title(block, default) or KIND_NAMES[block.kind]() for block in changed]
    if old.envelopes != new.envelopes:
        names.insert(0, _("Subject"))
    if not names and [b.id for b in old.blocks] != [b.id for b in new.blocks]:
        names.append(_("Order"))
    return names


# --- the whole page --------------------------------------------------------------------------------------------------


def check_key(check: Check) -> str:
    """What a tick names: the same check of the same block and language, on the next request too."""
    return ".".join((check.id, check.block or "", check.language or ""))


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

    @cached_property
    def readers(self) -> Readers:
        return readers(self.issue)

    @property
    def audience(self) -> str:
        return audience_in_words(self.issue)

    @cached_property
    def checks(self) -> list[Check]:
        return preflight.run(self.issue)

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
    def suggestions(self) -> list[Check]:
        return [check for check in self.checks if not check.ok and check.severity == "suggests"]

    @property
    def passed(self) -> int:
        return len({check.id for check in self.checks} - {check.id for check in self.checks if not check.ok})

    @property
    def unticked(self) -> list[tuple[str, Check]]:
        return [(key, check) for key, check in self.warnings if key not in self.ticked]

    @cached_property
    def last(self) -> Issue | None:
        return last_issue(self.issue)

    @property
    def must_type(self) -> bool:
        return is_unusual(self.readers.count, self.last)

    # when

    @cached_property
    def slot(self) -> tuple[datetime, bool]:
        return usual_slot(self.issue.newsletter, now=self.now)

    @property
    def hold(self) -> timedelta:
        return timedelta(seconds=self.issue.newsletter.hold_s)

    @property
    def custom(self) -> datetime:
        """What the date and time fields hold: what was chosen, else the slot."""
        return timezone.localtime(self.at or self.slot[0], self.issue.newsletter.zone)

    @property
    def fields(self) -> dict[str, str]:
        """Values of the date and time fields, in the form those fields want."""
        return {
            "on": self.on_text or self.custom.strftime("%Y-%m-%d"),
            "at": self.at_text or self.custom.strftime("%H:%M"),
            "first": timezone.localtime(self.now, self.issue.newsletter.zone).strftime("%Y-%m-%d"),
        }

    @property
    def moment(self) -> datetime:
        """When it goes out, by the choice made."""
        return {"now": self.now + self.hold, "slot": self.slot[0], "at": self.custom}[self.when]

    def options(self) -> list[dict[str, Any]]:
        """The three choices with the start of the sentence and the words on the button that belong to each."""
        return [self._option("slot", self.slot[0]), self._option("now", None), self._option("at", self.custom)]

    def _option(self, key: str, moment: datetime | None) -> dict[str, Any]:
        zone = self.issue.newsletter.zone
        who = wording.readers(self.readers.count)
        option: dict[str, Any] = {"key": key, "chosen": key == self.when, "who": who, "moment": moment}
        if moment is None:
            return option
        return option | {
            "day": wording.day(moment, zone, now=self.now),
            "weekday": formats.date_format(timezone.localtime(moment, zone), "l"),
            "clock": wording.clock(moment, zone),
            "short": wording.short_moment(moment, zone, now=self.now),
            "ahead": wording.span(moment - self.now),
            "is_past": moment <= self.now,
        }

    @cached_property
    def takes(self) -> str:
        """How long the sending takes, from the routes' pace or from how long the last issue took; empty if unknown."""
        rate = Route.objects.order_by("priority").values_list("rate", flat=True).first()
        last = self.last
        if rate:
            return wording.about(timedelta(seconds=self.readers.count / rate))
        if last and last.started_at and last.sent_at and last.audience_count:
            return wording.about((last.sent_at - last.started_at) * (self.readers.count / last.audience_count))
        return ""

    # approval

    @property
    def is_approved(self) -> bool:
        return self.issue.status == IssueStatus.APPROVED and self.issue.approved_hash == issues.digest(self.issue)

    @property
    def approval_lapsed(self) -> bool:
        return self.issue.status == IssueStatus.APPROVED and not self.is_approved

    @property
    def needs_other_person(self) -> bool:
        return self.issue.newsletter.four_eyes and not self.is_approved

    @property
    def tracking(self) -> str:
        return str(Tracking(self.issue.newsletter.tracking).label)
