"""From a due issue to the last answer: begin, claim, send, record, and begin again after a crash.

Operations for ticks and tasks. The ledger writes the state, wire makes the bytes, routes talk to the outside; what is
here decides the order: the answer is in the spool before the next message leaves, and in the ledger before the claim is
given up.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
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


# --- beginning -------------------------------------------------------------------------------------------------------


def begin_due(*, now: datetime, jumped_from: datetime | None = None) -> list[int]:
    """Freeze, check and plan every issue whose time has come. Returns the ids of those that are sending now.

    An issue waits up to a minute for a fresh look at its articles and links, which a worker takes; no longer. One that
    is hours late, or due only because the clock jumped ahead from `jumped_from`, waits for a person.
    """
    due = Issue.objects.filter(status=IssueStatus.SCHEDULED, scheduled_at__lte=now)
    chosen = list(due.select_related("newsletter").order_by("scheduled_at"))
    return [issue.pk for issue in chosen if _begin(issue, now=now, jumped_from=jumped_from)]


def _begin(issue: Issue, *, now: datetime, jumped_from: datetime | None) -> bool:
    """The outermost loop: one broken issue must not keep the others waiting, nor be tried every second."""
    try:
        if objection := late_start.reason_to_hold(issue, now=now, jumped_from=jumped_from):
            _hold_back(issue, objection, now=now)
            return False
        return link_checker.may_start_sending(issue, now=now) and begin(issue, now=now)
    except DatabaseError:
        raise
    except Exception:
        logger.exception("issue could not begin", extra={"issue": issue.pk})
        _hold_back(issue, _internal_error_message(issue), now=now)
        return False


def _hold_back(issue: Issue, reason: str, *, now: datetime) -> None:
    """Leave it to a person, unless somebody else moved it in this moment."""
    with contextlib.suppress(issues.WrongState):
        ledger.hold_back(issue, reason=reason, now=now)
        logger.error("issue held back", extra={"issue": issue.pk})


def begin(issue: Issue, *, now: datetime) -> bool:
    """Let one due issue begin, or hold it back with the reason in words. True if it is sending now."""
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
    """Freeze and check; why the issue may not begin, or ""."""
    with translation.override(issue.newsletter.default_language):
        if issue.approved_hash != issues.approval_digest(issue):
            return _changed_message(issue)
        try:
            _freeze(issue, now=now)
        except editions.RenderError as error:
            return str(error)
        defects = preflight.blocking_checks(issue)
        return defects[0].message if defects else ""


def _changed_message(issue: Issue) -> str:
    with translation.override(issue.newsletter.default_language):
        return _("Something changed since this issue was approved. Take it back, review it, and send it again.")


def _freeze(issue: Issue, *, now: datetime) -> None:
    """Freeze what is approved: what was frozen before the approval, when a send was stopped, is thrown away."""
    with transaction.atomic():
        stale = Edition.objects.filter(issue=issue, frozen_at__lt=issue.approved_at or now)
        if not Batch.objects.filter(issue=issue).exists() and stale.exists():
            Link.objects.filter(issue=issue).delete()
            stale.delete()
    editions.freeze(issue, now=now)


# --- waking ----------------------------------------------------------------------------------------------------------


def dispatch(*, now: datetime) -> list[int]:
    """Issue ids to wake a worker for, one entry a wake-up: free slots, shared fairly between issues with work."""
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
    """What nobody is awake to do: end leases, let deferred readers follow, judge, finish, and ask providers.

    Returns changes made. Providers come last: nothing else waits for their answers.
    """
    changes = ledger.expire_leases(now=now) + ledger.plan_retries(now=now)
    for issue in Issue.objects.filter(status=IssueStatus.SENDING).select_related("newsletter"):
        changes += ledger.check_thresholds(issue, now=now) or ledger.finish(issue, now=now)
    return changes + reconciliation.look_up_due(now=now)


# --- sending ---------------------------------------------------------------------------------------------------------


def send(
    issue_id: int, *, worker: str = "", seconds: float = MAX_TASK_S, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Claim, send and record for at most `seconds`, or until there is nothing to claim. Returns how many were accepted.

    `is_stopping` is asked every 250 ms: a worker that is to stop gives back who has not been written to.
    `worker` names the claim holder; by default host, process, boot and spool folder, which settling relies on.
    """
    folder = Path(settings.SEND_SPOOL)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    name = worker if worker.endswith(f":{spool.folder_id(folder)}") else spool.worker_name(folder)
    until, accepted = boottime() + seconds, 0
    names = ledger.register_routes()
    issue = Issue.objects.select_related("newsletter").filter(pk=issue_id).first()
    if issue is None:
        return 0
    while boottime() < until and not is_stopping():
        claim = ledger.claim(issue, worker=name, now=timezone.now(), routes=names)
        if claim is None:
            break
        try:
            accepted += _send_claim(issue, claim, folder, until=until, is_stopping=is_stopping)
        except DatabaseError:
            raise
        except Exception as error:
            _pause_after_error(issue, error, now=timezone.now())
            raise
    ledger.finish(issue, now=timezone.now())
    return accepted


