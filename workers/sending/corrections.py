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

EDITION, EVERYBODY, CLICKED = "edition", "everybody", "clicked"
TOGETHER, UNMEASURED, FORGOTTEN, NOT_YET = "together", "unmeasured", "forgotten", "not yet"


@dataclass(frozen=True)
class Circle:
    """Readers who can be written to about a correction, as they are now."""

    key: str
    audience: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    """Who may get mail."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    why_not: str = ""
    """Why it cannot be chosen; "" if it can."""

    @property
    def got(self) -> int:
        return self.count + sum(self.excluded.values())


def circles(issue: Issue, about: Sequence[Link], *, now: datetime) -> list[Circle]:
    """Whom a mail can go to: the editions concerned, everybody who got the issue, and those who clicked, where known."""
    found = []
    if languages := _concerned(issue, about):
        found.append(_circle(issue, EDITION, _got_it_in(issue, languages), languages))
    found.append(_circle(issue, EVERYBODY, {"got_issue": issue.pk}))
    if about:
        found.append(_clickers(issue, about, now=now))
    return found


def _concerned(issue: Issue, about: Sequence[Link]) -> tuple[str, ...]:
    """The languages in which these links stand; none where that is all of them."""
    languages = tuple(dict.fromkeys(link.language for link in about))
    return languages if len(languages) < len(issue.newsletter.languages) else ()


def _got_it_in(issue: Issue, languages: Sequence[str]) -> dict[str, Any]:
    return {"got_edition": {"issue": issue.pk, "languages": list(languages)}}


def concerned(note: Correction) -> tuple[str, ...]:
    """The languages of an issue in which a link was wrong; none where a fact was, or all of them had it."""
    about = [link for link in corrections.links(note.issue) if link.number in note.links]
    return _concerned(note.issue, about)


def write(note: Correction, *, editor: Editor | None, now: datetime) -> Issue:
    """The mail about a correction to those who got what was wrong; asked again, even at once, the same draft."""
    with transaction.atomic():
        here = Correction.objects.select_for_update(of=("self",)).select_related("issue__newsletter").get(pk=note.pk)
        if there := corrections.letters(here.issue).get(here.pk):
            return there
        languages = concerned(here)
        asked = _got_it_in(here.issue, languages) if languages else {"got_issue": here.issue_id}
        return corrections.draft(here, asked, editor=editor, now=now)


def _circle(issue: Issue, key: str, asked: dict[str, Any], languages: tuple[str, ...] = ()) -> Circle:
    count, excluded = audience.census(issue.newsletter, asked)
    return Circle(key, asked, count, excluded, languages)


def _clickers(issue: Issue, about: Sequence[Link], *, now: datetime) -> Circle:
    """Single readers are known only where they are measured one by one, and not for long."""
    tracking = issue.newsletter.tracking
    if tracking != Tracking.INDIVIDUAL:
        return Circle(CLICKED, why_not=UNMEASURED if tracking == Tracking.OFF else TOGETHER)
    asked = {"clicked_link": {"issue": issue.pk, "links": sorted(link.number for link in about)}}
    circle = _circle(issue, CLICKED, asked)
    if circle.count:
        return circle
    is_old = issue.started_at is not None and now - issue.started_at > retention.HITS
    return Circle(CLICKED, why_not=FORGOTTEN if is_old else NOT_YET)


@dataclass(frozen=True)
class Wish:
    """What an editor decided."""

    words: Mapping[str, str]
    numbers: Collection[int] = ()
    """Links to amend; none where a fact was wrong."""
    was: str = ""
    """Where they lead, as the editor saw it."""
    url: str = ""
    is_shown: bool = True
    tells_next: bool = False
    circle: Circle | None = None


@dataclass(frozen=True)
class Done:
    note: Correction
    draft: Issue | None
    """The mail about it, to be reviewed and sent."""
    told_in: Issue | None
    """The open draft that begins with the erratum."""
    has_lapsed: bool = False
    """That draft had been approved."""


def correct(issue: Issue, wish: Wish, *, editor: Editor | None, now: datetime) -> Done:
    """All of it, or nothing. Raises corrections.WrongAddress, issues.WrongState."""
    with transaction.atomic():
        if wish.numbers:
            corrections.amend(issue, wish.numbers, wish.url, was=wish.was, editor=editor, now=now)
        note = corrections.note(issue, wish.words, numbers=wish.numbers, is_shown=wish.is_shown, editor=editor, now=now)
        told, has_lapsed = tell_next(note, editor=editor, now=now) if wish.tells_next else (None, False)
        draft = corrections.draft(note, wish.circle.audience, editor=editor, now=now) if wish.circle else None
    return Done(note, draft, told, has_lapsed)


def tell_next(note: Correction, *, editor: Editor | None, now: datetime) -> tuple[Issue | None, bool]:
    """(the draft that opens with it, whether its approval lapsed by that). Raises issues.WrongState."""
    was_approved = corrections.is_approved(note.issue.newsletter)
    told = corrections.tell_next(note, editor=editor, now=now)
    return told, told is not None and was_approved and told.status == IssueStatus.DRAFT
