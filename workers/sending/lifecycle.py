"""Sending of an issue, from due to the last answer: begin, claim, send, record, and recover after a crash.

Operations for periodic tasks and for `send`. `workers.ledger` writes the state, `workers.message` makes the bytes,
`workers.routes` sends. This module decides the order: an answer is in the spool before the next message is sent, and in
the ledger before the claim is released.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from newsletter import editions, issues
from newsletter.checks import link_checker
from newsletter.models import Edition, Editor, Issue, IssueStatus, Link
from workers import ledger, routes, spool
from workers.models import Batch, BatchStatus, Outcome
from workers.routes.base import account_of, boottime
from workers.sending import claim_sender, late_start, preflight, reconciliation
from workers.throttling import domain_limits, rate_limit

logger = logging.getLogger(__name__)

MAX_TASK_S = 20.0
FREEZE_RETRY_S = 600


# --- begin -----------------------------------------------------------------------------------------------------------


def begin_due(*, now: datetime, jumped_from: datetime | None = None) -> list[int]:
    """Freeze, check and plan every issue that is due. Return the ids of those that are being sent now.

    An issue waits up to a minute for a fresh check of its articles and links by a worker. An issue that is hours late,
    or due only because the clock jumped ahead from `jumped_from`, waits for a person's decision. Safe to repeat and to
    run in several workers: `ledger.begin` is one conditional transition.
    """
    due = Issue.objects.filter(status=IssueStatus.SCHEDULED, scheduled_at__lte=now)
    due_issues = list(due.select_related("newsletter").order_by("scheduled_at"))
    return [issue.pk for issue in due_issues if _begin(issue, now=now, jumped_from=jumped_from)]


def _begin(issue: Issue, *, now: datetime, jumped_from: datetime | None) -> bool:
    """Begin one issue. An issue that raises is paused: it must not delay the others or be tried every second.

    A DatabaseError is raised: the next tick tries again.
    """
    try:
        if reason := late_start.reason_to_hold(issue, now=now, jumped_from=jumped_from):
            _hold_back(issue, reason, now=now)
            return False
        return link_checker.may_start_sending(issue, now=now) and begin(issue, now=now)
    except DatabaseError:
        raise
    except Exception:
        logger.exception("issue could not begin", extra={"issue": issue.pk})
        _hold_back(issue, _internal_error_message(issue), now=now)
        return False


def _hold_back(issue: Issue, reason: str, *, now: datetime) -> None:
    """Pause the issue for a person's decision, unless another process or an editor has just moved it."""
    with contextlib.suppress(issues.WrongState):
        ledger.hold_back(issue, reason=reason, now=now)
        logger.error("issue held back", extra={"issue": issue.pk})


def begin(issue: Issue, *, now: datetime) -> bool:
    """Begin one due issue, or pause it with a reason. Return True if it is being sent now."""
    try:
        reason = _reason_not_to_begin(issue, now=now)
        if reason:
            _hold_back(issue, reason, now=now)
            return False
        ledger.begin(issue, now=now)
    except ledger.ChangedSinceApproval:
        _hold_back(issue, _changed_message(issue), now=now)
        return False
    except issues.WrongState:
        return False  # stopped in this moment, or begun by another worker
    return True


def _reason_not_to_begin(issue: Issue, *, now: datetime) -> str:
    """Freeze and check the issue. Return why it may not begin, or ""."""
    with translation.override(issue.newsletter.default_language):
        if not issues.matches_approval(issue):
            return _changed_message(issue)
        try:
            _freeze(issue, now=now)
        except editions.RenderError as error:
            return str(error)
        defects = preflight.blocking_checks(issue)
        return defects[0].message if defects else ""


def _changed_message(issue: Issue) -> str:
    with translation.override(issue.newsletter.default_language):
        return _("This issue was changed after it was approved. Take it back, review it, and send it again.")


