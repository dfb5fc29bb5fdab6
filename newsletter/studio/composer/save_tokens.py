"""Save tokens: recognise a page's own earlier save, whose response was lost, so that it is not reported as a conflict.

A composer page sends a random id in `page` and a counter of its requests in `turn`. The client chooses both values.
They only decide whether an editor is warned before overwriting a version that the same editor saved.
"""

from __future__ import annotations

from django.core.cache import cache
from django.http import QueryDict

from newsletter.models import Editor, Issue
from newsletter.studio.shared import access

CACHE_TIMEOUT_S = 3600
MAX_DIGITS = 9


def base_version(post: QueryDict, issue: Issue, *, editor: Editor) -> int:
    """The version this form may overwrite: the posted one, or the current one if an earlier request of the page made it."""
    posted = access.parse_number(post.get("version", ""), digits=MAX_DIGITS)
    if posted == issue.version or not post.get("page"):
        return posted
    # Retry: the browser repeats a save whose response was lost. The first request has raised the version already.
    page, turn, saved_version = cache.get(_key(issue, editor)) or ("", 0, 0)
    is_own = page == post["page"] and turn < _turn_number(post) and saved_version == issue.version
    return issue.version if is_own else posted


def remember_save(post: QueryDict, issue: Issue, *, editor: Editor) -> None:
    """Store page, turn and version of a save for CACHE_TIMEOUT_S."""
    if page := post.get("page", "")[:64]:
        cache.set(_key(issue, editor), [page, _turn_number(post), issue.version], CACHE_TIMEOUT_S)


def _key(issue: Issue, editor: Editor) -> str:
    return f"composer-turn:{issue.pk}:{editor.pk}"


def _turn_number(post: QueryDict) -> int:
    return access.parse_number(post.get("turn", ""), digits=MAX_DIGITS)
