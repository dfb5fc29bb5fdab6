"""An erratum on top of the next issue: at once in the open draft, else in the next one that is begun."""

from __future__ import annotations

from datetime import datetime
from html import escape

from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.corrections.notes import text_to_html
from newsletter.corrections.status import NOT_IN_ISSUE, filter_in_effect, is_in_effect, numbered_links
from newsletter.models import EDITABLE, Correction, Editor, Issue, IssueStatus, Link, Newsletter


def add_to_next_issue(correction: Correction, *, editor: Editor | None, now: datetime) -> Issue | None:
    """Let the next issue open with this correction: the open draft at once, else the next one that is begun.

    Returns the draft that has it; None while it waits. Asked twice, it changes nothing.
    """
    with transaction.atomic():
        newsletter = Newsletter.objects.select_for_update().get(pk=correction.issue.newsletter_id)
        stored = Correction.objects.select_related("told_in").get(pk=correction.pk)
        if stored.told_in is not None and stored.told_in.deleted_at is None:
            return stored.told_in
        if not is_in_effect(stored):
            raise issues.WrongState(_("The link leads where it led in the mail: there is nothing to tell."))
        Correction.objects.filter(pk=correction.pk).update(wants_next=True)
        draft = current_draft(newsletter)
        return prepend_errata(draft, editor=editor, now=now) if draft else None


def remove_from_next_issue(correction: Correction) -> None:
    """The next issue that is begun need not open with it; one that does already keeps it."""
    Correction.objects.filter(NOT_IN_ISSUE, pk=correction.pk).update(wants_next=False)


def current_draft(newsletter: Newsletter) -> Issue | None:
    """The issue for everybody that is being written."""
    drafts = newsletter.issues.not_deleted().filter(status__in=EDITABLE, audience={}).select_related("newsletter")
    return drafts.order_by("-created_at", "-pk").first()


def is_draft_approved(newsletter: Newsletter) -> bool:
    """Whether an erratum put on top of the open draft costs it its approval."""
    draft = current_draft(newsletter)
    return draft is not None and draft.status == IssueStatus.APPROVED


def pending_errata(newsletter: Newsletter) -> QuerySet[Correction]:
    """Errata that no issue has been given yet."""
    wanted = Correction.objects.filter(NOT_IN_ISSUE, issue__newsletter=newsletter, wants_next=True)
    return wanted.select_related("issue").order_by("made_at", "pk")


def prepend_errata(draft: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Put a notice for every erratum that waits on top of `draft`; each is given to one issue only."""
    with transaction.atomic():
        errata = filter_in_effect(pending_errata(draft.newsletter).select_for_update(of=("self",)))
        if not errata:
            return draft
        here = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=draft.pk)
        document = content.parse(here.content)
        blocks = [_notice(one, here.newsletter) for one in errata]
        document.blocks[:0] = blocks
        stored = issues.save(here, document, version=here.version, editor=editor, now=now, is_step=True)
        for one, block in zip(errata, blocks, strict=True):
            Correction.objects.filter(pk=one.pk).update(told_in=stored, told_block=block.id)
            issues.audit("erratum-added", stored, editor=editor, now=now, correction=one.pk)
    return stored


def errata_blocks(draft: Issue) -> list[content.Block]:
    """The blocks of `draft` that tell an erratum, as they stand."""
    told = set(Correction.objects.filter(told_in=draft).values_list("told_block", flat=True))
    return [block for block in content.parse(draft.content).blocks if block.id in told]


def _notice(correction: Correction, newsletter: Newsletter) -> content.Callout:
    """What an issue says about an earlier one. Where a language has no words, it says nothing."""
    words = {
        language: content.TextWords(
            heading=erratum_heading(correction.issue, language), body=_body(correction, language)
        )
        for language in newsletter.languages
        if language in correction.words
    }
    silent: dict[str, content.LanguagePolicy] = {code: "optional" for code in newsletter.languages if code not in words}
    return content.Callout(words=words, policy=silent)


def erratum_heading(issue: Issue, language: str) -> str:
    with translation.override(language):
        return _("Correction to issue %(number)s") % {"number": issue.number}


def _body(correction: Correction, language: str) -> str:
    """The editor's words, a paragraph each, and the link as it should have been."""
    body = text_to_html(correction.words[language])
    link = next((one for one in numbered_links(correction.issue) if _is_told(one, correction, language)), None)
    if link is None:
        return body
    return f'{body}<p><a href="{escape(link.target)}">{escape(link.label or link.target, quote=False)}</a></p>'


def _is_told(link: Link, correction: Correction, language: str) -> bool:
    return link.number in correction.links and link.language == language and bool(link.amended_url)
