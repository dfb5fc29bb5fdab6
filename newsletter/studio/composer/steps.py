"""The steps that a button of the composer takes on an issue's document: `do` is a verb, and what it is done to.

A step changes the document it is given and returns the id of the block to look at next, or "". It saves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import articles, content, issues
from newsletter.models import Article, Issue
from newsletter.studio.articles import article_list
from newsletter.studio.composer import block_steps, fix_steps
from newsletter.studio.shared import access, change_notes, document_form

Step = Callable[[Issue, content.Document, str], str]
"""(issue, its document, what stands behind the colon) -> id of the block to look at. Raises documents.BadForm."""


def apply(issue: Issue, document: content.Document, do: str, *, after: str = "") -> str:
    """Do one step: article:12, up:b1, add:text:b1 …; what it adds goes behind `after`, where that is given.

    Raises documents.BadForm, documents.NotPossible and issues.AlreadyUsed.
    """
    verb, _colon, rest = do.partition(":")
    step = VERBS.get(verb)
    if step is None:
        raise document_form.BadForm("verb")
    before = {block.id for block in document.blocks}
    focus = step(issue, document, rest)
    if after and focus not in before and document.block(focus):
        block_steps.move_after(document, focus, after)
    return focus


def _add_article_once(issue: Issue, document: content.Document, rest: str) -> str:
    return _add_article(issue, document, rest, again=False)


def _add_article_again(issue: Issue, document: content.Document, rest: str) -> str:
    return _add_article(issue, document, rest, again=True)


def _add_article(issue: Issue, document: content.Document, rest: str, *, again: bool) -> str:
    """article:12 at the end, article:12:b1 behind b1."""
    key, _colon, after = rest.partition(":")
    article = article_list.for_newsletter(issue.newsletter).filter(pk=access.parse_number(key)).first()
    if article is None:
        raise document_form.BadForm("article")
    return _insert_article(issue, document, article, after=after, again=again)


def _add_pasted_url(issue: Issue, document: content.Document, rest: str) -> str:
    """paste:https://…, the article at an address somebody pasted: read now, which can take ten seconds."""
    url = rest.strip()
    if not url:
        raise document_form.StepNotPossible(_("Paste the URL of an article first."))
    try:
        article = articles.add_by_url(url, newsletter=issue.newsletter, now=timezone.now())
    except articles.NotAnArticle as error:
        raise document_form.StepNotPossible(str(error)) from error
    here = next((block for block in document.blocks if getattr(block, "article", None) == article.pk), None)
    if here is not None:
        raise document_form.StepNotPossible(_("“%(title)s” is already in this issue.") % {"title": article.title})
    return _insert_article(issue, document, article, after="", again=False)


def _insert_article(issue: Issue, document: content.Document, article: Article, *, after: str, again: bool) -> str:
    used = (
        article.issues.not_deleted()
        .filter(newsletter=issue.newsletter)
        .exclude(pk=issue.pk)
        .order_by("-created_at")
        .first()
    )
    if used and not again:
        raise issues.ArticleAlreadyUsed(used)
    return block_steps.insert(
        document, issues.build_story_block(article, issue.newsletter, is_lead=not document.blocks), after
    )


VERBS: dict[str, Step] = {
    "article": _add_article_once,
    "again": _add_article_again,
    "paste": _add_pasted_url,
    "up": block_steps.move_up,
    "down": block_steps.move_down,
    "remove": block_steps.remove,
    "add": block_steps.add,
    "dup": block_steps.duplicate,
    "saved": block_steps.add_saved,
    "as": block_steps.change_kind,
    "picture": block_steps.choose_picture,
    "nopicture": block_steps.remove_picture,
    "twin": block_steps.fill_translation,
    "subject": block_steps.use_as_subject,
    "reset": change_notes.accept_change,
    "question": block_steps.add_question,
    "noquestion": block_steps.remove_question,
    "question-up": block_steps.move_question_up,
    "question-down": block_steps.move_question_down,
    "take": change_notes.accept_change,
    "keep": change_notes.reject_change,
    "fix": fix_steps.apply_fix,
}
