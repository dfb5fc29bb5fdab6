"""Transitions of an issue from scheduled to sent, and the thresholds that pause an issue with bad outcomes."""

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
"""Refused or deferred deliveries whose reasons are read; beyond that the reasons are extrapolated."""
MIN_COMPLAINT_COUNT, MAX_COMPLAINT_SHARE = 3, 0.001


def pause(issue: Issue, *, reason: str, editor: Editor | None, now: datetime) -> None:
    """sending -> paused. Senders stop within 250 ms. Raises issues.WrongState.

    Without `editor`, the editors who may send get an alert by mail.
    """
    with transaction.atomic():  # the transition and its alert are committed together
        _move(issue, (IssueStatus.SENDING,), IssueStatus.PAUSED, "issue-paused", editor, now, pause_reason=reason[:300])
        if editor is None:
            editor_alerts.queue_alert(issue.newsletter, {"paused": issue.pk}, now=now, roles=editor_alerts.SENDER_ROLES)


def hold_back(issue: Issue, *, reason: str, now: datetime) -> None:
    """scheduled -> paused, because the issue may not begin. Nothing was sent. Raises issues.WrongState.

    The editors who may send get an alert by mail.
    """
    fields = {"pause_reason": reason[:300]}
    with transaction.atomic():
        _move(issue, (IssueStatus.SCHEDULED,), IssueStatus.PAUSED, "issue-held-back", None, now, **fields)
        editor_alerts.queue_alert(issue.newsletter, {"paused": issue.pk}, now=now, roles=editor_alerts.SENDER_ROLES)


