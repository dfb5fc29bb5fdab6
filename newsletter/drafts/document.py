"""Build the document of a prepared draft: blocks of the selected articles, recurring blocks, proposed envelopes.

Recurring blocks (a greeting, a standing notice) are blocks of the last issue that are also among the saved blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.articles.article_data import clean_text, shorten
from newsletter.drafts.selection import TranslatedArticle
from newsletter.languages import reader_words
from newsletter.models import Issue, Newsletter

MAX_SUBJECT_LENGTH, MAX_PREHEADER_LENGTH = 78, 100


def build_document(
    newsletter: Newsletter,
    picks: list[TranslatedArticle],
    *,
    briefs: int = 0,
    before: Iterable[content.Block] = (),
    after: Iterable[content.Block] = (),
) -> content.Document:
    """Build the document: the first article is the lead, the last `briefs` become briefs. Subject and preheader are
    proposals.
    """
    story_blocks: list[content.Block] = []
    for place, item in enumerate(picks):
        if place == 0:
            story_blocks.append(issues.build_article_block(item.versions, newsletter, kind=content.Lead))
        elif place >= len(picks) - briefs:
            story_blocks.append(issues.build_article_block(item.versions, newsletter, kind=content.Brief))
        else:
            story_blocks.append(issues.build_article_block(item.versions, newsletter, kind=content.Story))
    envelopes = {language: build_envelope(picks, language) for language in newsletter.languages}
    return content.Document(envelopes=envelopes, blocks=[*before, *story_blocks, *after])


def build_envelope(picks: list[TranslatedArticle], language: str) -> content.Envelope:
    """A subject and a preheader made from headlines; empty if no article is in `language`."""
    versions = [item.versions[language] for item in picks if language in item.versions]
    if not versions:
        return content.Envelope()
    subject = shorten(clean_text(versions[0].title), most=MAX_SUBJECT_LENGTH)
    headlines = [clean_text(article.title) for article in versions[1:4]]
    return content.Envelope(subject=subject, preheader=_preheader(versions[0].summary, headlines, language))


def fill_preheaders(document: content.Document, newsletter: Newsletter) -> None:
    """Fill empty preheaders from the headlines, in each language. A preheader that an editor wrote stays."""
    for language in newsletter.languages:
        texts = [block.words[language] for block in document.blocks if _is_story(block) and language in block.words]
        envelope = document.envelopes.setdefault(language, content.Envelope())
        if texts and not envelope.preheader:
            envelope.preheader = _preheader(texts[0].summary, [words.headline for words in texts[1:4]], language)


def _is_story(block: content.Block) -> TypeGuard[content.Lead | content.Story | content.Brief]:
    return isinstance(block, content.ArticleBlock)


def _preheader(summary: str, headlines: list[str], language: str) -> str:
    """The preheader: the other headlines, and the lead's summary if these are short."""
    with reader_words.override(language):
        line = _("Also: %(headlines)s") % {"headlines": _join_headlines(headlines)} if headlines else ""
    if len(line) < MAX_PREHEADER_LENGTH // 2:
        line = f"{line} · {clean_text(summary)}".strip(" ·")
    return shorten(line, most=MAX_PREHEADER_LENGTH)


def _join_headlines(headlines: list[str]) -> str:
    """As many headlines as fit into the preheader; at least the first."""
    text = headlines[0]
    for headline in headlines[1:]:
        if len(text) + len(headline) + 10 > MAX_PREHEADER_LENGTH:
            break
        text = f"{text}; {headline}"
    return text


def split_recurring_blocks(last: Issue) -> tuple[list[content.Block], list[content.Block]]:
    """Blocks of `last` that are also saved blocks: those before its first article, and all others."""
    saved_blocks = [
        _comparable(saved)
        for saved in last.newsletter.saved_blocks.filter(deleted_at=None).values_list("content", flat=True)
    ]
    before: list[content.Block] = []
    after: list[content.Block] = []
    has_article = False
    for block in content.parse(last.content).blocks:
        if isinstance(block, content.ArticleBlock):
            has_article = True
        elif _comparable(block.model_dump(mode="json")) in saved_blocks:
            (after if has_article else before).append(
                block.model_copy(update={"id": content.new_block_id()}, deep=True)
            )
    return before, after


def _comparable(block: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a block without its id and without empty values."""
    return {name: value for name, value in block.items() if name != "id" and value not in ("", None, {}, [], False)}


def missing_translations(issue: Issue) -> dict[str, int]:
    """How many articles of `issue` lack each language after the default one. Complete languages are left out."""
    article_blocks = [block for block in content.parse(issue.content).blocks if isinstance(block, content.ArticleBlock)]
    counts = {
        language: sum(not (language in block.words and block.words[language].is_complete) for block in article_blocks)
        for language in issue.newsletter.languages[1:]
    }
    return {language: count for language, count in counts.items() if count}
