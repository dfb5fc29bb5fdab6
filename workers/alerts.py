"""Mail to those who may send a newsletter, when one of its issues stops by itself. `workers.notices` writes the words."""

from __future__ import annotations

from datetime import datetime

from newsletter.models import Issue, Membership
from newsletter.roles import ACTIONS, Action
from subscribers.models import Notice, NoticeKind

MAY_SEND = [role for role, actions in ACTIONS.items() if Action.SEND in actions]


def paused(issue: Issue, *, now: datetime) -> int:
    """Tell them that nobody but them lets it go on. Call it in the transaction that paused. Returns how many."""
    members = Membership.objects.filter(newsletter=issue.newsletter_id, role__in=MAY_SEND, editor__is_active=True)
    told = [
        Notice(
            kind=NoticeKind.ALERT,
            editor=member.editor,
            newsletter_id=issue.newsletter_id,
            language=member.editor.language,
            payload={"paused": issue.pk},
            due_at=now,
            created_at=now,
        )
        for member in members.select_related("editor")
    ]
    return len(Notice.objects.bulk_create(told))
