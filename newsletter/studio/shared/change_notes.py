"""The guard in the composer: a note on each block whose article changed, and the steps that answer it.

`take:b1` and `take:b1:en` put the article's new words in, `keep:b1` and `keep:b1:en` leave the editor's.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from newsletter import content, formatting
from newsletter.articles import article_changes
from newsletter.models import Issue
from newsletter.studio.shared import document_form

ALIKE = 0.4
"""Texts less alike than this are shown one after the other instead of word by word."""


@dataclass(frozen=True)
class Piece:
    """Some words of a text, and whether they are new, old or in both."""

    text: str
    is_new: bool = False
    is_old: bool = False


@dataclass(frozen=True)
class Difference:
    """What a text said, what it says now, and both in one."""

    then: str
    now: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Note:
    """A change as the card of its block shows it."""

    block: str
    kind: article_changes.Kind
    language: str
    language_name: str
    """"" for the language that is being edited."""
    differences: tuple[Difference, ...]
    url: str
    reason: str
    looked_at: datetime | None

    @property
    def rest(self) -> str:
        """What stands behind the colon of `do`."""
        return f"{self.block}:{self.language}"

    @property
    def can_take(self) -> bool:
        return self.kind in {"retitled", "reworded", "moved"}


def notes(document: content.Document, *, language: str) -> list[Note]:
    """What the cards of `document` say about changed articles, the language being edited first."""
    found = [note(change, language=language) for change in article_changes.in_document(document)]
    return sorted(found, key=lambda one: bool(one.language_name))


def note(change: article_changes.Change, *, language: str = "") -> Note:
    then, now = change.then, change.now
    told = [(then.title, now.title), (then.summary, now.summary)] if change.kind in {"retitled", "reworded"} else []
    return Note(
        block=change.block,
        kind=change.kind,
        language=change.language,
        language_name="" if change.language == language else formatting.language_name(change.language),
        differences=tuple(difference(old, new) for old, new in told if not article_changes.is_same(old, new)),
        url=change.url,
        reason=_(change.reason) if change.reason else "",
        looked_at=change.looked_at,
    )


def difference(then: str, now: str) -> Difference:
    """Two texts, and their words in one line."""
    old, new = then.split(), now.split()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < ALIKE:
        return Difference(then, now, _both(then, now))
    pieces: list[Piece] = []
    for what, a, b, c, d in matcher.get_opcodes():
        gone, come = " ".join(old[a:b]), " ".join(new[c:d])
        pieces += [Piece(gone)] if what == "equal" else _both(gone, come)
    return Difference(then, now, tuple(pieces))


def _both(then: str, now: str) -> tuple[Piece, ...]:
    return tuple(piece for piece in (Piece(then, is_old=True), Piece(now, is_new=True)) if piece.text)


# --- steps -----------------------------------------------------------------------------------------------------------


def take(_issue: Issue, document: content.Document, rest: str) -> str:
    return _answered(article_changes.take, document, rest)


def keep(_issue: Issue, document: content.Document, rest: str) -> str:
    return _answered(article_changes.keep, document, rest)


def _answered(answer: Callable[..., None], document: content.Document, rest: str) -> str:
    block, _colon, language = rest.partition(":")
    try:
        answer(document, block, language=language)
    except article_changes.NotThere:
        raise document_form.BadForm("block") from None
    return block
