"""Changes of articles after an issue used them: new title, new summary, new address, gone, or not readable at present.

A block keeps the texts of its article at the time it was added (`seen`). This module compares them with the stored
article. The composer shows the differences, the checks count them, workers read the pages again.
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
"""Pages that are read at the same time."""
_DRAWN = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "´": "'", "`": "'"}
)
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")


class BlockNotFound(LookupError):
    """The document has no such block, or the block shows no stored article."""


@dataclass(frozen=True)
class ArticleChange:
    """The difference between a block and its article in one language. If there are several, the most serious kind
    counts.
    """

    block: str
    language: str
    kind: ChangeKind
    article: int
    then: content.ArticleSnapshot
    now: content.ArticleSnapshot
    looked_at: datetime | None = None
    """When the page was last read."""
    reason: str = ""
    """For unreachable and gone: the reason as an English msgid, if known."""

    @property
    def url(self) -> str:
        """The current address of the article, as far as known."""
        return self.now.url


@dataclass(frozen=True)
class _BlockArticle:
    """The article of a block in one language: its row, and the texts that the block took from it."""

    block: content.Lead | content.Story | content.Brief
    language: str
    article: Article
    then: content.ArticleSnapshot
    words: content.StoryWords = field(default_factory=content.StoryWords)


# --- what changed ----------------------------------------------------------------------------------------------------


def find_changes(issue: Issue) -> list[ArticleChange]:
    """Changes in the order of the blocks. Two queries for any number of blocks."""
    return find_document_changes(content.parse(issue.content))


def find_document_changes(document: content.Document) -> list[ArticleChange]:
    """The same for a document that is not stored."""
    return [change for item in _block_articles(document.blocks) if (change := _change(item)) is not None]


def is_same_text(first: str, second: str) -> bool:
    """Whether two texts are the same apart from white space, kinds of quotes and dashes, and invisible characters."""
    return _normalized(first) == _normalized(second)


def _normalized(text: str) -> str:
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", html.unescape(text))).translate(_DRAWN)
    return " ".join(_DASHES.sub("-", text).split())


def _change(item: _BlockArticle) -> ArticleChange | None:
    kind = _kind(item)
    if kind is None:
        return None
    return ArticleChange(
        block=item.block.id,
        language=item.language,
        kind=kind,
        article=item.article.pk,
        then=item.then,
        now=issues.snapshot_article(item.article),
        looked_at=item.article.looked_at,
        reason=item.article.look_error if kind == "unreachable" else "",
    )


def _kind(item: _BlockArticle) -> ChangeKind | None:
    article, then, words = item.article, item.then, item.words
    if article.state == ArticleState.GONE:
        leads_elsewhere = bool(words.url) and not any(_is_same_page(words.url, url) for url in (then.url, article.url))
        return None if item.block.keeps_gone or leads_elsewhere else "gone"
    if _differs(then.title, article.title, words.headline):
        return "retitled"
    if words.summary and _differs(then.summary, article.summary, clean_text(words.summary)):
        return "reworded"
    if then.url and _is_same_page(words.url, then.url) and not _is_same_page(article.url, then.url):
        return "moved"
    return "unreachable" if article.look_error else None


def _differs(then: str, now: str, item: str) -> bool:
    """Whether the article has a new text that the block does not contain yet."""
    return bool(now) and not is_same_text(then, now) and not is_same_text(item, now)


def _is_same_page(first: str, second: str) -> bool:
    return _page_key(first) == _page_key(second)


def _page_key(url: str) -> tuple[str, str, str]:
    parts = urlsplit(canonical_url(absolute_url(url)))
    return (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/"), parts.query


# --- the article of a block ------------------------------------------------------------------------------------------


def _block_articles(blocks: Iterable[content.Block]) -> Iterator[_BlockArticle]:
    """The articles of these blocks, one item per language, with their rows."""
    telling = [block for block in blocks if isinstance(block, content.ArticleBlock) and block.article]
    main = Article.objects.in_bulk([block.article for block in telling if block.article])
    addresses = {url for block in telling for url in _addresses(block, main)}
    by_url = {article.url: article for article in Article.objects.filter(url__in=addresses)} if addresses else {}
    for block in telling:
        for language, words in block.words.items():
            article = _article(block, language, main, by_url)
            then = _snapshot(block, language, words)
            if article is not None and then is not None:
                yield _BlockArticle(block, language, article, then, words)


def _addresses(block: content.Lead | content.Story | content.Brief, main: dict[int, Article]) -> Iterator[str]:
    """Addresses at which the translations of the block's article may be."""
    article = main.get(block.article or 0)
    for language in block.words:
        if article is None or article.language != language:
            yield from (url for url in _translation_urls(block, language, article) if url)


