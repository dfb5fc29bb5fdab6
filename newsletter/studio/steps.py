"""The steps that a button of the composer takes on an issue's document: `do` is a verb, and what it is done to.

A step changes the document it is given and returns the id of the block to look at next, or "". It saves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import articles, content, issues
from newsletter.models import Article, Issue
from newsletter.studio import access, articles_page, blocks, documents, fixing, guarding

Step = Callable[[Issue, content.Document, str], str]
"""(issue, its document, what stands behind the colon) -> id of the block to look at. Raises documents.BadForm."""


def take(issue: Issue, document: content.Document, do: str, *, after: str = "") -> str:
    """Do one step: article:12, up:b1, add:text:b1 …; what it adds goes behind `after`, where that is given.

    Raises documents.BadForm, documents.NotPossible and issues.AlreadyUsed.
    """
    verb, _colon, rest = do.partition(":")
    step = VERBS.get(verb)
    if step is None:
        raise documents.BadForm("verb")
    before = {block.id for block in document.blocks}
    focus = step(issue, document, rest)
    if after and focus not in before and document.block(focus):
        blocks.put_after(document, focus, after)
    return focus


def _article(issue: Issue, document: content.Document, rest: str) -> str:
    return _add_article(issue, document, rest, again=False)


def _article_again(issue: Issue, document: content.Document, rest: str) -> str:
    return _add_article(issue, document, rest, again=True)


def _add_article(issue: Issue, document: content.Document, rest: str, *, again: bool) -> str:
    """article:12 at the end, article:12:b1 behind b1."""
    key, _colon, after = rest.partition(":")
    article = articles_page.for_newsletter(issue.newsletter).filter(pk=access.number(key)).first()
    if article is None:
        raise documents.BadForm("article")
    return _tell(issue, document, article, after=after, again=again)


def _pasted(issue: Issue, document: content.Document, rest: str) -> str:
    """paste:https://…, the article at an address somebody pasted: read now, which can take ten seconds."""
    url = rest.strip()
    if not url:
        raise documents.NotPossible(_("Paste the address of an article first."))
    try:
        article = articles.add_by_url(url, newsletter=issue.newsletter, now=timezone.now())
    except articles.NoArticle as error:
        raise documents.NotPossible(str(error)) from error
    here = next((block for block in document.blocks if getattr(block, "article", None) == article.pk), None)
    if here is not None:
        raise documents.NotPossible(_("“%(title)s” is in this issue already.") % {"title": article.title})
    return _tell(issue, document, article, after="", again=False)


def _tell(issue: Issue, document: content.Document, article: Article, *, after: str, again: bool) -> str:
    used = (
        article.issues.kept().filter(newsletter=issue.newsletter).exclude(pk=issue.pk).order_by("-created_at").first()
    )
    if used and not again:
        raise issues.AlreadyUsed(used)
    return blocks.insert(document, issues.story(article, issue.newsletter, is_lead=not document.blocks), after)


VERBS: dict[str, Step] = {
    "article": _article,
    "again": _article_again,
    "paste": _pasted,
    "up": blocks.up,
    "down": blocks.down,
    "remove": blocks.remove,
    "add": blocks.add,
    "dup": blocks.duplicate,
    "saved": blocks.saved,
    "as": blocks.change_kind,
    "picture": blocks.picture,
    "nopicture": blocks.no_picture,
    "twin": blocks.twin,
    "subject": blocks.subject,
    "reset": guarding.take,
    "question": blocks.add_question,
    "noquestion": blocks.remove_question,
    "question-up": blocks.question_up,
    "question-down": blocks.question_down,
    "take": guarding.take,
    "keep": guarding.keep,
    "fix": fixing.step,
}
