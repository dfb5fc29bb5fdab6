"""The steps of the composer's buttons. `do` is a verb and its arguments, separated by colons, such as "up:b001".

A step changes the given document and returns the id of the block to focus, or "". It does not save.
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
"""(issue, its document, the arguments) -> id of the block to focus. Raises document_form.BadForm."""


def apply(issue: Issue, document: content.Document, do: str, *, after: str = "") -> str:
    """Apply one step, such as article:12, up:b1 or add:text:b1. A new block is placed after the block `after`.

    Raises document_form.BadForm, document_form.StepNotPossible and issues.ArticleAlreadyUsed.
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
    """Add an article: "article:12" at the end, "article:12:b1" after block b1."""
    key, _colon, after = rest.partition(":")
    article = article_list.for_newsletter(issue.newsletter).filter(pk=access.parse_number(key)).first()
    if article is None:
        raise document_form.BadForm("article")
    return _insert_article(issue, document, article, after=after, again=again)


def _add_pasted_url(issue: Issue, document: content.Document, rest: str) -> str:
    """Read the page at a pasted URL and add it ("paste:https://…"). Reading can take ten seconds."""
    url = rest.strip()
    if not url:
        raise document_form.StepNotPossible(_("Paste the URL of an article first."))
    try:
        article = articles.add_by_url(url, newsletter=issue.newsletter, now=timezone.now())
    except articles.NotAnArticle as error:
        raise document_form.StepNotPossible(str(error)) from error
    if any(getattr(block, "article", None) == article.pk for block in document.blocks):
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
    **block_steps.item_verbs(),
    "take": change_notes.accept_change,
    "keep": change_notes.reject_change,
    "fix": fix_steps.apply_fix,
}
