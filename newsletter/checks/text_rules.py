"""What an issue's words give away: a subject used before, another language than it says, last year's date, a promised file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.blocks.findings import Defect
from newsletter.formatting import language_name
from newsletter.models import Issue
from newsletter.rendering import colours, richtext

COPYRIGHT_YEAR = re.compile(
    r"(?:©|\(c\)|copyright|hak cipta)\D{0,12}((?:19|20)\d\d)(?:\s*[-–]\s*((?:19|20)\d\d))?", re.IGNORECASE
)
ATTACHMENT_PHRASE = re.compile(
    r"\b(?:(?:is|are|see|find|the) attached|attached (?:file|document|pdf|letter|form)|in the attachment|"
    r"terlampir|kami lampirkan|(?:lihat|dalam|pada) lampiran)\b",
    re.IGNORECASE,
)
INDONESIAN_STOP_WORDS = (
    "yang dan di ke dari untuk dengan tidak ini itu pada akan bisa dapat bagi atau juga sudah belum lebih oleh para dalam "
    "kini mulai cara apa siapa bagaimana tentang saat tanpa agar"
)
ENGLISH_STOP_WORDS = (
    "the and of to in for with on is are not this that from by at how what who when your you can will be it as an about "
    "more has have new now without"
)
STOP_WORDS = {"id": frozenset(INDONESIAN_STOP_WORDS.split()), "en": frozenset(ENGLISH_STOP_WORDS.split())}
"""Words that a sentence of a language can hardly do without."""


def find_repeated_subjects(issue: Issue, document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """The subject of the last issue again: readers would take it for the same mail."""
    last = issues.last_sent(issue)
    before = subjects_by_language(last)
    for language in languages:
        own = document.envelopes.get(language)
        if last and own and is_same_subject(before.get(language, ""), own.subject):
            message = _("Issue %(number)s had the same subject. Readers would take this for the same mail.")
            yield Defect(message % {"number": last.number}, None, None, language)


def subjects_by_language(issue: Issue | None) -> dict[str, str]:
    """What an issue's subject was, by language."""
    envelopes = issue.content.get("envelopes", {}) if issue else {}
    return {language: str(envelope.get("subject", "")) for language, envelope in envelopes.items()}


def is_same_subject(one: str, other: str) -> bool:
    """Whether two subjects say the same, apart from case and punctuation; an empty one is like no other."""
    return bool(_levelled(one)) and _levelled(one) == _levelled(other)


def _levelled(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def find_foreign_subjects(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    for language in languages:
        own = document.envelopes.get(language)
        other = detect_language(own.subject) if own else ""
        if other and other != language and language in STOP_WORDS:
            message = _("The subject for readers in %(language)s seems to be in %(other)s.")
            names = {"language": language_name(language), "other": language_name(other)}
            yield Defect(message % names, None, None, language)


def detect_language(text: str) -> str:
    """The language of a short text where its small words leave no doubt, else ""."""
    words = re.findall(r"[a-z]+", text.lower())
    counts = {language: sum(word in small for word in words) for language, small in STOP_WORDS.items()}
    best, other = sorted(counts, key=lambda language: counts[language], reverse=True)
    return best if counts[best] >= 2 and not counts[other] else ""


def find_pale_accent(accent: str) -> Iterator[Defect]:
    """Mails use a darker one then, so nothing is hard to read; but it is not the colour that was chosen."""
    if colours.contrast(accent, colours.PAPER) < colours.MIN_CONTRAST:
        message = _("The accent %(accent)s is too pale for words, so mails use %(near)s. Choose it in the settings.")
        yield Defect(message % {"accent": accent, "near": colours.readable_accent(accent)})


def find_outdated_years(document: content.Document, languages: Iterable[str], *, at: datetime) -> Iterator[Defect]:
    for block, language, text in _texts(document, languages):
        for found in COPYRIGHT_YEAR.finditer(text):
            year = int(found[2] or found[1])
            if year < at.year:
                message = _("“%(words)s”: is %(year)s still right?")
                yield Defect(message % {"words": found[0], "year": year}, block, None, language)


def find_promised_attachments(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """Issues never have attachments."""
    for block, language, text in _texts(document, languages):
        if found := ATTACHMENT_PHRASE.search(text):
            message = _("“%(words)s”: an issue has no attachment. Link the file instead.")
            yield Defect(message % {"words": found[0]}, block, None, language)


def _texts(document: content.Document, languages: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(block, language, words) of the running texts."""
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            for html in words.rich_texts() if words else ():
                try:
                    yield block.id, language, richtext.plain_words(richtext.parse(html))
                except richtext.TooComplex:
                    continue  # rendering reports it
