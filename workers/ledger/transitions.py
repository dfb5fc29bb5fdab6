"""Every arrow of an issue on its way out, and the judge that pauses one whose outcome is bad."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import issues
from newsletter.models import AuditEntry, Editor, Issue, IssueStatus
from workers.ledger.counts import count_deliveries
from workers.models import Batch, BatchStatus, Delivery, DeliveryStatus, Event, Outcome
from workers.notifications import editor_alerts
from workers.throttling import failure_reasons

logger = logging.getLogger(__name__)


MIN_SAMPLE = 100
MIN_REFUSED_COUNT, MAX_REFUSED_SHARE = 3, 0.01
MAX_REASONS_READ = 2000
"""Refused or deferred readers whose reasons are looked at."""
MIN_COMPLAINT_COUNT, MAX_COMPLAINT_SHARE = 3, 0.001


def pause(issue: Issue, *, reason: str, editor: Editor | None, now: datetime) -> None:
    """sending -> paused; what is under way stops within a quarter of a second. Raises issues.WrongState.

    Where no editor did it, those who may send get a mail.
    """
    with transaction.atomic():
        _move(issue, (IssueStatus.SENDING,), IssueStatus.PAUSED, "issue-paused", editor, now, pause_reason=reason[:300])
        if editor is None:
            editor_alerts.queue_alert(issue.newsletter, {"paused": issue.pk}, now=now, roles=editor_alerts.SENDER_ROLES)


def hold_back(issue: Issue, *, reason: str, now: datetime) -> None:
    """scheduled -> paused, because it may not begin; who may send gets a mail. Nothing left. Raises issues.WrongState."""
    fields = {"pause_reason": reason[:300]}
    with transaction.atomic():
        _move(issue, (IssueStatus.SCHEDULED,), IssueStatus.PAUSED, "issue-held-back", None, now, **fields)
        editor_alerts.queue_alert(issue.newsletter, {"paused": issue.pk}, now=now, roles=editor_alerts.SENDER_ROLES)


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
            raise issues.wrong_state_error(issue)
        times = {"scheduled_at": at, "scheduled_by": editor, "pause_reason": ""}
        _move(issue, (IssueStatus.PAUSED,), IssueStatus.SCHEDULED, "issue-scheduled", editor, now, **times)


def return_to_draft(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> draft, to edit an issue of which nothing was sent. Raises issues.WrongState once it has begun."""
    with transaction.atomic():
        if Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists():
            raise issues.wrong_state_error(issue)
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
            raise issues.wrong_state_error(issue)
        issues.audit(action, issue, editor=editor, now=now)
    logger.info("issue moved", extra={"issue": issue.pk, "status": str(status)})


def finish(issue: Issue, *, now: datetime) -> bool:
    """sending -> sent once nothing is waiting, under way or deferred. Uncertain readers do not hold it up.

    An issue that followed to readers who had missed it keeps the moment it was first sent.
    """
    if Batch.objects.filter(issue=issue.pk).exclude(status=BatchStatus.DONE).exists():
        return False
    told = count_deliveries(issue)
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


def check_thresholds(issue: Issue, *, now: datetime) -> bool:
    """Pause the issue if too many addresses refuse it or too many readers complain. True if it was paused.

    Batches from before an editor's resume do not count again.
    """
    reason = _exceeded_threshold(issue)
    if not reason:
        return False
    try:
        pause(issue, reason=reason, editor=None, now=now)
    except issues.WrongState:
        return False
    logger.error("issue paused by its outcome", extra={"issue": issue.pk})
    return True


def _exceeded_threshold(issue: Issue) -> str:
    """Why the issue should stop, in the newsletter's language; "" if it may go on."""
    since = last_resumed_at(issue)
    batches = Batch.objects.filter(issue=issue.pk)
    counts = (batches.filter(sent_at__gt=since) if since else batches).aggregate(
        **{name: Sum(name, default=0) for name in ("accepted", "refused", "deferred")}
    )
    tried = counts["accepted"] + counts["refused"]
    with translation.override(issue.newsletter.default_language):
        is_sample = tried + counts["deferred"] >= MIN_SAMPLE or _is_first_batch_done(issue)
        if is_sample and (
            reason := _bad_address_reason(issue, counts, since) or _sender_fault_reason(issue, counts, since)
        ):
            return reason
        complaints = _reported(issue, DeliveryStatus.COMPLAINED, since)
        if complaints >= MIN_COMPLAINT_COUNT and complaints > tried * MAX_COMPLAINT_SHARE:
            return _("%(complaints)s readers of %(tried)s have reported this mail as unwanted.") % {
                "complaints": complaints,
                "tried": tried,
            }
    return ""


