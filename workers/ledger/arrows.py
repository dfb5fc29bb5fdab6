"""Every arrow of an issue on its way out, and the judge that pauses one whose outcome is bad."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import issues
from newsletter.models import AuditEntry, Editor, Issue, IssueStatus
from workers import alerts
from workers.ledger.reading import equation
from workers.models import Batch, BatchStatus, DeliveryStatus, Event

logger = logging.getLogger(__name__)


LEAST_SAMPLE = 100
LEAST_REFUSED, MOST_REFUSED = 3, 0.01
LEAST_COMPLAINTS, MOST_COMPLAINTS = 3, 0.001


def pause(issue: Issue, *, reason: str, editor: Editor | None, now: datetime) -> None:
    """sending -> paused; what is under way stops within a quarter of a second. Raises issues.WrongState.

    Where no editor did it, those who may send get a mail.
    """
    with transaction.atomic():
        _move(issue, (IssueStatus.SENDING,), IssueStatus.PAUSED, "issue-paused", editor, now, pause_reason=reason[:300])
        if editor is None:
            alerts.paused(issue, now=now)


def hold_back(issue: Issue, *, reason: str, now: datetime) -> None:
    """scheduled -> paused, because it may not begin; who may send gets a mail. Nothing left. Raises issues.WrongState."""
    fields = {"pause_reason": reason[:300]}
    with transaction.atomic():
        _move(issue, (IssueStatus.SCHEDULED,), IssueStatus.PAUSED, "issue-held-back", None, now, **fields)
        alerts.paused(issue, now=now)


def resume(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> sending; an issue that never began is due again at once, with all its checks."""
    begun = Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists()
    fields: dict[str, Any] = {"pause_reason": ""} if begun else {"pause_reason": "", "scheduled_at": now}
    to = IssueStatus.SENDING if begun else IssueStatus.SCHEDULED
    _move(issue, (IssueStatus.PAUSED,), to, "issue-resumed", editor, now, **fields)


def postpone(issue: Issue, *, at: datetime, editor: Editor | None, now: datetime) -> None:
    """paused -> scheduled for `at`, an issue of which nothing was sent. Raises issues.WrongState once it has begun."""
    with transaction.atomic():
        if Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists():
            raise issues.wrong_state(issue)
        times = {"scheduled_at": at, "scheduled_by": editor, "pause_reason": ""}
        _move(issue, (IssueStatus.PAUSED,), IssueStatus.SCHEDULED, "issue-scheduled", editor, now, **times)


def take_back(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> draft, to edit an issue of which nothing was sent. Raises issues.WrongState once it has begun."""
    with transaction.atomic():
        if Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists():
            raise issues.wrong_state(issue)
        approval = {"approved_hash": "", "approved_by": None, "approved_at": None}
        times = {"scheduled_at": None, "scheduled_by": None, "pause_reason": ""}
        _move(issue, (IssueStatus.PAUSED,), IssueStatus.DRAFT, "issue-stopped", editor, now, **approval, **times)


def cancel(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused or scheduled -> cancelled: who has not got it by now never will. Raises issues.WrongState."""
    issues.cancel(issue, editor=editor, now=now)


def _move(
    issue: Issue,
    starts: tuple[IssueStatus, ...],
    status: IssueStatus,
    action: str,
    editor: Editor | None,
    now: datetime,
    **fields: Any,
) -> None:
    with transaction.atomic():
        if not Issue.objects.filter(pk=issue.pk, status__in=starts).update(status=status, **fields):
            raise issues.wrong_state(issue)
        issues.audit(action, issue, editor=editor, now=now)
    logger.info("issue moved", extra={"issue": issue.pk, "status": str(status)})


def finish(issue: Issue, *, now: datetime) -> bool:
    """sending -> sent once nothing is waiting, under way or deferred. Uncertain readers do not hold it up.

    An issue that followed to readers who had missed it keeps the moment it was first sent.
    """
    if Batch.objects.filter(issue=issue.pk).exclude(status=BatchStatus.DONE).exists():
        return False
    told = equation(issue)
    if told.deferred or told.waiting:
        return False
    with transaction.atomic():
        here = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SENDING)
        counts = {"accepted_count": told.accepted, "refused_count": told.refused, "audience_count": told.audience}
        if not here.update(status=IssueStatus.SENT, sent_at=Coalesce("sent_at", now), **counts):
            return False
        issues.audit("issue-sent", issue, editor=None, now=now, accepted=told.accepted, uncertain=told.uncertain)
    logger.info("issue sent", extra={"issue": issue.pk, "accepted": told.accepted, "uncertain": told.uncertain})
    return True


def judge(issue: Issue, *, now: datetime) -> bool:
    """Pause the issue if too many addresses refuse it or too many readers complain. True if it was paused.

    Batches from before an editor's resume do not count again.
    """
    reason = _verdict(issue)
    if not reason:
        return False
    try:
        pause(issue, reason=reason, editor=None, now=now)
    except issues.WrongState:
        return False
    logger.error("issue paused by its outcome", extra={"issue": issue.pk})
    return True


def _verdict(issue: Issue) -> str:
    """Why the issue should stop, in the newsletter's language; "" if it may go on."""
    since = _resumed_at(issue)
    batches = Batch.objects.filter(issue=issue.pk)
    sums = (batches.filter(sent_at__gt=since) if since else batches).aggregate(Sum("accepted"), Sum("refused"))
    accepted, refused = sums["accepted__sum"] or 0, sums["refused__sum"] or 0
    tried = accepted + refused
    with translation.override(issue.newsletter.default_language):
        if (
            refused >= LEAST_REFUSED
            and refused > tried * MOST_REFUSED
            and (tried >= LEAST_SAMPLE or _firsts_done(issue))
        ):
            return _("%(refused)s of %(tried)s addresses were refused. Look at the reasons before you go on.") % {
                "refused": refused,
                "tried": tried,
            }
        complaints = _complaints(issue, since)
        if complaints >= LEAST_COMPLAINTS and complaints > tried * MOST_COMPLAINTS:
            return _("%(complaints)s readers of %(tried)s have reported this mail as unwanted.") % {
                "complaints": complaints,
                "tried": tried,
            }
    return ""


def _firsts_done(issue: Issue) -> bool:
    """The first small batch is a sample by itself, and this is the moment to judge it."""
    firsts = Batch.objects.filter(issue=issue.pk, is_first=True)
    rest = Batch.objects.filter(issue=issue.pk, is_first=False, is_retry=False)
    return firsts.exists() and not rest.exclude(status=BatchStatus.WAITING, attempt=0).exists()


def _complaints(issue: Issue, since: datetime | None) -> int:
    events = Event.objects.filter(issue=issue.pk, kind=DeliveryStatus.COMPLAINED)
    if since:
        events = events.filter(occurred_at__gt=since)
    return events.values("subscription").distinct().count()


def _resumed_at(issue: Issue) -> datetime | None:
    entries = AuditEntry.objects.filter(subject=f"issue {issue.pk}", action="issue-resumed")
    return entries.order_by("-occurred_at").values_list("occurred_at", flat=True).first()
