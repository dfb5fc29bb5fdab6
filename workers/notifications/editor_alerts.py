"""Alerts to the editors of a newsletter. This module queues them; `workers.notifications.outbox` builds the mails."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from newsletter.models import Membership, Newsletter, Role
from newsletter.roles import ROLE_ACTIONS, Action
from subscribers.models import Notice, NoticeKind

SENDER_ROLES = tuple(role for role, actions in ROLE_ACTIONS.items() if Action.SEND in actions)


def queue_alert(
    newsletter: Newsletter, payload: Mapping[str, object], *, now: datetime, roles: Collection[str] = Role.values
) -> int:
    """Queue a mail to each active editor with one of `roles`, in their language. Return how many.

    Call it in the transaction of the change that it reports.
    """
    members = Membership.objects.filter(newsletter=newsletter, role__in=roles, editor__is_active=True)
    notices = [
        Notice(
            kind=NoticeKind.ALERT,
            editor=member.editor,
            newsletter=newsletter,
            language=member.editor.language,
            payload=dict(payload),
            due_at=now,
            created_at=now,
        )
        for member in members.select_related("editor")
    ]
    return len(Notice.objects.bulk_create(notices))
