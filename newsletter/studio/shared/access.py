"""Who may open what. Another newsletter's things are not there (404); one's own may be out of reach (403)."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest

from newsletter import roles
from newsletter.models import Editor, Issue, Newsletter
from newsletter.roles import Action


def current_editor(request: HttpRequest) -> Editor:
    """Whoever is logged in; `ClosedByDefault` has seen to it that somebody is."""
    return cast("Editor", request.user)


def is_htmx(request: HttpRequest) -> bool:
    """Whether a script of the page asks, which takes only the parts that changed."""
    return bool(request.htmx)  # type: ignore[attr-defined]  # django_htmx's middleware puts it there


def parse_number(text: str, *, digits: int = 18) -> int:
    """An id or a count as a form names it; 0 for what is none or has more digits than a database can hold."""
    return int(text) if text.isdecimal() and len(text) <= digits else 0


def get_newsletter(request: HttpRequest, slug: str, action: Action) -> Newsletter:
    found = Newsletter.objects.filter(slug=slug).first() if "\0" not in slug else None
    if found is None or roles.get_role(current_editor(request), found) is None:
        raise Http404("no newsletter of this editor")
    roles.require(current_editor(request), action, found)
    return found


def get_issue(request: HttpRequest, issue_id: int, action: Action = Action.WRITE, *, deleted: bool = False) -> Issue:
    """An issue of one of the editor's newsletters; a deleted one only where `deleted` asks for it."""
    here = Issue.objects.select_related("newsletter", "edited_by", "approved_by")
    found = here.filter(pk=issue_id, deleted_at__isnull=not deleted).first()
    if found is None or roles.get_role(current_editor(request), found.newsletter) is None:
        raise Http404("no issue of this editor")
    roles.require(current_editor(request), action, found.newsletter)
    return found