def _send_claim(
    issue: Issue, claim: ledger.Claim, folder: Path, *, until: float, is_stopping: Callable[[], bool]
) -> int:
    """Send one claim and record it. What a crash leaves behind is in the spool."""
    route = routes.by_name(claim.route)
    window = claim_sender.window(route)
    try:
        header = spool.SpoolHeader(
            claim.issue, claim.batch, claim.attempt, claim.worker, window, claim.ids, account=account_of(route)
        )
        answers = spool.SendSpool(folder, header)
    except OSError:
        ledger.record(claim, [], now=timezone.now())
        raise
    run = claim_sender.ClaimSender(issue, claim, answers, until, is_stopping)
    try:
        run.claim = ledger.extend_lease(
            run.claim, now=timezone.now()
        )  # until the spool was there, it could be given away
        if route is not None:
            run.send_all(route)
        ledger.record(run.claim, run.entries, now=timezone.now())
    except (ledger.LeaseLost, routes.DeadlineExceeded):
        logger.warning("lease lost while sending", extra={"issue": issue.pk, "batch": claim.batch})
        answers.close(under_way=run.under_way)
        return 0
    except BaseException:
        answers.close(under_way=run.under_way)
        raise
    answers.discard()
    _apply_run_result(issue, run, route)
    return sum(entry.outcome == Outcome.ACCEPTED for entry in run.entries)


def _apply_run_result(issue: Issue, run: claim_sender.ClaimSender, route: routes.MailRoute | None) -> None:
    """What the run says about the route and the issue."""
    now, name = timezone.now(), run.claim.route
    unused = len(run.claim.ids) - len(run.entries)
    if unused:
        rate_limit.return_tokens(name, unused)
    if route is None:
        rate_limit.record_failure(name, error="This worker has another MAIL_URL.", now=now)
    elif isinstance(run.problem, routes.AccountRefused):
        rate_limit.record_failure(name, error=str(run.problem), now=now, at_once=True)
        _pause_if_no_route(issue, run.problem, now=now)
    elif run.problem is not None or run.is_broken:
        rate_limit.record_failure(name, error=str(run.problem or "The provider gave no answer."), now=now)
    elif run.slowed:
        for slowed in run.slowed.values():
            domain_limits.slow_down(name, slowed, now=now)
        if "" not in run.slowed:
            rate_limit.close_breaker(name)
    elif run.entries:
        rate_limit.record_success(name, limit=route.rate)
    went_well = bool(run.entries) and not run.slowed and run.problem is None and not run.is_broken
    domain_limits.settle_claim(
        name, run.claim.limited, {entry.subscription for entry in run.entries}, went_well=went_well
    )
    ledger.check_thresholds(issue, now=now)


def _pause_after_error(issue: Issue, error: Exception, *, now: datetime) -> None:
    """An error of ours would come again for the same reader: stop until somebody has looked."""
    reason = _disk_error_message(issue, error) if isinstance(error, OSError) else _internal_error_message(issue)
    with contextlib.suppress(issues.WrongState):
        ledger.pause(issue, reason=reason, editor=None, now=now)


def _disk_error_message(issue: Issue, error: OSError) -> str:
    """Nothing is sent that could not be written down first."""
    with translation.override(issue.newsletter.default_language):
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return _(
                "The disk of the sending machine is full, so nothing more is sent: each mail must be written down "
                "before the next. Make room there, then resume. Nobody gets it twice."
            )
        return _(
            "The sending machine cannot write down what it sends (%(error)s), so nothing more is sent. "
            "Ask your administrator to look at its disk, then resume. Nobody gets it twice."
        ) % {"error": error.strerror or type(error).__name__}


def _internal_error_message(issue: Issue) -> str:
    with translation.override(issue.newsletter.default_language):
        return _("An error of this service stopped the sending. Ask your administrator to look at the log.")


def _pause_if_no_route(issue: Issue, problem: routes.AccountRefused, *, now: datetime) -> None:
    """Refused by the only provider: waiting would not help, a person has to look."""
    if rate_limit.is_any_usable([route.name for route in routes.configured()], now=now):
        return
    with translation.override(issue.newsletter.default_language):
        reason = _("The e-mail provider refuses our mail: %(answer)s") % {"answer": problem}
    with contextlib.suppress(issues.WrongState):
        ledger.pause(issue, reason=reason, editor=None, now=now)


# --- after a crash ---------------------------------------------------------------------------------------------------


def settle_orphaned(*, now: datetime) -> int:
    """Read what dead senders of this host left in their spools. Returns how many readers are uncertain for it.

    Called at start and every 15 s by a thread of every worker process; safe beside others. One that cannot be settled
    does not keep the others waiting.
    """
    folder = Path(settings.SEND_SPOOL)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    uncertain = 0
    for left in spool.find_orphaned(folder):
        with _log_errors(left.batch):
            uncertain += ledger.settle_spool(left, now=now)
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


# --- by an editor ----------------------------------------------------------------------------------------------------


def resend(issue: Issue, subscription_ids: Iterable[int], *, editor: Editor | None, now: datetime) -> int:
    """Send once more to these uncertain readers, with the same Message-ID; recorded with the editor's name.

    Returns how many of them it is for. Raises issues.WrongState where nothing of the issue may leave.
    """
    stored = Issue.objects.get(pk=issue.pk)
    if stored.status not in {IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT}:
        raise issues.wrong_state_error(issue)
    return ledger.plan_resend(issue, subscription_ids, editor=editor, now=now)
