"""Access checks of the studio. Objects of other newsletters answer 404; a missing permission answers 403."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest

from newsletter import roles
from newsletter.models import Editor, Issue, Newsletter
from newsletter.roles import Action


def current_editor(request: HttpRequest) -> Editor:
    """The logged-in editor. The middleware `ClosedByDefault` guarantees a login."""
    return cast("Editor", request.user)


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx sent the request and expects only the changed parts."""
    return bool(request.htmx)  # type: ignore[attr-defined]  # django_htmx's middleware puts it there


def parse_number(text: str, *, digits: int = 18) -> int:
    """Parse an id or a count. Return 0 if `text` is not a number or has more than `digits` digits.

    18 digits always fit into a 64-bit column; longer numbers would raise an error in the database.
    """
    return int(text) if text.isdecimal() and len(text) <= digits else 0


def get_newsletter(request: HttpRequest, slug: str, action: Action) -> Newsletter:
    found = Newsletter.objects.filter(slug=slug).first() if "\0" not in slug else None
    if found is None or roles.get_role(current_editor(request), found) is None:
        raise Http404("no newsletter of this editor")
    roles.require(current_editor(request), action, found)
    return found


def get_issue(request: HttpRequest, issue_id: int, action: Action = Action.WRITE, *, deleted: bool = False) -> Issue:
    """Return an issue of the editor's newsletters. `deleted` selects deleted issues instead of others."""
    here = Issue.objects.select_related("newsletter", "edited_by", "approved_by")
    found = here.filter(pk=issue_id, deleted_at__isnull=not deleted).first()
    if found is None or roles.get_role(current_editor(request), found.newsletter) is None:
        raise Http404("no issue of this editor")
    roles.require(current_editor(request), action, found.newsletter)
    return found
