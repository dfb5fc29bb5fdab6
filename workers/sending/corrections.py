"""A correction as a whole: the link, the note in the archive, whom a mail about it can go to, and the next issue.

What each part does to an issue is in `newsletter.corrections`; who got, clicked or missed an issue knows the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from newsletter import corrections
from newsletter.models import Correction, Editor, Issue, IssueStatus, Link, Tracking
from subscribers import audience
from workers.operations import retention

EDITION_GROUP, EVERYBODY_GROUP, CLICKED_GROUP = "edition", "everybody", "clicked"
ONLY_TOTALS, UNMEASURED, EXPIRED, NO_CLICKS_YET = "together", "unmeasured", "forgotten", "not yet"


@dataclass(frozen=True)
class RecipientGroup:
    """Readers who can be written to about a correction, as they are now."""

    key: str
    audience: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    """Who may get mail."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    unavailable_reason: str = ""
    """Why it cannot be chosen; "" if it can."""

    @property
    def got(self) -> int:
        return self.count + sum(self.excluded.values())


def recipient_groups(issue: Issue, about: Sequence[Link], *, now: datetime) -> list[RecipientGroup]:
    """Whom a mail can go to: the editions concerned, everybody who got the issue, and those who clicked, where known."""
    found = []
    if languages := _affected_languages(issue, about):
        found.append(_recipient_group(issue, EDITION_GROUP, _got_it_in(issue, languages), languages))
    found.append(_recipient_group(issue, EVERYBODY_GROUP, {"got_issue": issue.pk}))
    if about:
        found.append(_clicked_group(issue, about, now=now))
    return found


def _affected_languages(issue: Issue, about: Sequence[Link]) -> tuple[str, ...]:
    """The languages in which these links stand; none where that is all of them."""
    languages = tuple(dict.fromkeys(link.language for link in about))
    return languages if len(languages) < len(issue.newsletter.languages) else ()


def _got_it_in(issue: Issue, languages: Sequence[str]) -> dict[str, Any]:
    return {"got_edition": {"issue": issue.pk, "languages": list(languages)}}


def affected_languages(note: Correction) -> tuple[str, ...]:
    """The languages of an issue in which a link was wrong; none where a fact was, or all of them had it."""
    about = [link for link in corrections.numbered_links(note.issue) if link.number in note.links]
    return _affected_languages(note.issue, about)


def draft_mail(note: Correction, *, editor: Editor | None, now: datetime) -> Issue:
    """The mail about a correction to those who got what was wrong; asked again, even at once, the same draft."""
    with transaction.atomic():
        here = Correction.objects.select_for_update(of=("self",)).select_related("issue__newsletter").get(pk=note.pk)
        if there := corrections.mail_issues(here.issue).get(here.pk):
            return there
        languages = affected_languages(here)
        asked = _got_it_in(here.issue, languages) if languages else {"got_issue": here.issue_id}
        return corrections.create_mail_draft(here, asked, editor=editor, now=now)


def _recipient_group(issue: Issue, key: str, asked: dict[str, Any], languages: tuple[str, ...] = ()) -> RecipientGroup:
    count, excluded = audience.count_recipients(issue.newsletter, asked)
    return RecipientGroup(key, asked, count, excluded, languages)


def _clicked_group(issue: Issue, about: Sequence[Link], *, now: datetime) -> RecipientGroup:
    """Single readers are known only where they are measured one by one, and not for long."""
    tracking = issue.newsletter.tracking
    if tracking != Tracking.INDIVIDUAL:
        return RecipientGroup(CLICKED_GROUP, unavailable_reason=UNMEASURED if tracking == Tracking.OFF else ONLY_TOTALS)
    asked = {"clicked_link": {"issue": issue.pk, "links": sorted(link.number for link in about)}}
    circle = _recipient_group(issue, CLICKED_GROUP, asked)
    if circle.count:
        return circle
    is_old = issue.started_at is not None and now - issue.started_at > retention.KEEP_HITS
    return RecipientGroup(CLICKED_GROUP, unavailable_reason=EXPIRED if is_old else NO_CLICKS_YET)


@dataclass(frozen=True)
class CorrectionRequest:
    """What an editor decided."""

    words: Mapping[str, str]
    numbers: Collection[int] = ()
    """Links to amend; none where a fact was wrong."""
    was: str = ""
    """Where they lead, as the editor saw it."""
    url: str = ""
    is_shown: bool = True
    tells_next: bool = False
    circle: RecipientGroup | None = None


@dataclass(frozen=True)
class CorrectionResult:
    note: Correction
    draft: Issue | None
    """The mail about it, to be reviewed and sent."""
    told_in: Issue | None
    """The open draft that begins with the erratum."""
    has_lapsed: bool = False
    """That draft had been approved."""


def apply(issue: Issue, wish: CorrectionRequest, *, editor: Editor | None, now: datetime) -> CorrectionResult:
    """All of it, or nothing. Raises corrections.WrongAddress, issues.WrongState."""
    with transaction.atomic():
        if wish.numbers:
            corrections.amend_links(issue, wish.numbers, wish.url, was=wish.was, editor=editor, now=now)
        note = corrections.create_note(
            issue, wish.words, numbers=wish.numbers, is_shown=wish.is_shown, editor=editor, now=now
        )
        told, has_lapsed = add_to_next_issue(note, editor=editor, now=now) if wish.tells_next else (None, False)
        draft = (
            corrections.create_mail_draft(note, wish.circle.audience, editor=editor, now=now) if wish.circle else None
        )
    return CorrectionResult(note, draft, told, has_lapsed)


def add_to_next_issue(note: Correction, *, editor: Editor | None, now: datetime) -> tuple[Issue | None, bool]:
    """(the draft that opens with it, whether its approval lapsed by that). Raises issues.WrongState."""
    was_approved = corrections.is_draft_approved(note.issue.newsletter)
    told = corrections.add_to_next_issue(note, editor=editor, now=now)
    return told, told is not None and was_approved and told.status == IssueStatus.DRAFT