def _freeze(issue: Issue, *, now: datetime) -> None:
    """Freeze the issue as it is approved and scheduled. Editions of an earlier approval or date are deleted first.

    Nothing is deleted once the issue has batches: what was sent must stay as it was. Safe to repeat.
    """
    with transaction.atomic():
        # The lock keeps another worker from freezing between the two deletions.
        stored = Issue.objects.select_for_update().get(pk=issue.pk)
        if stored.approved_hash != issue.approved_hash:
            raise issues.wrong_state_error(issue)  # stopped and approved anew since `issue` was read
        frozen = Edition.objects.filter(issue=issue)
        stale = frozen.filter(frozen_at__lt=issue.approved_at or now) | frozen.exclude(
            frozen_for__in=["", editions.freeze_key(issue)]
        )
        if stale.exists() and not Batch.objects.filter(issue=issue).exists():
            Link.objects.filter(issue=issue).delete()
            frozen.delete()
    editions.freeze(issue, now=now)


def freeze_scheduled(*, now: datetime) -> int:
    """Freeze one scheduled issue whose time has not come, so that it is sent as it was approved.

    Called every second. An issue that cannot be rendered is tried again after ten minutes; `begin` reports the reason.
    Returns the number of issues frozen.
    """
    upcoming = Issue.objects.filter(status=IssueStatus.SCHEDULED, scheduled_at__gt=now, deleted_at__isnull=True)
    for issue in upcoming.select_related("newsletter").order_by("scheduled_at"):
        if _has_current_editions(issue) or not issues.matches_approval(issue):
            continue
        # One try per issue and ten minutes: compiling takes up to seconds, and this runs beside `begin_due`.
        if not cache.add(f"freeze-scheduled:{issue.pk}:{editions.freeze_key(issue)}", 1, timeout=FREEZE_RETRY_S):
            continue
        try:
            _freeze(issue, now=now)
        except (editions.RenderError, issues.WrongState):
            logger.warning("scheduled issue could not be frozen", extra={"issue": issue.pk})
            continue
        return 1
    return 0


def _has_current_editions(issue: Issue) -> bool:
    """Whether the editions are those of this approval and date; an edition frozen before the approval does not count."""
    return Edition.objects.filter(
        issue=issue, frozen_for=editions.freeze_key(issue), frozen_at__gte=issue.approved_at
    ).exists()


# --- dispatch and recovery -------------------------------------------------------------------------------------------


def dispatch(*, now: datetime) -> list[int]:
    """Return the issue ids to publish a `send` task for, one entry a task: free slots, shared between issues with work.

    Reads only. Another process may take the work before the task runs; a task that finds nothing to claim ends at once.
    """
    free = settings.SEND_SLOTS - Batch.objects.filter(status=BatchStatus.CLAIMED, lease_expires_at__gt=now).count()
    if free <= 0 or not rate_limit.is_any_usable([route.name for route in routes.configured()], now=now):
        return []
    waiting = Batch.objects.filter(
        status=BatchStatus.WAITING, issue__status__in=[IssueStatus.SENDING, IssueStatus.SENT]
    )
    work = {issue_id: _claimable(issue_id, now=now) for issue_id in waiting.values_list("issue", flat=True).distinct()}
    return [issue_id for place in range(free) for issue_id, batches in work.items() if place < batches][:free]


def _claimable(issue_id: int, *, now: datetime) -> int:
    batches = ledger.claimable_batches(issue_id, now=now)
    return (batches.filter(is_retry=True) if ledger.sendable_scope(issue_id) == "again" else batches).count()


def recover(*, now: datetime) -> int:
    """Expire leases, plan retries, check thresholds, finish issues and look up uncertain messages at providers.

    Returns the number of changes. Safe to repeat. The look-ups come last, so that nothing waits for a provider.
    """
    changes = ledger.expire_leases(now=now) + ledger.plan_retries(now=now)
    for issue in Issue.objects.filter(status=IssueStatus.SENDING).select_related("newsletter"):
        changes += ledger.check_thresholds(issue, now=now) or ledger.finish(issue, now=now)
    return changes + reconciliation.look_up_due(now=now)


# --- send ------------------------------------------------------------------------------------------------------------


