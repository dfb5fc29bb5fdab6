"""Prepare drafts: at the set time, create one draft for the coming slot from articles that the rule selects.

Nothing here sends, schedules or approves. An editor can remove each selected article. The rule is in `rule`, the
selection in `selection`, the document of the draft in `document`; their names can also be imported from here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from newsletter import content, corrections, issues
from newsletter.drafts import schedule
from newsletter.drafts.document import build_document as build_document
from newsletter.drafts.document import build_envelope as build_envelope
from newsletter.drafts.document import fill_preheaders as fill_preheaders
from newsletter.drafts.document import missing_translations as missing_translations
from newsletter.drafts.document import split_recurring_blocks as split_recurring_blocks
from newsletter.drafts.rule import DraftRule as DraftRule
from newsletter.drafts.rule import describe_rule as describe_rule
from newsletter.drafts.rule import parse_rule as parse_rule
from newsletter.drafts.selection import ArticleSelection as ArticleSelection
from newsletter.drafts.selection import TranslatedArticle as TranslatedArticle
from newsletter.drafts.selection import apply_rule as apply_rule
from newsletter.drafts.selection import group_translations as group_translations
from newsletter.drafts.selection import select_articles as select_articles
from newsletter.models import EDITABLE, Editor, Issue, Newsletter

logger = logging.getLogger(__name__)

OVER_A_WEEK = timedelta(days=8)


@dataclass(frozen=True)
class PreparationResult:
    """The result of `prepare`: a draft, or no draft because there were too few articles."""

    newsletter: Newsletter
    slot: datetime
    issue: Issue | None
    picked: int
    new: int

    @property
    def is_thin(self) -> bool:
        return self.issue is None


@dataclass(frozen=True)
class UpcomingDraft:
    """The next slot of a newsletter that prepares drafts, and what is planned for it."""

    newsletter: Newsletter
    slot: datetime
    prepared_at: datetime
    rule: DraftRule
    found: ArticleSelection | None
    """What the rule would select now; None if the slot has an issue."""
    is_thin: bool
    """The draft was due, and there were too few articles."""


def prepare_due(*, now: datetime, notify: Callable[[PreparationResult], object]) -> int:
    """Prepare the draft of every newsletter that is due. Returns the number of drafts created.

    `notify` is called with each result in the transaction that created the draft, so that its rows exist only if the
    draft does. It is called for a thin week every time; `notify` must recognise what it has reported before.
    """
    created = 0
    for newsletter in Newsletter.objects.exclude(cadence={}).exclude(draft_rule={}):
        try:
            with transaction.atomic():
                result = prepare(newsletter, now=now)
                if result is not None:
                    notify(result)
                    created += result.issue is not None
        except IntegrityError:  # another worker created the draft in the meantime
            logger.info("draft prepared by another worker", extra={"newsletter": newsletter.pk})
        except ValueError:
            logger.exception("cadence or draft rule of a newsletter is invalid", extra={"newsletter": newsletter.pk})
    return created


def prepare(newsletter: Newsletter, *, now: datetime) -> PreparationResult | None:
    """Create the draft for the coming slot if it is due. Returns None if it is not due, or if the slot has an issue.

    Slots in the past get no draft: after days without a worker only the coming slot does.
    """
    cadence, rule = schedule.parse_cadence(newsletter.cadence), parse_rule(newsletter.draft_rule)
    if cadence is None or rule is None:
        return None
    slot = cadence.next_slot(now, zone=newsletter.zone)
    if now < cadence.preparation(slot):
        return None
    with transaction.atomic():
        # The lock on the newsletter's row keeps two workers from preparing the same slot.
        Newsletter.objects.select_for_update().get(pk=newsletter.pk)
        if is_slot_taken(newsletter, slot, cadence=cadence):
            return None
        selection = select_articles(newsletter, rule)
        if len(selection.picks) < rule.fewest:
            return PreparationResult(newsletter, slot, None, len(selection.picks), len(selection.new))
        issue = _create_draft(newsletter, selection, rule=rule, slot=slot, editor=None, now=now)
    logger.info("draft prepared", extra={"issue": issue.pk, "newsletter": newsletter.pk})
    return PreparationResult(newsletter, slot, issue, len(selection.picks), len(selection.new))


def create_first_draft(newsletter: Newsletter, *, editor: Editor | None, now: datetime) -> Issue:
    """Create the first draft of a new newsletter, on any day. It is for the coming slot if there is a schedule."""
    rule = parse_rule(newsletter.draft_rule) or DraftRule()
    slot = schedule.next_slot(newsletter.cadence, after=now, zone=newsletter.zone)
    with transaction.atomic():
        return _create_draft(
            newsletter, select_articles(newsletter, rule), rule=rule, slot=slot, editor=editor, now=now
        )


def upcoming_draft(newsletter: Newsletter, *, now: datetime) -> UpcomingDraft | None:
    """The next slot and what is planned for it; None for a newsletter that prepares no drafts."""
    cadence, rule = schedule.parse_cadence(newsletter.cadence), parse_rule(newsletter.draft_rule)
    if cadence is None or rule is None:
        return None
    slot = cadence.next_slot(now, zone=newsletter.zone)
    prepared_at = cadence.preparation(slot)
    selection = None if is_slot_taken(newsletter, slot, cadence=cadence) else select_articles(newsletter, rule)
    is_thin = selection is not None and now >= prepared_at and len(selection.picks) < rule.fewest
    return UpcomingDraft(newsletter, slot, prepared_at, rule, selection, is_thin)


def refill(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Replace the content of a draft by what the rule selects now. Undo restores the old content.

    Raises issues.Conflict and issues.WrongState.
    """
    newsletter = issue.newsletter
    rule = parse_rule(newsletter.draft_rule) or DraftRule()
    selection = select_articles(newsletter, rule, draft=issue)
    document = _build_document(newsletter, selection, rule=rule)
    document.blocks[:0] = corrections.errata_blocks(issue)
    return issues.save(issue, document, version=issue.version, editor=editor, now=now)


