"""The steps that a button of the composer takes on an issue's document: `do` is a verb, and what it is done to.

A step changes the document it is given and returns the id of the block to look at next, or "". It saves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from newsletter import content, issues
from newsletter.models import Issue
from newsletter.studio import articles_page, documents, guarding

Step = Callable[[Issue, content.Document, str], str]
"""(issue, its document, what stands behind the colon) -> id of the block to look at. Raises documents.BadForm."""


def take(issue: Issue, document: content.Document, do: str) -> str:
    """Do one step: article:12, again:12, up:b1, add:text:b1 … Raises documents.BadForm and issues.AlreadyUsed."""
    verb, _colon, rest = do.partition(":")
    step = VERBS.get(verb)
    return step(issue, document, rest) if step else documents.step(document, do)


def _article(issue: Issue, document: content.Document, key: str) -> str:
    return _add_article(issue, document, key, again=False)


def _article_again(issue: Issue, document: content.Document, key: str) -> str:
    return _add_article(issue, document, key, again=True)


def _add_article(issue: Issue, document: content.Document, key: str, *, again: bool) -> str:
    article = articles_page.for_newsletter(issue.newsletter).filter(pk=int(key) if key.isdecimal() else 0).first()
    if article is None:
        raise documents.BadForm("article")
    used = article.issues.kept().exclude(pk=issue.pk).order_by("-created_at").first()
    if used and not again:
        raise issues.AlreadyUsed(used)
    block = issues.story(article, issue.newsletter, is_lead=not document.blocks)
    document.blocks.append(block)
    return block.id


VERBS: dict[str, Step] = {
    "article": _article,
    "again": _article_again,
    "take": guarding.take,
    "keep": guarding.keep,
}
