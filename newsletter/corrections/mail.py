"""A correction by mail: a short issue that says what was wrong and what is right."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.articles.article_data import shorten
from newsletter.corrections.errata import erratum_heading
from newsletter.corrections.notes import is_supported_language, propose_note, text_to_html
from newsletter.corrections.status import numbered_links
from newsletter.languages import reader_words
from newsletter.models import AuditEntry, Correction, Editor, Issue, Link, Newsletter

MAX_LABEL_LENGTH = 45
"""Maximum length of a link's label in the subject, so that mailboxes show the subject in full."""


def create_mail_draft(
    correction: Correction, audience: dict[str, Any], *, editor: Editor | None, now: datetime
) -> Issue:
    """Create a short issue about the correction, for the readers that `audience` describes.

    It is an ordinary draft: it is edited, reviewed, approved and sent like every issue.
    """
    newsletter = correction.issue.newsletter
    amended = [
        link for link in numbered_links(correction.issue) if link.number in correction.links and link.amended_url
    ]
    document = build_mail_document(correction, amended)
    with transaction.atomic():
        draft = issues.create(newsletter, editor=editor, now=now)
        Issue.objects.filter(pk=draft.pk).update(audience=audience)
        draft = issues.save(draft, document, version=draft.version, editor=editor, now=now)
        about = {"corrects": correction.issue_id, "correction": correction.pk}
        issues.audit("correction-drafted", draft, editor=editor, now=now, **about)
    return draft


def mail_issues(issue: Issue) -> dict[int, Issue]:
    """The mail about each correction of `issue`, by the correction's id. Deleted drafts do not count."""
    about = {"detail__corrects": issue.pk, "detail__has_key": "correction"}
    entries = AuditEntry.objects.filter(action="correction-drafted", **about).order_by("pk")
    issue_ids = {int(row.detail["correction"]): int(row.subject.removeprefix("issue ")) for row in entries}
    by_id = Issue.objects.not_deleted().in_bulk(issue_ids.values())
    return {correction: by_id[pk] for correction, pk in issue_ids.items() if pk in by_id}


def build_mail_document(correction: Correction, amended: list[Link]) -> content.Document:
    """The document of that draft. `amended` are the links it is about."""
    newsletter = correction.issue.newsletter
    return content.Document(
        envelopes={language: _envelope(correction, amended, language) for language in newsletter.languages},
        blocks=_blocks(correction, amended, newsletter),
    )


def _envelope(correction: Correction, amended: list[Link], language: str) -> content.Envelope:
    if not is_supported_language(language):
        return content.Envelope()
    label = _label(amended, language)
    with reader_words.override(language):
        about = {"number": correction.issue.number, "label": shorten(label, most=MAX_LABEL_LENGTH)}
        if not amended:
            return content.Envelope(
                subject=_("Correction to issue %(number)s") % about,
                preheader=_("One detail was wrong. Here is what is right."),
            )
        return content.Envelope(
            subject=_("Correction to issue %(number)s: “%(label)s”") % about,
            preheader=_("One link was wrong. Here is the right one, and in the first mail it is right now, too."),
        )


def _blocks(correction: Correction, amended: list[Link], newsletter: Newsletter) -> list[content.Block]:
    notice = content.Callout()
    button, close = content.Button(), content.Text()
    for language in newsletter.languages:
        label = _label(amended, language)
        note = correction.words.get(language) or (propose_note(label, language) if amended else "")
        if not note:
            continue
        notice.words[language] = content.TextWords(
            heading=erratum_heading(correction.issue, language), body=text_to_html(note)
        )
        if amended:
            button.words[language] = content.ButtonWords(label=label, url=_target(amended, language))
        close.words[language] = content.TextWords(body=text_to_html(_sorry(bool(amended), language)))
    return [notice, *([button] if amended else []), close]


def _label(amended: list[Link], language: str) -> str:
    """The label of the link for readers of `language`, else in any language."""
    labels = [link.label for link in amended if link.language == language] + [link.label for link in amended]
    return next((label for label in labels if label), amended[0].target if amended else "")


def _target(amended: list[Link], language: str) -> str:
    return next((link.target for link in amended if link.language == language), amended[0].target)


def _sorry(is_a_link: bool, language: str) -> str:
    with reader_words.override(language):
        if is_a_link:
            return _("We are sorry. In the mail that you already have, the link leads to the right page now, too.")
        return _("We are sorry for the mistake.")