def _is_too_many(count: int, whole: int) -> bool:
    return count >= MIN_REFUSED_COUNT and count > whole * MAX_REFUSED_SHARE


def _bad_address_reason(issue: Issue, counts: Mapping[str, int], since: datetime | None) -> str:
    """Addresses that do not exist, told by the answer or by a bounce afterwards: the list is bad."""
    bounced, tried = _reported(issue, DeliveryStatus.BOUNCED, since), counts["accepted"] + counts["refused"]
    if not _is_too_many(counts["refused"] + bounced, tried):
        return ""
    found = _count_reasons(issue, Outcome.REFUSED, counts["refused"], since)
    gone = bounced + sum(number for cause, number in found.items() if cause.fault == "address")
    if not _is_too_many(gone, tried):
        return ""
    return _("%(refused)s of %(tried)s addresses were refused. Look at the reasons before you go on.") % {
        "refused": gone,
        "tried": tried,
    }


def _sender_fault_reason(issue: Issue, counts: Mapping[str, int], since: datetime | None) -> str:
    """Mail turned away, for good or for now, for what is ours to put right: no reader's address is at fault."""
    tried = sum(counts.values())
    if not _is_too_many(counts["refused"] + counts["deferred"], tried):
        return ""
    found = _count_reasons(issue, Outcome.REFUSED, counts["refused"], since)
    found += _count_reasons(issue, Outcome.DEFERRED, counts["deferred"], since)
    ours = Counter({cause: number for cause, number in found.items() if cause.fault == "sender"})
    if not _is_too_many(ours.total(), tried):
        return ""
    return _("%(count)s of %(tried)s mails were turned away because of us, not of the readers: %(cause)s.") % {
        "count": ours.total(),
        "tried": tried,
        "cause": ours.most_common(1)[0][0].words,
    }


def _count_reasons(
    issue: Issue, outcome: Outcome, number: int, since: datetime | None
) -> Counter[failure_reasons.FailureReason]:
    """How many of `number` readers have which cause; of very many, as some of them tell."""
    rows = Delivery.objects.filter(issue=issue.pk, outcome=outcome)
    if since:
        rows = rows.filter(batch__sent_at__gt=since)
    told = Counter(
        failure_reasons.classify(*row, outcome=outcome) for row in rows.values_list("code", "detail")[:MAX_REASONS_READ]
    )
    share = number / told.total() if told else 0.0
    return Counter({cause: round(count * share) for cause, count in told.items()})


def _is_first_batch_done(issue: Issue) -> bool:
    """The first small batch is a sample by itself, and this is the moment to judge it."""
    firsts = Batch.objects.filter(issue=issue.pk, is_first=True)
    rest = Batch.objects.filter(issue=issue.pk, is_first=False, is_retry=False)
    return firsts.exists() and not rest.exclude(status=BatchStatus.WAITING, attempt=0).exists()


def _reported(issue: Issue, status: DeliveryStatus, since: datetime | None) -> int:
    """Readers of whom a provider has reported this, whether a person has let it take effect or not."""
    events = Event.objects.filter(issue=issue.pk, kind__in=[f"{before}{status}" for before in ("", "due_", "held_")])
    if since:
        events = events.filter(occurred_at__gt=since)
    return events.values("subscription").distinct().count()


def last_resumed_at(issue: Issue) -> datetime | None:
    """When an editor last let it go on."""
    entries = AuditEntry.objects.filter(subject=f"issue {issue.pk}", action="issue-resumed")
    return entries.order_by("-occurred_at").values_list("occurred_at", flat=True).first()
