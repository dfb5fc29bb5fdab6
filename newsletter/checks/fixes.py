"""What one click can mend: for a check that failed, a change of the document, and words that say what it does.

An `offer` looks and says; its `apply` changes the document it was made for. Undo takes it back as any other step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from newsletter import content
from newsletter.blocks import registry
from newsletter.checks import link_checker, mail_rules
from newsletter.checks.text_rules import is_same_subject
from newsletter.languages import reader_words
from newsletter.rendering import links, richtext

MAX_SUBJECT_LENGTH, MIN_SUBJECT_LENGTH = 78, 10
MAX_PREHEADER_LENGTH, MIN_PREHEADER_LENGTH = 100, 40
MAX_LABEL_LENGTH = 80

ShrinkPicture = Callable[[content.Document, str], int]
"""(document, block or "" for all) -> how many pictures became lighter."""


@dataclass(frozen=True)
class FixContext:
    """What fixes may know beside the document."""

    default: str
    own_hosts: frozenset[str] = frozenset()
    titles: Mapping[str, str] = field(default_factory=dict)
    """What is told at an address, as far as we know."""
    descriptions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By block and language, what the article says its picture shows."""
    last_subjects: Mapping[str, str] = field(default_factory=dict)
    """Of the last issue, by language."""
    led_to: Mapping[str, str] = field(default_factory=dict)
    """Where an address led when it was tried."""
    lighter: ShrinkPicture = lambda _document, _block: 0


class Fix(NamedTuple):
    label: str
    """What pressing the button does."""
    apply: Callable[[], None]
    focus: str = ""
    """The field to look at afterwards, where it is none of a block."""


class FixTarget(NamedTuple):
    """A block in the language whose words its readers get."""

    block: Any
    language: str
    words: Any


def find_fix(
    check: str, document: content.Document, block: str, language: str, *, facts: FixContext, about: str = ""
) -> Fix | None:
    """What one click can do about `check`; `about` narrows it to one address or phrase."""
    on_envelope, on_block = ENVELOPE_FIXES.get(check), BLOCK_FIXES.get(check)
    if on_envelope is not None:
        return on_envelope(document, language or facts.default, facts)
    if check == "E17":
        return _lighter(document, block, facts)
    place = _place(document, block, language or facts.default, facts)
    return on_block(document, place, facts, about) if on_block and place else None


def _place(document: content.Document, block_id: str, language: str, facts: FixContext) -> FixTarget | None:
    block = document.block(block_id)
    if block is None:
        return None
    shown = content.words_for(block, language, facts.default)
    own = block.words.get(language)
    if shown is not None:
        return FixTarget(block, shown[1], shown[0])
    if own is None and registry.kind_of(block).is_picture:
        own = registry.kind_of(block).new_words()
    return FixTarget(block, language, own)


def _put(place: FixTarget, **fields: Any) -> None:
    place.block.words[place.language] = place.words.model_copy(update=fields)


# --- subject and preview text ----------------------------------------------------------------------------------------


def _subject(document: content.Document, language: str, facts: FixContext) -> Fix | None:
    language = language if _own(document, language).subject else facts.default
    subject = _own(document, language).subject
    if len(subject) > MAX_SUBJECT_LENGTH:
        return _write(document, language, "subject", shorten(subject, MAX_SUBJECT_LENGTH))
    return _headline(document, language) if len(subject) < MIN_SUBJECT_LENGTH else None


def _used_subject(document: content.Document, language: str, facts: FixContext) -> Fix | None:
    is_used = is_same_subject(facts.last_subjects.get(language, ""), _own(document, language).subject)
    return _headline(document, language) if is_used else None


def _headline(document: content.Document, language: str) -> Fix | None:
    """The first headline as the subject, where it says something else."""
    subject = _own(document, language).subject
    for headline, _summary in _told(document, language):
        short = shorten(headline, MAX_SUBJECT_LENGTH)
        if len(short) >= MIN_SUBJECT_LENGTH and short.casefold() != subject.casefold():
            return _write(document, language, "subject", short)
    return None


def _preheader(document: content.Document, language: str, facts: FixContext) -> Fix | None:
    language = language if _own(document, language).preheader else _spoken(document, language, facts)
    own = _own(document, language)
    if len(own.preheader) > MAX_PREHEADER_LENGTH:
        return _write(document, language, "preheader", shorten(own.preheader, MAX_PREHEADER_LENGTH))
    if len(own.preheader) >= MIN_PREHEADER_LENGTH and own.preheader.casefold() != own.subject.casefold():
        return None
    for _headline, summary in _told(document, language):
        short = shorten(summary, MAX_PREHEADER_LENGTH)
        if len(short) >= MIN_PREHEADER_LENGTH and short.casefold() not in (
            own.subject.casefold(),
            own.preheader.casefold(),
        ):
            return _write(document, language, "preheader", short)
    return None


