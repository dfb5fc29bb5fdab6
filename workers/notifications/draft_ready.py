"""Prepared drafts and the alerts about them to editors, written in one transaction: both exist, or neither."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from newsletter.drafts import preparation
from subscribers.models import Notice, NoticeKind
from workers.notifications import editor_alerts


def prepare_due(*, now: datetime) -> int:
    """Prepare the drafts that are due, and queue an alert to each editor of the newsletter. Return how many were made."""
    return preparation.prepare_due(now=now, notify=partial(_alert_editors, now=now))


def _alert_editors(outcome: preparation.PreparationResult, *, now: datetime) -> None:
    """Queue the alert. Too few articles for a slot are reported once: each tick finds them again."""
    payload: dict[str, object] = {"picked": outcome.picked, "new": outcome.new}
    if outcome.issue is not None:
        payload["draft"] = outcome.issue.pk
    else:
        slot = outcome.slot.isoformat()
        queued = Notice.objects.filter(kind=NoticeKind.ALERT, payload__thin=outcome.newsletter.pk, payload__slot=slot)
        if queued.exists():
            return
        payload |= {"thin": outcome.newsletter.pk, "slot": slot}
    editor_alerts.queue_alert(outcome.newsletter, payload, now=now)
