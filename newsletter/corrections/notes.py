"""Notes of editors: what was wrong and what is right. The archive shows them with their date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape

from django.db import transaction
from django.utils.translation import gettext as _

from newsletter import issues
from newsletter.corrections.status import is_out
from newsletter.languages import reader_words
from newsletter.models import Correction, CorrectionKind, Editor, Issue

MAX_NOTE_LENGTH = 1000
DUPLICATE_WINDOW = timedelta(minutes=10)
"""The same note within this time is taken for a double click."""
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
    """Store a note by language. The archive shows it with today's date if `is_shown`.

    With `numbers` it is about these links, else about a fact. Raises issues.WrongState if the issue was not sent, or if
    the same note about a fact was stored a moment ago (double click).
    """
    about, notes = sorted(set(numbers)), _cleaned(words)
    with transaction.atomic():
        # The lock on the issue's row orders two requests of a double click: the second one sees the stored note.
        locked = Issue.objects.select_for_update().get(pk=issue.pk)
        if not is_out(locked):
            raise issues.wrong_state_error(issue)
        if not about and _is_duplicate(locked, notes, now=now):
            raise issues.WrongState(_("This correction was stored a moment ago. It was not stored twice."))
        correction = Correction.objects.create(
            issue=issue,
            kind=CorrectionKind.LINK if about else CorrectionKind.FACT,
            links=about,
            words=notes,
            is_shown=is_shown,
            made_at=now,
            made_by=editor,
            changed_at=now,
        )
        issues.audit("correction-noted", issue, editor=editor, now=now, correction=correction.pk, shown=is_shown)
    return correction


def _is_duplicate(issue: Issue, notes: dict[str, str], *, now: datetime) -> bool:
    lately = issue.corrections.filter(kind=CorrectionKind.FACT, made_at__gt=now - DUPLICATE_WINDOW)
    return any(correction.words == notes for correction in lately)


def update_note(correction: Correction, words: WordsByLanguage, *, editor: Editor | None, now: datetime) -> None:
    """Change the text. The date of the correction stays, and the page shows that the note was changed."""
    before, after = dict(correction.words), _cleaned(words)
    if before == after:
        return
    with transaction.atomic():
        Correction.objects.filter(pk=correction.pk).update(words=after, changed_at=now)
        about = {"correction": correction.pk, "before": before, "after": after}
        issues.audit("correction-changed", correction.issue, editor=editor, now=now, **about)
    correction.words, correction.changed_at = after, now


def set_note_visibility(correction: Correction, is_shown: bool, *, editor: Editor | None, now: datetime) -> None:
    """Hide or show the note on the page. The audit log records both."""
    with transaction.atomic():
        changed = Correction.objects.filter(pk=correction.pk, is_shown=not is_shown)
        if changed.update(is_shown=is_shown, changed_at=now):
            action = "correction-shown" if is_shown else "correction-hidden"
            issues.audit(action, correction.issue, editor=editor, now=now, correction=correction.pk)
    correction.is_shown = is_shown


def _cleaned(notes: WordsByLanguage) -> dict[str, str]:
    typed = {language: normalize_newlines(text).strip() for language, text in notes.items()}
    return {language: text[:MAX_NOTE_LENGTH] for language, text in typed.items() if text}


def normalize_newlines(typed: str) -> str:
    """Normalise line ends to "\n", as they are counted and stored. Browsers send "\r\n"."""
    return typed.replace("\r\n", "\n").replace("\r", "\n")


def propose_note(label: str, language: str) -> str:
    """A proposed note about a wrong link, for the editor to edit; "" for an unsupported language."""
    if not is_supported_language(language):
        return ""
    with reader_words.override(language):
        sentence = _("The link “%(label)s” led to the wrong page. It leads to the right one now.")
        return sentence % {"label": label}


def is_supported_language(language: str) -> bool:
    return reader_words.has_words(language)


def text_to_html(typed: str) -> str:
    """Plain text as simple HTML."""
    parts = [" ".join(part.split()) for part in normalize_newlines(typed).split("\n\n")]
    return "".join(f"<p>{escape(part, quote=False)}</p>" for part in parts if part)
