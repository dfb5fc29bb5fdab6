"""A note by mail: a short issue that says what was wrong and what is right."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.articles.article_data import shorten
from newsletter.corrections.errata import erratum_heading
from newsletter.corrections.notes import is_supported_language, propose_note, text_to_html
from newsletter.corrections.status import numbered_links
from newsletter.models import AuditEntry, Correction, Editor, Issue, Link, Newsletter

MAX_LABEL_LENGTH = 45
"""Characters of a link's words in a subject, which is not to be longer than mailboxes show."""


def create_mail_draft(
    correction: Correction, audience: dict[str, Any], *, editor: Editor | None, now: datetime
) -> Issue:
    """A short issue that says what was wrong and what is right, for those whom `audience` describes.

    A draft like any other: it is edited, reviewed, approved and sent as every issue is.
    """
    newsletter = correction.issue.newsletter
    amended = [one for one in numbered_links(correction.issue) if one.number in correction.links and one.amended_url]
    document = build_mail_document(correction, amended)
    with transaction.atomic():
        made = issues.create(newsletter, editor=editor, now=now)
        Issue.objects.filter(pk=made.pk).update(audience=audience)
        made = issues.save(made, document, version=made.version, editor=editor, now=now)
        about = {"corrects": correction.issue_id, "correction": correction.pk}
        issues.audit("correction-drafted", made, editor=editor, now=now, **about)
    return made


def mail_issues(issue: Issue) -> dict[int, Issue]:
    """The mail about each correction of `issue`, by the correction's id; drafts that were thrown away do not count."""
    about = {"detail__corrects": issue.pk, "detail__has_key": "correction"}
    made = AuditEntry.objects.filter(action="correction-drafted", **about).order_by("pk")
    named = {int(row.detail["correction"]): int(row.subject.removeprefix("issue ")) for row in made}
    found = Issue.objects.not_deleted().in_bulk(named.values())
    return {correction: found[pk] for correction, pk in named.items() if pk in found}


def build_mail_document(correction: Correction, amended: list[Link]) -> content.Document:
    """What that draft says; `amended` are the links that it is about."""
    newsletter = correction.issue.newsletter
    return content.Document(
        envelopes={language: _envelope(correction, amended, language) for language in newsletter.languages},
        blocks=_blocks(correction, amended, newsletter),
    )


def _envelope(correction: Correction, amended: list[Link], language: str) -> content.Envelope:
    if not is_supported_language(language):
        return content.Envelope()
    label = _label(amended, language)
    with translation.override(language):
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
        said = correction.words.get(language) or (propose_note(label, language) if amended else "")
        if not said:
            continue
        notice.words[language] = content.TextWords(
            heading=erratum_heading(correction.issue, language), body=text_to_html(said)
        )
        if amended:
            button.words[language] = content.ButtonWords(label=label, url=_target(amended, language))
        close.words[language] = content.TextWords(body=text_to_html(_sorry(bool(amended), language)))
    return [notice, *([button] if amended else []), close]


def _label(amended: list[Link], language: str) -> str:
    """What readers of `language` know the link as, else any words of it."""
    told = [one.label for one in amended if one.language == language] + [one.label for one in amended]
    return next((label for label in told if label), amended[0].target if amended else "")


def _target(amended: list[Link], language: str) -> str:
    return next((one.target for one in amended if one.language == language), amended[0].target)


def _sorry(is_a_link: bool, language: str) -> str:
    with translation.override(language):
        if is_a_link:
            return _("We are sorry. In the mail that you already have, the link leads to the right page now, too.")
        return _("We are sorry for the mistake.")