def is_slot_taken(newsletter: Newsletter, slot: datetime, *, cadence: schedule.Cadence) -> bool:
    """Whether the slot has an issue: a prepared one (also a deleted one), or one that an editor created or scheduled."""
    before = _slot_before(slot, cadence)
    # Correction notes go to some readers only (their audience is not empty), so they do not fill a slot.
    regular = newsletter.issues.not_deleted().filter(audience={})
    return (
        newsletter.issues.filter(prepared_for=slot).exists()
        or regular.filter(scheduled_at__gt=before, scheduled_at__lte=slot).exists()
        or regular.filter(status__in=EDITABLE, created_at__gt=before, articles__isnull=False).exists()
    )


def _slot_before(slot: datetime, cadence: schedule.Cadence) -> datetime:
    zone = slot.tzinfo
    assert zone is not None, "slots know their zone"  # noqa: S101
    before = cadence.next_slot(slot - OVER_A_WEEK, zone=zone)
    while (following := cadence.next_slot(before, zone=zone)) < slot:
        before = following
    return before


def _create_draft(
    newsletter: Newsletter,
    selection: ArticleSelection,
    *,
    rule: DraftRule,
    slot: datetime | None,
    editor: Editor | None,
    now: datetime,
) -> Issue:
    issue = issues.create(newsletter, editor=editor, now=now)
    if slot is not None:
        # UNIQUE (newsletter, prepared_for): a second worker fails here with IntegrityError.
        Issue.objects.filter(pk=issue.pk).update(prepared_for=slot)
    document = _build_document(newsletter, selection, rule=rule)
    issue = issues.save(issue, document, version=issue.version, editor=editor, now=now)
    return corrections.prepend_errata(issue, editor=editor, now=now)


def _build_document(newsletter: Newsletter, selection: ArticleSelection, *, rule: DraftRule) -> content.Document:
    before, after = split_recurring_blocks(selection.last) if selection.last else ([], [])
    return build_document(newsletter, selection.picks, briefs=rule.briefs, before=before, after=after)
