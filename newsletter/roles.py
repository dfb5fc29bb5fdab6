"""Permissions of editors: which role may do what in which newsletter. No other module compares roles."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from django.core.exceptions import PermissionDenied

from newsletter.models import Editor, Membership, Newsletter, Role


class Action(StrEnum):
    WRITE = "write"
    """Articles, drafts, previews, tests."""
    APPROVE = "approve"
    SEND = "send"
    """Schedule, stop, pause, resume, cancel, send again."""
    SEE_PEOPLE = "see people"
    """Addresses, and the timeline of one subscriber."""
    ADMINISTER = "administer"
    """Settings, editors and roles."""


ROLE_ACTIONS: dict[str, frozenset[Action]] = {
    Role.WRITER: frozenset({Action.WRITE}),
    Role.EDITOR: frozenset({Action.WRITE, Action.APPROVE, Action.SEE_PEOPLE}),
    Role.PUBLISHER: frozenset({Action.WRITE, Action.APPROVE, Action.SEND, Action.SEE_PEOPLE}),
    Role.ADMINISTRATOR: frozenset(Action),
}


def get_role(editor: Editor, newsletter: Newsletter) -> str | None:
    if editor.is_superuser:
        return Role.ADMINISTRATOR
    return _roles(editor).get(newsletter.pk)


def _roles(editor: Editor) -> dict[int, str]:
    """The editor's roles by newsletter id. One query per Editor instance; each request loads its own instance."""
    known = editor.__dict__.get("_roles")
    if known is None:
        rows = Membership.objects.filter(editor=editor).values_list("newsletter", "role")
        known = editor.__dict__["_roles"] = dict(rows)
    return dict(known)


def is_allowed(editor: Editor, action: Action, newsletter: Newsletter) -> bool:
    return action in ROLE_ACTIONS.get(get_role(editor, newsletter) or "", frozenset())


def require(editor: Editor, action: Action, newsletter: Newsletter) -> None:
    """Raise PermissionDenied unless `editor` may do `action` in `newsletter`."""
    if not is_allowed(editor, action, newsletter):
        raise PermissionDenied(f"Editor {editor.pk} may not {action} in newsletter {newsletter.pk}")


def deny(editor: Editor, action: Action) -> NoReturn:
    """Raise PermissionDenied on pages about all newsletters, if `editor` may do `action` in none of them."""
    raise PermissionDenied(f"Editor {editor.pk} may not {action} anywhere")


def allowed_newsletters(editor: Editor, action: Action) -> list[Newsletter]:
    """Newsletters in which `editor` may do `action`, in order of creation."""
    if editor.is_superuser:
        return list(Newsletter.objects.all())
    return list(Newsletter.objects.filter(pk__in=_where(editor, action)))


def is_allowed_anywhere(editor: Editor, action: Action) -> bool:
    """Whether `editor` may do `action` in at least one newsletter."""
    return Newsletter.objects.exists() if editor.is_superuser else bool(_where(editor, action))


def _where(editor: Editor, action: Action) -> list[int]:
    return [newsletter for newsletter, name in _roles(editor).items() if action in ROLE_ACTIONS.get(name, frozenset())]
