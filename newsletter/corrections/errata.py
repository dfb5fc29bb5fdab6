"""Add an erratum to the next issue: to the open draft at once, else to the next draft that is created."""

from __future__ import annotations

from datetime import datetime
from html import escape

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.corrections.notes import text_to_html
from newsletter.corrections.status import NOT_IN_ISSUE, filter_in_effect, is_in_effect, numbered_links
from newsletter.languages import reader_words
from newsletter.models import EDITABLE, Correction, Editor, Issue, IssueStatus, Link, Newsletter


def add_to_next_issue(correction: Correction, *, editor: Editor | None, now: datetime) -> Issue | None:
    """Add this correction to the open draft, else to the next one that is created.

    Returns the draft that has it, or None if it waits for one. A second call changes nothing.
    """
    with transaction.atomic():
        # The lock on the newsletter's row orders this and the creation of drafts, so that an erratum gets into one
        # issue only.
        newsletter = Newsletter.objects.select_for_update().get(pk=correction.issue.newsletter_id)
        stored = Correction.objects.select_related("told_in").get(pk=correction.pk)
        if stored.told_in is not None and stored.told_in.deleted_at is None:
            return stored.told_in
        if not is_in_effect(stored):
            raise issues.WrongState(_("The link leads where it led in the mail, so there is nothing to correct."))
        Correction.objects.filter(pk=correction.pk).update(wants_next=True)
        draft = current_draft(newsletter)
        return prepend_errata(draft, editor=editor, now=now) if draft else None


def remove_from_next_issue(correction: Correction) -> None:
    """Stop adding the correction to the next draft. A draft that already has it keeps it."""
    Correction.objects.filter(NOT_IN_ISSUE, pk=correction.pk).update(wants_next=False)


def current_draft(newsletter: Newsletter) -> Issue | None:
    """The issue for all readers that is being written, or None."""
    drafts = newsletter.issues.not_deleted().filter(status__in=EDITABLE, audience={}).select_related("newsletter")
    return drafts.order_by("-created_at", "-pk").first()


def is_draft_approved(newsletter: Newsletter) -> bool:
    """Whether an erratum added to the open draft would void its approval."""
    draft = current_draft(newsletter)
    return draft is not None and draft.status == IssueStatus.APPROVED


def pending_errata(newsletter: Newsletter) -> QuerySet[Correction]:
    """Errata that are not in an issue yet."""
    errata = Correction.objects.filter(NOT_IN_ISSUE, issue__newsletter=newsletter, wants_next=True)
    return errata.select_related("issue").order_by("made_at", "pk")


def prepend_errata(draft: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Add a block for every pending erratum at the top of `draft`. Each erratum goes into one issue only."""
    with transaction.atomic():
        errata = filter_in_effect(pending_errata(draft.newsletter).select_for_update(of=("self",)))
        if not errata:
            return draft
        # Lock order: corrections before the issue.
        locked = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=draft.pk)
        document = content.parse(locked.content)
        blocks = [_notice(erratum, locked.newsletter) for erratum in errata]
        document.blocks[:0] = blocks
        stored = issues.save(locked, document, version=locked.version, editor=editor, now=now, is_step=True)
        for erratum, block in zip(errata, blocks, strict=True):
            Correction.objects.filter(pk=erratum.pk).update(told_in=stored, told_block=block.id)
            issues.audit("erratum-added", stored, editor=editor, now=now, correction=erratum.pk)
    return stored


def errata_blocks(draft: Issue) -> list[content.Block]:
    """Blocks of `draft` that contain an erratum."""
    block_ids = set(Correction.objects.filter(told_in=draft).values_list("told_block", flat=True))
    return [block for block in content.parse(draft.content).blocks if block.id in block_ids]


def _notice(correction: Correction, newsletter: Newsletter) -> content.Callout:
    """The block about an earlier issue. A language without a note shows nothing."""
    words = {
        language: content.TextWords(
            heading=erratum_heading(correction.issue, language), body=_body(correction, language)
        )
        for language in newsletter.languages
        if language in correction.words
    }
    optional: dict[str, content.LanguagePolicy] = {
        code: "optional" for code in newsletter.languages if code not in words
    }
    return content.Callout(words=words, policy=optional)


def erratum_heading(issue: Issue, language: str) -> str:
    with reader_words.override(language):
        return _("Correction to issue %(number)s") % {"number": issue.number}


def _body(correction: Correction, language: str) -> str:
    """The editor's note, one paragraph per line, and the corrected link."""
    body = text_to_html(correction.words[language])
    link = next((link for link in numbered_links(correction.issue) if _is_shown(link, correction, language)), None)
    if link is None:
        return body
    return f'{body}<p><a href="{escape(link.target)}">{escape(link.label or link.target, quote=False)}</a></p>'


def _is_shown(link: Link, correction: Correction, language: str) -> bool:
    return link.number in correction.links and link.language == language and bool(link.amended_url)
