"""Prepared drafts, and the mails that tell editors of them: written in one transaction, so that neither is without the other."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from newsletter.drafts import preparation
from subscribers.models import Notice, NoticeKind
from workers.notifications import editor_alerts


def prepare_due(*, now: datetime) -> int:
    """Prepare what is due, and tell everybody who writes for the newsletter; how many drafts were made."""
    return preparation.prepare_due(now=now, tell=partial(_alert_editors, now=now))


def _alert_editors(outcome: preparation.PreparationResult, *, now: datetime) -> None:
    payload: dict[str, object] = {"picked": outcome.picked, "new": outcome.new}
    if outcome.issue is not None:
        payload["draft"] = outcome.issue.pk
    else:
        slot = outcome.slot.isoformat()
        said = Notice.objects.filter(kind=NoticeKind.ALERT, payload__thin=outcome.newsletter.pk, payload__slot=slot)
        if said.exists():
            return
        payload |= {"thin": outcome.newsletter.pk, "slot": slot}
    editor_alerts.queue_alert(outcome.newsletter, payload, now=now)
