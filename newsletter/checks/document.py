"""What an issue's document lacks before anything is rendered: languages, half-written blocks, wrong addresses."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from newsletter import content, editions
from newsletter.checks.findings import Defect
from newsletter.models import MediaFile
from newsletter.rendering import appearance, links, richtext

MOST_PICTURE_BYTES = 600_000
WIDEST_PICTURE = 1_200


def missing(document: content.Document, language: str, default: str) -> Iterator[Defect]:
    """What a reader of `language` would not get, or would get in another language without being told."""
    name = _language_name(language)
    if not any(block.kind != "divider" for block, _words, _spoken in content.shown(document, language, default)):
        yield Defect(_("There is nothing to read in %(language)s.") % {"language": name})
        return
    for block in document.blocks:
        own = block.words.get(language)
        if block.policy.get(language) == "required" and not (own and own.is_complete):
            yield Defect(_("This block has to be written in %(language)s.") % {"language": name}, block.id)
    if language == default:
        return
    if not document.envelope(language, language).subject:
        yield Defect(_("The subject is not written in %(language)s yet.") % {"language": name}, None, "warns")
    if not any(spoken == language for block, _w, spoken in content.shown(document, language, default) if block.words):
        yield Defect(_("No text is written in %(language)s yet.") % {"language": name}, None, "warns")


def _language_name(language: str) -> str:
    try:
        return str(get_language_info(language)["name_translated"])
    except KeyError:
        return language


def foreign_unmarked(rendering: editions.Rendering, document: content.Document, default: str) -> Iterator[Defect]:
    shown = content.shown(document, rendering.language, default)
    foreign = {block.id: spoken for block, _words, spoken in shown if spoken != rendering.language}
    tree = appearance.parse(rendering.html) if foreign else None
    for block_id, spoken in foreign.items():
        parts = [] if tree is None else tree.find_class(f"blk-{block_id}")
        marked = [
            one for part in parts for one in part.iter() if isinstance(one.tag, str) and one.get("lang") == spoken
        ]
        if parts and not marked:
            yield Defect(_("A text in another language is not marked as such."), block_id)


def unfinished(document: content.Document) -> Iterator[Defect]:
    """Blocks that somebody began in a language; they would be left out without a word."""
    for block in document.blocks:
        for language, words in block.words.items():
            if words.is_complete or not any(words.model_dump().values()):
                continue
            yield Defect(f"{_lacks(words)} ({_language_name(language)})", block.id)


def _lacks(words: content.Words) -> str:
    match words:
        case content.StoryWords(headline=""):
            return _("This story has no headline.")
        case content.StoryWords():
            return _("This story has no link to its article.")
        case content.ButtonWords(label=""):
            return _("This button has no words.")
        case content.ButtonWords():
            return _("This button leads nowhere.")
        case content.QuoteWords():
            return _("This quote has a source, but no words.")
        case _:
            return _("This block is not finished.")


def wrong_links(document: content.Document) -> Iterator[Defect]:
    for block in document.blocks:
        for words in block.words.values():
            for url in _urls(words):
                if url and not links.is_safe(links.encoded(url)) and not url.startswith("#"):
                    message = _("“%(address)s” is not a web address. It has to start with https.")
                    yield Defect(message % {"address": url[:60]}, block.id)


def _urls(words: content.Words) -> Iterator[str]:
    if isinstance(words, (content.StoryWords, content.ButtonWords)):
        yield words.url
    body = words.summary if isinstance(words, content.StoryWords) else getattr(words, "body", "")
    try:
        yield from (url for url, _label in richtext.urls(richtext.read(body)))
    except richtext.TooComplex:
        return  # rendering says so


def told_twice(document: content.Document) -> Iterator[Defect]:
    seen: set[int] = set()
    for block in document.blocks:
        article = getattr(block, "article", None)
        if article and article in seen:
            yield Defect(_("The same article is in this issue twice."), block.id)
        if article:
            seen.add(article)


def heavy_pictures(document: content.Document) -> Iterator[Defect]:
    pictures: dict[int, content.Lead | content.Story] = {}
    for block in document.blocks:
        if isinstance(block, (content.Lead, content.Story)) and block.picture:
            pictures.setdefault(block.picture.media, block)
    total = 0
    for file in MediaFile.objects.filter(pk__in=pictures):
        total += file.size
        if file.width > WIDEST_PICTURE:
            yield Defect(_("This picture is wider than 1,200 pixels."), pictures[file.pk].id)
    for block in pictures.values():
        if not any(getattr(words, "image_alt", "") for words in block.words.values()):
            yield Defect(_("This picture has no description. Say what it shows."), block.id)
    if total > MOST_PICTURE_BYTES:
        yield Defect(_("The pictures have %(size)s kB together; 600 are quick to load.") % {"size": total // 1000})
