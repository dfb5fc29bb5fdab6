"""What was wrong and what is right, in an editor's words: the archive says it with its date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import issues
from newsletter.corrections.status import is_out
from newsletter.models import Correction, CorrectionKind, Editor, Issue

MAX_NOTE_LENGTH = 1000
DUPLICATE_WINDOW = timedelta(minutes=10)
"""The same words again within so long are one correction."""
WordsByLanguage = Mapping[str, str]


def create_note(
    issue: Issue,
    words: WordsByLanguage,
    *,
    numbers: Iterable[int] = (),
    is_shown: bool = True,
    editor: Editor | None,
    now: datetime,
) -> Correction:
    """Keep what was wrong and what is right, by language; the archive says it with today's date if `is_shown`.

    With `numbers` it is about these links, else about a fact. Raises issues.WrongState where the issue is not out, and
    where the same fact was put right in the same words a moment ago: somebody pressed the button twice.
    """
    about, said = sorted(set(numbers)), _said(words)
    with transaction.atomic():
        here = Issue.objects.select_for_update().get(pk=issue.pk)
        if not is_out(here):
            raise issues.wrong_state_error(issue)
        if not about and _is_there(here, said, now=now):
            raise issues.WrongState(_("This correction was kept a moment ago already. Nothing was done twice."))
        made = Correction.objects.create(
            issue=issue,
            kind=CorrectionKind.LINK if about else CorrectionKind.FACT,
            links=about,
            words=said,
            is_shown=is_shown,
            made_at=now,
            made_by=editor,
            changed_at=now,
        )
        issues.audit("correction-noted", issue, editor=editor, now=now, correction=made.pk, shown=is_shown)
    return made


def _is_there(issue: Issue, said: dict[str, str], *, now: datetime) -> bool:
    lately = issue.corrections.filter(kind=CorrectionKind.FACT, made_at__gt=now - DUPLICATE_WINDOW)
    return any(one.words == said for one in lately)


def update_note(correction: Correction, words: WordsByLanguage, *, editor: Editor | None, now: datetime) -> None:
    """Say it better; the day of the correction stays, and the page says that it changed."""
    before, after = dict(correction.words), _said(words)
    if before == after:
        return
    with transaction.atomic():
        Correction.objects.filter(pk=correction.pk).update(words=after, changed_at=now)
        about = {"correction": correction.pk, "before": before, "after": after}
        issues.audit("correction-changed", correction.issue, editor=editor, now=now, **about)
    correction.words, correction.changed_at = after, now


def set_note_visibility(correction: Correction, is_shown: bool, *, editor: Editor | None, now: datetime) -> None:
    """Take the note off the page, or put it there again; the log remembers either."""
    with transaction.atomic():
        here = Correction.objects.filter(pk=correction.pk, is_shown=not is_shown)
        if here.update(is_shown=is_shown, changed_at=now):
            action = "correction-shown" if is_shown else "correction-hidden"
            issues.audit(action, correction.issue, editor=editor, now=now, correction=correction.pk)
    correction.is_shown = is_shown


def _said(words: WordsByLanguage) -> dict[str, str]:
    typed = {language: normalize_newlines(said).strip() for language, said in words.items()}
    return {language: said[:MAX_NOTE_LENGTH] for language, said in typed.items() if said}


def normalize_newlines(typed: str) -> str:
    """With the line ends that we count and keep; browsers send two characters for each."""
    return typed.replace("\r\n", "\n").replace("\r", "\n")


def propose_note(label: str, language: str) -> str:
    """A note about a wrong link, for an editor to make better; "" in a language that we do not speak."""
    if not is_supported_language(language):
        return ""
    with translation.override(language):
        sentence = _("The link “%(label)s” led to the wrong page. It leads to the right one now.")
        return sentence % {"label": label}


def is_supported_language(language: str) -> bool:
    return language in dict(settings.LANGUAGES)


def text_to_html(typed: str) -> str:
    """Plain words as the little HTML of a document."""
    parts = [" ".join(part.split()) for part in normalize_newlines(typed).split("\n\n")]
    return "".join(f"<p>{escape(part, quote=False)}</p>" for part in parts if part)