def send(
    issue_id: int, *, worker: str = "", seconds: float = MAX_TASK_S, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Claim, send and record for at most `seconds`, or until nothing can be claimed. Return how many were accepted.

    `is_stopping` is called every 250 ms: a worker that is stopping releases the readers it has not sent to.
    `worker` names the claim holder; by default host, process, boot and spool folder, which settling relies on.
    """
    folder = Path(settings.SEND_SPOOL)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    name = worker if worker.endswith(f":{spool.folder_id(folder)}") else spool.worker_name(folder)
    stop_at, accepted = boottime() + seconds, 0  # boottime: setting the wall clock does not prolong the task
    names = ledger.register_routes()
    issue = Issue.objects.select_related("newsletter").filter(pk=issue_id).first()
    if issue is None:
        return 0
    while boottime() < stop_at and not is_stopping():
        claim = ledger.claim(issue, worker=name, now=timezone.now(), routes=names)
        if claim is None:
            break
        try:
            accepted += _send_claim(issue, claim, folder, stop_at=stop_at, is_stopping=is_stopping)
        except DatabaseError:
            # Retry: the claim's lease expires, and settling reads the outcomes from the spool. No pause is needed.
            raise
        except Exception as error:
            _pause_after_error(issue, error, now=timezone.now())
            raise
    ledger.finish(issue, now=timezone.now())
    return accepted


def _send_claim(
    issue: Issue, claim: ledger.Claim, folder: Path, *, stop_at: float, is_stopping: Callable[[], bool]
) -> int:
    """Send one claim and record it. Return how many were accepted. After a crash the spool holds the outcomes."""
    route = routes.by_name(claim.route)
    window = claim_sender.window(route)
    try:
        header = spool.SpoolHeader(
            claim.issue, claim.batch, claim.attempt, claim.worker, window, claim.ids, account=account_of(route)
        )
        send_spool = spool.SendSpool(folder, header)
    except OSError:
        ledger.record(claim, [], now=timezone.now())  # nothing was sent: all readers wait again
        raise
    sender = claim_sender.ClaimSender(issue, claim, send_spool, stop_at, is_stopping)
    try:
        # Race: until the spool existed, `settle_without_spool` could release this claim. Extending the lease fails then.
        sender.claim = ledger.extend_lease(sender.claim, now=timezone.now())
        if route is not None:
            sender.send_all(route)
        ledger.record(sender.claim, sender.entries, now=timezone.now())
    except (ledger.LeaseLost, routes.DeadlineExceeded):
        logger.warning("lease lost while sending", extra={"issue": issue.pk, "batch": claim.batch})
        send_spool.close(has_in_flight=sender.has_in_flight)  # `settle_orphaned` records what is in it
        return 0
    except BaseException:
        send_spool.close(has_in_flight=sender.has_in_flight)
        raise
    # Order: the outcomes are committed before the spool is deleted. After a crash between the two, settling finds the
    # batch done and deletes the file.
    send_spool.discard()
    _apply_route_feedback(issue, sender, route)
    return sum(entry.outcome == Outcome.ACCEPTED for entry in sender.entries)


def _apply_route_feedback(issue: Issue, sender: claim_sender.ClaimSender, route: routes.MailRoute | None) -> None:
    """Update the route's rate, breaker and domain limits by what it answered, then check the issue's thresholds."""
    now, name = timezone.now(), sender.claim.route
    unused = len(sender.claim.ids) - len(sender.entries)
    if unused:
        rate_limit.return_tokens(name, unused)
    if route is None:
        rate_limit.record_failure(name, error="This worker has another MAIL_URL.", now=now)
    elif isinstance(sender.problem, routes.AccountRefused):
        rate_limit.record_failure(name, error=str(sender.problem), now=now, at_once=True)
        _pause_if_no_route(issue, sender.problem, now=now)
    elif sender.problem is not None or sender.is_broken:
        rate_limit.record_failure(name, error=str(sender.problem or "The provider gave no answer."), now=now)
    elif sender.slow_downs:
        for request in sender.slow_downs.values():
            domain_limits.slow_down(name, request, now=now)
        if "" not in sender.slow_downs:
            rate_limit.close_breaker(name)
    elif sender.entries:
        rate_limit.record_success(name, limit=route.rate)
    went_well = bool(sender.entries) and not sender.slow_downs and sender.problem is None and not sender.is_broken
    domain_limits.settle_claim(
        name, sender.claim.limited, {entry.subscription for entry in sender.entries}, went_well=went_well
    )
    ledger.check_thresholds(issue, now=now)


def _pause_after_error(issue: Issue, error: Exception, *, now: datetime) -> None:
    """Pause the issue: an internal error would repeat for the same reader. An administrator must look at it first."""
    reason = _disk_error_message(issue, error) if isinstance(error, OSError) else _internal_error_message(issue)
    with contextlib.suppress(issues.WrongState):
        ledger.pause(issue, reason=reason, editor=None, now=now)


def _disk_error_message(issue: Issue, error: OSError) -> str:
    """Return the reason for a pause after a disk error. Nothing is sent if its result cannot be stored."""
    with translation.override(issue.newsletter.default_language):
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return _(
                "The disk of the sending server is full. Sending has stopped, because each result must be stored "
                "before the next mail is sent. Free some disk space, then resume. No reader gets this mail twice."
            )
        return _(
            "The sending server cannot store the results (%(error)s). Sending has stopped. "
            "Ask your administrator to check the disk, then resume. No reader gets this mail twice."
        ) % {"error": error.strerror or type(error).__name__}


def _internal_error_message(issue: Issue) -> str:
    with translation.override(issue.newsletter.default_language):
        return _("An internal error stopped the sending. Ask your administrator to check the log.")


def _pause_if_no_route(issue: Issue, problem: routes.AccountRefused, *, now: datetime) -> None:
    """Pause the issue if the only usable provider refused the account: retrying would not help."""
    if rate_limit.is_any_usable([route.name for route in routes.configured()], now=now):
        return
    with translation.override(issue.newsletter.default_language):
        reason = _("The email provider refused this account: %(answer)s") % {"answer": problem}
    with contextlib.suppress(issues.WrongState):
        ledger.pause(issue, reason=reason, editor=None, now=now)


# --- after a crash ---------------------------------------------------------------------------------------------------


def settle_orphaned(*, now: datetime) -> int:
    """Settle the spools and claims of dead senders of this host. Return how many readers become uncertain.

    A thread of every worker process calls it at start and every 15 s. Several may run at once: the flock of a spool and
    the row lock of a batch admit one. A spool that cannot be settled is logged and does not delay the others.
    """
    folder = Path(settings.SEND_SPOOL)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    uncertain = 0
    for left in spool.find_orphaned(folder):
        with _log_errors(left.batch):
            uncertain += ledger.settle_spool(left, now=now)
            # After the commit. A crash before this line is harmless: the next run finds the batch settled.
            left.file.unlink(missing_ok=True)
    for batch, attempt in ledger.claims_without_spool(spool.folder_id(folder), now=now):
        file = spool.spool_path(folder, batch, attempt)
        with _log_errors(batch):
            uncertain += ledger.settle_without_spool(batch, attempt, unless=file.exists, now=now)
    return uncertain


@contextlib.contextmanager
def _log_errors(batch: int) -> Iterator[None]:
    try:
        yield
    except DatabaseError:
        raise
    except Exception:
        logger.exception("batch could not be settled", extra={"batch": batch})


# --- resend ----------------------------------------------------------------------------------------------------------


def resend(issue: Issue, subscription_ids: Iterable[int], *, editor: Editor | None, now: datetime) -> int:
    """Resend to these uncertain readers, with the same Message-ID. The audit log records the editor.

    Returns how many are resent to. Raises issues.WrongState if nothing of the issue may be sent.
    """
    stored = Issue.objects.get(pk=issue.pk)
    if stored.status not in {IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT}:
        raise issues.wrong_state_error(issue)
    return ledger.plan_resend(issue, subscription_ids, editor=editor, now=now)