def _own(document: content.Document, language: str) -> content.Envelope:
    return document.envelopes.get(language, content.Envelope())


def _spoken(document: content.Document, language: str, facts: FixContext) -> str:
    """`language`, if something is told in it."""
    return language if next(_told(document, language), None) else facts.default


def _told(document: content.Document, language: str) -> Iterator[tuple[str, str]]:
    """Headline and summary of the stories, in plain words."""
    for block in document.blocks:
        words = block.words.get(language) if isinstance(block, content.ArticleBlock) else None
        if words is not None and words.headline:
            yield richtext.clean_line(words.headline), _plain(words.summary)


def _plain(html: str) -> str:
    try:
        return richtext.clean_line(richtext.plain_words(richtext.parse(html)))
    except richtext.TooComplex:
        return ""


def _write(document: content.Document, language: str, name: str, text: str) -> Fix:
    def apply() -> None:
        document.envelopes[language] = _own(document, language).model_copy(update={name: text})

    return Fix(_("Write “%(words)s”") % {"words": text}, apply, focus=name)


def shorten(text: str, most: int) -> str:
    """`text`, cut behind a word with an ellipsis where it is longer than `most`; one long word is cut anywhere."""
    if len(text) <= most:
        return text
    head, blank, _rest = text[:most].rpartition(" ")
    return (head if blank and len(head) > most // 2 else text[: most - 1]).rstrip(" ,.;:–-(“\"'") + "…"


# --- pictures --------------------------------------------------------------------------------------------------------


def _describe(document: content.Document, place: FixTarget, facts: FixContext, about: str) -> Fix | None:
    if not hasattr(place.words, "image_alt") or getattr(place.block, "picture", None) is None:
        return None
    known = facts.descriptions.get((place.block.id, place.language), "")
    words = richtext.clean_line(known or getattr(place.words, "headline", ""))[:300]
    if not words or words == place.words.image_alt or mail_rules.FILE_NAME.match(words):
        return None
    return Fix(_("Describe it as “%(words)s”") % {"words": words}, lambda: _put(place, image_alt=words))


def _unlink(document: content.Document, place: FixTarget, facts: FixContext, about: str) -> Fix | None:
    if not registry.kind_of(place.block).is_picture or not getattr(place.words, "url", ""):
        return None
    return Fix(_("Take the link away"), lambda: _put(place, url=""))


def _lighter(document: content.Document, block: str, facts: FixContext) -> Fix:
    label = _("Make it smaller") if block else _("Make the heaviest smaller")
    return Fix(label, lambda: _ignore(facts.lighter(document, block)))


def _ignore(_result: int) -> None:
    return


# --- links -----------------------------------------------------------------------------------------------------------


def _name_links(document: content.Document, place: FixTarget, facts: FixContext, about: str) -> Fix | None:
    """Generic words of links become what is told there, else the site's name."""
    if place.words is None:
        return None
    found = list(_generic(place.words, place.language, facts))
    if not found:
        return None
    label = found[0]

    def apply() -> None:
        fields: dict[str, Any] = {}
        for name in ("link_text", "label"):
            if is_generic_label(getattr(place.words, name, "")):
                fields[name] = _named(place.words.url, getattr(place.words, "headline", ""), place.language, facts)
        _put(place, **fields, **_rich_fields(place.words, _renamed(place.language, facts)))

    return Fix(_("Say “%(words)s”") % {"words": label}, apply)


def is_generic_label(label: str) -> bool:
    return label.lower().strip(" .…!›»>→:") in mail_rules.GENERIC_LABELS


def _generic(words: Any, language: str, facts: FixContext) -> Iterator[str]:
    """What the generic links of a block would say instead."""
    for name in ("link_text", "label"):
        if is_generic_label(getattr(words, name, "")):
            yield _named(words.url, getattr(words, "headline", ""), language, facts)
    for html in words.rich_texts():
        for url, label in richtext.link_targets(_read(html)):
            if is_generic_label(label):
                yield _named(url, "", language, facts)


def _named(url: str, headline: str, language: str, facts: FixContext) -> str:
    title = richtext.clean_line(headline or facts.titles.get(links.percent_encode(url), ""))
    with reader_words.override(language):
        if title:
            return _("Read: %(headline)s") % {"headline": shorten(title, MAX_LABEL_LENGTH)}
        return _("Go to %(site)s") % {"site": links.host(url) or url}


def _renamed(language: str, facts: FixContext) -> Callable[[richtext.TextRuns], richtext.TextRuns]:
    def rename(runs: richtext.TextRuns) -> richtext.TextRuns:
        found: list[richtext.TextRun] = []
        for href, group in groupby(runs, key=lambda run: run.href):
            stretch = list(group)
            label = "".join(run.text for run in stretch)
            if href and is_generic_label(label):
                stretch = [stretch[0]._replace(text=_named(href, "", language, facts))]
            found += stretch
        return tuple(found)

    return rename


def _sound_links(document: content.Document, place: FixTarget, facts: FixContext, about: str) -> Fix | None:
    """The secure address of the publisher's own site, and where a shortener led."""
    better = {url: to for url in _urls(place.words) if (to := _better(url, facts))}
    if about and links.percent_encode(about) not in better:
        return None
    if not better:
        return None
    to = better[links.percent_encode(about)] if about else next(iter(better.values()))

    def apply() -> None:
        fields = {
            name: better[links.percent_encode(url)]
            for name in place.words.LINK_FIELDS
            if links.percent_encode(url := getattr(place.words, name)) in better
        }
        _put(place, **fields, **_rich_fields(place.words, _led(better)))

    return Fix(_("Use %(address)s") % {"address": to if len(to) <= 60 else to[:59] + "…"}, apply)


def _urls(words: Any) -> list[str]:
    return [links.percent_encode(url) for url, _label in link_checker.extract_links(words)] if words is not None else []


def _better(url: str, facts: FixContext) -> str:
    if url.lower().startswith("http:") and links.host(url) in facts.own_hosts:
        return "https:" + url[5:]
    to = facts.led_to.get(url, "")
    is_short = links.host(url) in mail_rules.SHORTENERS and links.host(to) != links.host(url)
    return to if is_short and to.startswith("https:") else ""


def _led(better: Mapping[str, str]) -> Callable[[richtext.TextRuns], richtext.TextRuns]:
    return lambda runs: tuple(run._replace(href=better.get(links.percent_encode(run.href), run.href)) for run in runs)


# --- blocks ----------------------------------------------------------------------------------------------------------


def _once(document: content.Document, place: FixTarget, facts: FixContext, about: str) -> Fix | None:
    article = getattr(place.block, "article", None)
    first = next((block for block in document.blocks if article and getattr(block, "article", None) == article), None)
    if first is None or first is place.block:
        return None
    return Fix(_("Remove this one"), lambda: document.blocks.remove(place.block))


def _fallback(document: content.Document, place: FixTarget, facts: FixContext, about: str) -> Fix | None:
    """Words for readers of whom we know no name."""
    if place.words is None:
        return None
    with reader_words.override(place.language):
        word = _("reader")

    def filled(runs: richtext.TextRuns) -> richtext.TextRuns:
        return tuple(run._replace(text=word) if run.merge and not run.text.strip() else run for run in runs)

    label = _("Write “%(words)s” for them") % {"words": word}
    return Fix(label, lambda: _put(place, **_rich_fields(place.words, filled)))


# --- rich text -------------------------------------------------------------------------------------------------------


def _read(html: str) -> richtext.RichText:
    try:
        return richtext.parse(html)
    except richtext.TooComplex:
        return ()


def _rich_fields(words: Any, change: Callable[[richtext.TextRuns], richtext.TextRuns]) -> dict[str, Any]:
    """The texts of a block that `change` makes different, by the name of their field."""
    fields: dict[str, Any] = words.change_rich_texts(lambda html: _changed(html, change))
    return fields


def _changed(html: str, change: Callable[[richtext.TextRuns], richtext.TextRuns]) -> str:
    rich = _read(html)
    new = tuple(
        replace(block, items=tuple(change(runs) for runs in block.items))
        if isinstance(block, richtext.ListBlock)
        else replace(block, runs=change(block.runs))
        for block in rich
    )
    return html if new == rich else str(richtext.to_html(new, lambda url, _label: url))


ENVELOPE_FIXES: dict[str, Callable[[content.Document, str, FixContext], Fix | None]] = {
    "E20": _preheader,
    "E21": _subject,
    "subject": _used_subject,
}
BLOCK_FIXES: dict[str, Callable[[content.Document, FixTarget, FixContext, str], Fix | None]] = {
    "E07": _describe,
    "alt": _describe,
    "headline": _describe,
    "E09": _name_links,
    "E18": _sound_links,
    "decoration": _unlink,
    "name": _fallback,
    "twice": _once,
}
