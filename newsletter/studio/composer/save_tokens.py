"""Which page saved an issue last, and in which turn: a save whose answer was lost is not taken for somebody else's.

A page of the composer names itself in `page`, and counts its requests in `turn`. Both are its own to choose: they
decide only whether an editor is asked before saving over what the same editor saved.
"""

from __future__ import annotations

from django.core.cache import cache
from django.http import QueryDict

from newsletter.models import Editor, Issue
from newsletter.studio.shared import access

CACHE_TIMEOUT_S = 3600
MAX_DIGITS = 9


def base_version(post: QueryDict, issue: Issue, *, editor: Editor) -> int:
    """The version this form may save over: the one it names, or the one that an earlier turn of its own page made."""
    named = access.parse_number(post.get("version", ""), digits=MAX_DIGITS)
    if named == issue.version or not post.get("page"):
        return named
    page, turn, made = cache.get(_key(issue, editor)) or ("", 0, 0)
    is_own = page == post["page"] and turn < _turn_number(post) and made == issue.version
    return issue.version if is_own else named


def remember_save(post: QueryDict, issue: Issue, *, editor: Editor) -> None:
    if page := post.get("page", "")[:64]:
        cache.set(_key(issue, editor), (page, _turn_number(post), issue.version), CACHE_TIMEOUT_S)


def _key(issue: Issue, editor: Editor) -> str:
    return f"composer-turn:{issue.pk}:{editor.pk}"


def _turn_number(post: QueryDict) -> int:
    return access.parse_number(post.get("turn", ""), digits=MAX_DIGITS)
