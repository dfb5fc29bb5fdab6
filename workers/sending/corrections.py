"""A correction of a sent issue: its link, its note in the archive, the recipients of a mail about it, the next issue.

`newsletter.corrections` changes the issue. The audience filters for readers who received or clicked an issue are in
`workers.ledger.counts`.
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
    """A group of readers who can get a mail about a correction, counted now."""

    key: str
    audience: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    """Readers who may get mail."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    unavailable_reason: str = ""
    """Why the group cannot be chosen; "" if it can."""

    @property
    def got(self) -> int:
        return self.count + sum(self.excluded.values())


def recipient_groups(issue: Issue, about: Sequence[Link], *, now: datetime) -> list[RecipientGroup]:
    """Return the possible groups: readers of the editions concerned, all who got the issue, and those who clicked."""
    groups = []
    if languages := _affected_languages(issue, about):
        groups.append(_recipient_group(issue, EDITION_GROUP, _received_edition(issue, languages), languages))
    groups.append(_recipient_group(issue, EVERYBODY_GROUP, {"got_issue": issue.pk}))
    if about:
        groups.append(_clicked_group(issue, about, now=now))
    return groups


def _affected_languages(issue: Issue, about: Sequence[Link]) -> tuple[str, ...]:
    """Return the languages that contain these links; () if all languages do."""
    languages = tuple(dict.fromkeys(link.language for link in about))
    return languages if len(languages) < len(issue.newsletter.languages) else ()


def _received_edition(issue: Issue, languages: Sequence[str]) -> dict[str, Any]:
    return {"got_edition": {"issue": issue.pk, "languages": list(languages)}}


def affected_languages(note: Correction) -> tuple[str, ...]:
    """Return the languages in which a link was wrong; () for a wrong fact, or if all languages are affected."""
    about = [link for link in corrections.numbered_links(note.issue) if link.number in note.links]
    return _affected_languages(note.issue, about)


def draft_mail(note: Correction, *, editor: Editor | None, now: datetime) -> Issue:
    """Create the draft of a mail about a correction, to readers who got the error. Repeated calls return the same draft."""
    with transaction.atomic():
        # The lock on the correction's row makes a second request wait until the first draft exists.
        locked = Correction.objects.select_for_update(of=("self",)).select_related("issue__newsletter").get(pk=note.pk)
        if draft := corrections.mail_issues(locked.issue).get(locked.pk):
            return draft
        languages = affected_languages(locked)
        filters = _received_edition(locked.issue, languages) if languages else {"got_issue": locked.issue_id}
        return corrections.create_mail_draft(locked, filters, editor=editor, now=now)


def _recipient_group(
    issue: Issue, key: str, filters: dict[str, Any], languages: tuple[str, ...] = ()
) -> RecipientGroup:
    count, excluded = audience.count_recipients(issue.newsletter, filters)
    return RecipientGroup(key, filters, count, excluded, languages)


def _clicked_group(issue: Issue, about: Sequence[Link], *, now: datetime) -> RecipientGroup:
    """Clicks of single readers are known only with individual tracking, and until retention deletes them."""
    tracking = issue.newsletter.tracking
    if tracking != Tracking.INDIVIDUAL:
        return RecipientGroup(CLICKED_GROUP, unavailable_reason=UNMEASURED if tracking == Tracking.OFF else ONLY_TOTALS)
    filters = {"clicked_link": {"issue": issue.pk, "links": sorted(link.number for link in about)}}
    group = _recipient_group(issue, CLICKED_GROUP, filters)
    if group.count:
        return group
    is_old = issue.started_at is not None and now - issue.started_at > retention.KEEP_HITS
    return RecipientGroup(CLICKED_GROUP, unavailable_reason=EXPIRED if is_old else NO_CLICKS_YET)


@dataclass(frozen=True)
class CorrectionRequest:
    """An editor's input."""

    words: Mapping[str, str]
    numbers: Collection[int] = ()
    """Numbers of the links to amend; () for a wrong fact."""
    was: str = ""
    """Their target when the editor saw it; a later change by another editor is refused."""
    url: str = ""
    is_shown: bool = True
    tells_next: bool = False
    group: RecipientGroup | None = None


@dataclass(frozen=True)
class CorrectionResult:
    note: Correction
    draft: Issue | None
    """The mail about it, to be reviewed and sent."""
    told_in: Issue | None
    """The open draft whose first block is now the erratum."""
    has_lapsed: bool = False
    """True if that draft had been approved and the approval was removed."""


def apply(issue: Issue, request: CorrectionRequest, *, editor: Editor | None, now: datetime) -> CorrectionResult:
    """Apply the whole request in one transaction. Raises corrections.WrongAddress, issues.WrongState."""
    with transaction.atomic():
        if request.numbers:
            corrections.amend_links(issue, request.numbers, request.url, was=request.was, editor=editor, now=now)
        note = corrections.create_note(
            issue, request.words, numbers=request.numbers, is_shown=request.is_shown, editor=editor, now=now
        )
        next_issue, has_lapsed = (
            add_to_next_issue(note, editor=editor, now=now) if request.tells_next else (None, False)
        )
        draft = (
            corrections.create_mail_draft(note, request.group.audience, editor=editor, now=now)
            if request.group
            else None
        )
    return CorrectionResult(note, draft, next_issue, has_lapsed)


def add_to_next_issue(note: Correction, *, editor: Editor | None, now: datetime) -> tuple[Issue | None, bool]:
    """Return the draft that got the erratum and whether this removed its approval. Raises issues.WrongState."""
    was_approved = corrections.is_draft_approved(note.issue.newsletter)
    next_issue = corrections.add_to_next_issue(note, editor=editor, now=now)
    return next_issue, next_issue is not None and was_approved and next_issue.status == IssueStatus.DRAFT
