"""What changed in articles since an issue took their words: retitled, reworded, moved, gone, or not to be read just now.

A block keeps what its article said when it was taken (`seen`); this compares that with what the article says now. The
composer shows the differences, the checks count them, workers read the pages again.
"""

from __future__ import annotations

import html
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from newsletter import articles, content, issues
from newsletter.articles.article_data import absolute_url, canonical_url, clean_text
from newsletter.models import Article, ArticleState, Issue

logger = logging.getLogger(__name__)

ChangeKind = Literal["gone", "retitled", "reworded", "moved", "unreachable"]
MAX_CONCURRENT = 4
"""Pages read at the same time."""
_DRAWN = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "´": "'", "`": "'"}
)
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")


class BlockNotFound(LookupError):
    """The document has no such block, or the block tells no article of ours."""


@dataclass(frozen=True)
class ArticleChange:
    """How the article that a block tells in a language differs from what the block took. The gravest kind is named."""

    block: str
    language: str
    kind: ChangeKind
    article: int
    then: content.ArticleSnapshot
    now: content.ArticleSnapshot
    looked_at: datetime | None = None
    """When the page was last read because an issue tells it."""
    reason: str = ""
    """For unreachable and gone, if known: why, as an English msgid."""

    @property
    def url(self) -> str:
        """Where the article is, as far as we know."""
        return self.now.url


@dataclass(frozen=True)
class _Told:
    """A block's article in one language: its row, and what the block took from it."""

    block: content.Lead | content.Story | content.Brief
    language: str
    article: Article
    then: content.ArticleSnapshot
    words: content.StoryWords = field(default_factory=content.StoryWords)


# --- what changed ----------------------------------------------------------------------------------------------------


def find_changes(issue: Issue) -> list[ArticleChange]:
    """What differs, in the order of the blocks. Two queries, however many blocks there are."""
    return find_document_changes(content.parse(issue.content))


def find_document_changes(document: content.Document) -> list[ArticleChange]:
    """The same for a document that is not stored yet."""
    return [change for told in _told(document.blocks) if (change := _change(told)) is not None]


def is_same_text(one: str, other: str) -> bool:
    """Whether two texts say the same: white space, kinds of quotes and dashes, and invisible characters do not count."""
    return _levelled(one) == _levelled(other)


def _levelled(text: str) -> str:
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", html.unescape(text))).translate(_DRAWN)
    return " ".join(_DASHES.sub("-", text).split())


def _change(told: _Told) -> ArticleChange | None:
    kind = _kind(told)
    if kind is None:
        return None
    return ArticleChange(
        block=told.block.id,
        language=told.language,
        kind=kind,
        article=told.article.pk,
        then=told.then,
        now=issues.snapshot_article(told.article),
        looked_at=told.article.looked_at,
        reason=told.article.look_error if kind == "unreachable" else "",
    )


def _kind(told: _Told) -> ChangeKind | None:
    article, then, words = told.article, told.then, told.words
    if article.state == ArticleState.GONE:
        leads_elsewhere = bool(words.url) and not any(_is_same_page(words.url, url) for url in (then.url, article.url))
        return None if told.block.keeps_gone or leads_elsewhere else "gone"
    if _differs(then.title, article.title, words.headline):
        return "retitled"
    if words.summary and _differs(then.summary, article.summary, clean_text(words.summary)):
        return "reworded"
    if then.url and _is_same_page(words.url, then.url) and not _is_same_page(article.url, then.url):
        return "moved"
    return "unreachable" if article.look_error else None


def _differs(then: str, now: str, told: str) -> bool:
    """Whether the article says something new that the block does not say already."""
    return bool(now) and not is_same_text(then, now) and not is_same_text(told, now)