def resume(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> sending. An issue that never began becomes scheduled and due now, and runs all checks again."""
    begun = Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists()
    fields: dict[str, Any] = {"pause_reason": ""} if begun else {"pause_reason": "", "scheduled_at": now}
    to = IssueStatus.SENDING if begun else IssueStatus.SCHEDULED
    _move(issue, (IssueStatus.PAUSED,), to, "issue-resumed", editor, now, **fields)


def postpone(issue: Issue, *, at: datetime, editor: Editor | None, now: datetime) -> None:
    """paused -> scheduled for `at`. Raises issues.WrongState if the issue has begun."""
    with transaction.atomic():
        if Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists():
            raise issues.wrong_state_error(issue)
        times = {"scheduled_at": at, "scheduled_by": editor, "pause_reason": ""}
        _move(issue, (IssueStatus.PAUSED,), IssueStatus.SCHEDULED, "issue-scheduled", editor, now, **times)


def return_to_draft(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused -> draft, with the approval removed. Raises issues.WrongState if the issue has begun."""
    with transaction.atomic():
        if Issue.objects.filter(pk=issue.pk, started_at__isnull=False).exists():
            raise issues.wrong_state_error(issue)
        approval = {"approved_hash": "", "approved_by": None, "approved_at": None}
        times = {"scheduled_at": None, "scheduled_by": None, "pause_reason": ""}
        _move(issue, (IssueStatus.PAUSED,), IssueStatus.DRAFT, "issue-stopped", editor, now, **approval, **times)


def cancel(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """paused or scheduled -> cancelled. Readers who have not received the issue will not. Raises issues.WrongState."""
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
        # One conditional UPDATE: of two editors or workers at once, one succeeds and the other gets WrongState.
        if not Issue.objects.filter(pk=issue.pk, status__in=starts).update(status=status, **fields):
            raise issues.wrong_state_error(issue)
        issues.audit(action, issue, editor=editor, now=now)
    logger.info("issue moved", extra={"issue": issue.pk, "status": str(status)})


def finish(issue: Issue, *, now: datetime) -> bool:
    """sending -> sent if no reader is waiting, claimed or deferred. Uncertain readers do not delay it.

    An issue that was sent again to readers who had missed it keeps its first `sent_at`. Safe to repeat.
    """
    # Race: `plan_resend` or an event may change counts between these reads and the UPDATE. A resend of a sent issue is
    # still sent (`sendable_scope` returns "again"), and reports read the batches' counters, not these copies.
    if Batch.objects.filter(issue=issue.pk).exclude(status=BatchStatus.DONE).exists():
        return False
    counts = count_deliveries(issue)
    if counts.deferred or counts.waiting:
        return False
    with transaction.atomic():
        sending = Issue.objects.filter(pk=issue.pk, status=IssueStatus.SENDING)
        fields = {"accepted_count": counts.accepted, "refused_count": counts.refused, "audience_count": counts.audience}
        if not sending.update(status=IssueStatus.SENT, sent_at=Coalesce("sent_at", now), **fields):
            return False
        issues.audit("issue-sent", issue, editor=None, now=now, accepted=counts.accepted, uncertain=counts.uncertain)
    logger.info("issue sent", extra={"issue": issue.pk, "accepted": counts.accepted, "uncertain": counts.uncertain})
    return True


def check_thresholds(issue: Issue, *, now: datetime) -> bool:
    """Pause the issue if too many addresses were refused or too many readers complained. True if it was paused.

    Batches recorded before an editor's last resume are not counted.
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
    """Return why the issue should stop, in the newsletter's language; "" if no threshold is exceeded."""
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
            return _("%(complaints)s of %(tried)s readers have reported this mail as spam.") % {
                "complaints": complaints,
                "tried": tried,
            }
    return ""


def _is_too_many(count: int, whole: int) -> bool:
    return count >= MIN_REFUSED_COUNT and count > whole * MAX_REFUSED_SHARE


def _bad_address_reason(issue: Issue, counts: Mapping[str, int], since: datetime | None) -> str:
    """Return a reason if too many addresses do not exist, by SMTP answers and later bounces; else ""."""
    bounced, tried = _reported(issue, DeliveryStatus.BOUNCED, since), counts["accepted"] + counts["refused"]
    if not _is_too_many(counts["refused"] + bounced, tried):
        return ""
    reasons = _count_reasons(issue, Outcome.REFUSED, counts["refused"], since)
    bad_addresses = bounced + sum(number for cause, number in reasons.items() if cause.fault == "address")
    if not _is_too_many(bad_addresses, tried):
        return ""
    return _("%(refused)s of %(tried)s addresses were refused. Check the reasons before you resume.") % {
        "refused": bad_addresses,
        "tried": tried,
    }


def _sender_fault_reason(issue: Issue, counts: Mapping[str, int], since: datetime | None) -> str:
    """Return a reason if too many messages were refused or deferred by the sender's own fault; else ""."""
    tried = sum(counts.values())
    if not _is_too_many(counts["refused"] + counts["deferred"], tried):
        return ""
    reasons = _count_reasons(issue, Outcome.REFUSED, counts["refused"], since)
    reasons += _count_reasons(issue, Outcome.DEFERRED, counts["deferred"], since)
    sender_faults = Counter({cause: number for cause, number in reasons.items() if cause.fault == "sender"})
    if not _is_too_many(sender_faults.total(), tried):
        return ""
    return _("%(count)s of %(tried)s mails were rejected because of the sender, not the readers: %(cause)s.") % {
        "count": sender_faults.total(),
        "tried": tried,
        "cause": sender_faults.most_common(1)[0][0].words,
    }


def _count_reasons(
    issue: Issue, outcome: Outcome, number: int, since: datetime | None
) -> Counter[failure_reasons.FailureReason]:
    """Return how many of `number` readers have which reason. Beyond MAX_REASONS_READ rows the shares are extrapolated."""
    rows = Delivery.objects.filter(issue=issue.pk, outcome=outcome)
    if since:
        rows = rows.filter(batch__sent_at__gt=since)
    sample = Counter(
        failure_reasons.classify(*row, outcome=outcome) for row in rows.values_list("code", "detail")[:MAX_REASONS_READ]
    )
    share = number / sample.total() if sample else 0.0
    return Counter({cause: round(count * share) for cause, count in sample.items()})


def _is_first_batch_done(issue: Issue) -> bool:
    """True while the small first batch has been sent and no other batch has been claimed.

    The first batch counts as a sample although it is smaller than MIN_SAMPLE.
    """
    firsts = Batch.objects.filter(issue=issue.pk, is_first=True)
    rest = Batch.objects.filter(issue=issue.pk, is_first=False, is_retry=False)
    return firsts.exists() and not rest.exclude(status=BatchStatus.WAITING, attempt=0).exists()


def _reported(issue: Issue, status: DeliveryStatus, since: datetime | None) -> int:
    """Count readers with such an event, including quarantined events that wait for a person's decision."""
    events = Event.objects.filter(issue=issue.pk, kind__in=[f"{before}{status}" for before in ("", "due_", "held_")])
    if since:
        events = events.filter(occurred_at__gt=since)
    return events.values("subscription").distinct().count()


def last_resumed_at(issue: Issue) -> datetime | None:
    """Return when the issue was last resumed, or None."""
    entries = AuditEntry.objects.filter(subject=f"issue {issue.pk}", action="issue-resumed")
    return entries.order_by("-occurred_at").values_list("occurred_at", flat=True).first()