def _translation_urls(
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
    by_url: dict[str, Article],
) -> Article | None:
    own = main.get(block.article or 0)
    if own is not None and own.language == language:
        return own
    version = next((by_url[url] for url in _translation_urls(block, language, own) if url in by_url), None)
    if version is None and own is not None and not own.language:
        return own
    return version


def _snapshot(
    block: content.Lead | content.Story | content.Brief, language: str, words: content.StoryWords
) -> content.ArticleSnapshot | None:
    """The texts that the block took. Older drafts did not store them; for those the block's own texts count."""
    if language in block.seen:
        return block.seen[language]
    if block.seen:
        return None  # an editor wrote these texts; the article has no version in this language
    return content.ArticleSnapshot(title=words.headline, summary=clean_text(words.summary), url=words.url)


# --- update and dismiss ----------------------------------------------------------------------------------------------


def update_block(document: content.Document, block_id: str, *, language: str = "") -> None:
    """Replace the block's texts by those of its article, in one language or in all of them. History keeps the old
    texts.

    A link that an editor changed to another page stays. Raises BlockNotFound.
    """
    for item in _of_block(document, block_id, language):
        if item.article.state == ArticleState.GONE:
            continue
        article, words = item.article, item.words
        fresh = {"headline": article.title}
        if article.summary:
            fresh["summary"] = f"<p>{html.escape(article.summary, quote=False)}</p>"
        if not words.url or not item.then.url or _is_same_page(words.url, item.then.url):
            fresh["url"] = article.url
        item.block.words[item.language] = words.model_copy(update=fresh)
        item.block.seen[item.language] = issues.snapshot_article(article)


def dismiss_change(document: content.Document, block_id: str, *, language: str = "") -> None:
    """Keep the block's texts, and stop reporting the present change. A gone article stays in the issue.

    Raises BlockNotFound.
    """
    for item in _of_block(document, block_id, language):
        if item.article.state == ArticleState.GONE:
            item.block.keeps_gone = True
        item.block.seen[item.language] = issues.snapshot_article(item.article)


def _of_block(document: content.Document, block_id: str, language: str) -> list[_BlockArticle]:
    block = document.block(block_id)
    items = [item for item in _block_articles([block] if block else []) if language in ("", item.language)]
    if not items:
        raise BlockNotFound(block_id)
    return items


# --- read again ------------------------------------------------------------------------------------------------------


def refresh_articles(issue: Issue, *, now: datetime, max_age: timedelta) -> int:
    """Read the pages of the issue's articles in all its languages, except those read within `max_age`.

    Returns how many pages were read. Only for workers: a slow site can take ten seconds per page; a few are read at a
    time.
    """
    by_id = {item.article.pk: item.article for item in _block_articles(content.parse(issue.content).blocks)}
    due = [article for article in by_id.values() if article.looked_at is None or article.looked_at <= now - max_age]
    with ThreadPoolExecutor(max_workers=MAX_CONCURRENT) as readers:
        page_checks = list(readers.map(articles.check_page, [article.url for article in due]))
    for article, page_check in zip(due, page_checks, strict=True):
        articles.store_page_check(article, page_check, now=now)
    if due:
        failed = sum(1 for page_check in page_checks if page_check.error and not page_check.is_gone)
        logger.info("articles read again", extra={"issue": issue.pk, "read": len(due), "failed": failed})
    return len(due)