def _is_same_page(one: str, other: str) -> bool:
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str, str]:
    parts = urlsplit(canonical_url(absolute_url(url)))
    return (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/"), parts.query


# --- which article a block tells -------------------------------------------------------------------------------------


def _told(blocks: Iterable[content.Block]) -> Iterator[_Told]:
    """Every article that these blocks tell, a language each, with the row we have of it."""
    telling = [block for block in blocks if isinstance(block, content.ArticleBlock) and block.article]
    main = Article.objects.in_bulk([block.article for block in telling if block.article])
    addresses = {url for block in telling for url in _addresses(block, main)}
    twins = {twin.url: twin for twin in Article.objects.filter(url__in=addresses)} if addresses else {}
    for block in telling:
        for language, words in block.words.items():
            article = _article(block, language, main, twins)
            then = _then(block, language, words)
            if article is not None and then is not None:
                yield _Told(block, language, article, then, words)


def _addresses(block: content.Lead | content.Story | content.Brief, main: dict[int, Article]) -> Iterator[str]:
    """Where the twins of the block's article may be."""
    article = main.get(block.article or 0)
    for language in block.words:
        if article is None or article.language != language:
            yield from (url for url in _twin_urls(block, language, article) if url)


def _twin_urls(
    block: content.Lead | content.Story | content.Brief, language: str, article: Article | None
) -> tuple[str, ...]:
    seen, words = block.seen.get(language), block.words.get(language)
    return (
        article.alternates.get(language, "") if article else "",
        seen.url if seen else "",
        words.url if words else "",
    )


def _article(
    block: content.Lead | content.Story | content.Brief,
    language: str,
    main: dict[int, Article],
    twins: dict[str, Article],
) -> Article | None:
    own = main.get(block.article or 0)
    if own is not None and own.language == language:
        return own
    twin = next((twins[url] for url in _twin_urls(block, language, own) if url in twins), None)
    if twin is None and own is not None and not own.language:
        return own
    return twin


def _then(
    block: content.Lead | content.Story | content.Brief, language: str, words: content.StoryWords
) -> content.ArticleSnapshot | None:
    """What the block took. Older drafts did not write that down: there it is the words themselves."""
    if language in block.seen:
        return block.seen[language]
    if block.seen:
        return None  # words of an editor's own, for an article that has none in this language
    return content.ArticleSnapshot(title=words.headline, summary=clean_text(words.summary), url=words.url)


# --- answering -------------------------------------------------------------------------------------------------------


def update_block(document: content.Document, block_id: str, *, language: str = "") -> None:
    """Give the block the words its article has now, in one language or in all it has; the old ones are in the history.

    A link that an editor made lead elsewhere stays. Raises NotThere.
    """
    for told in _of_block(document, block_id, language):
        if told.article.state == ArticleState.GONE:
            continue
        article, words = told.article, told.words
        fresh = {"headline": article.title}
        if article.summary:
            fresh["summary"] = f"<p>{html.escape(article.summary, quote=False)}</p>"
        if not words.url or not told.then.url or _is_same_page(words.url, told.then.url):
            fresh["url"] = article.url
        told.block.words[told.language] = words.model_copy(update=fresh)
        told.block.seen[told.language] = issues.snapshot_article(article)


def dismiss_change(document: content.Document, block_id: str, *, language: str = "") -> None:
    """Leave the block's words as they are: what its article says now is known. A gone one is told anyway.

    Raises NotThere.
    """
    for told in _of_block(document, block_id, language):
        if told.article.state == ArticleState.GONE:
            told.block.keeps_gone = True
        told.block.seen[told.language] = issues.snapshot_article(told.article)


def _of_block(document: content.Document, block_id: str, language: str) -> list[_Told]:
    block = document.block(block_id)
    told = [one for one in _told([block] if block else []) if language in ("", one.language)]
    if not told:
        raise BlockNotFound(block_id)
    return told


# --- reading again ---------------------------------------------------------------------------------------------------


def refresh_articles(issue: Issue, *, now: datetime, max_age: timedelta) -> int:
    """Read the pages of the issue's articles, in all its languages, unless that was done in the last `max_age`.

    Returns how many were read. For workers: a slow site can take ten seconds a page, a few at a time.
    """
    told = {one.article.pk: one.article for one in _told(content.parse(issue.content).blocks)}
    due = [one for one in told.values() if one.looked_at is None or one.looked_at <= now - max_age]
    with ThreadPoolExecutor(max_workers=MAX_CONCURRENT) as readers:
        looks = list(readers.map(articles.check_page, [article.url for article in due]))
    for article, seen in zip(due, looks, strict=True):
        articles.store_page_check(article, seen, now=now)
    if due:
        failed = sum(1 for seen in looks if seen.error and not seen.is_gone)
        logger.info("articles read again", extra={"issue": issue.pk, "read": len(due), "failed": failed})
    return len(due)
