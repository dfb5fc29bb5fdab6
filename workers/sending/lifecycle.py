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
from workers.routes.base import account_of, tick
from workers.sending import claim_sender, late_start, preflight, reconciliation
from workers.throttling import domains, rate_limit

logger = logging.getLogger(__name__)

TASK_S = 20.0


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
        if objection := late_start.objection(issue, now=now, jumped_from=jumped_from):
            _hold_back(issue, objection, now=now)
            return False
        return link_checker.may_begin(issue, now=now) and begin(issue, now=now)
    except DatabaseError:
        raise
    except Exception:
        logger.exception("issue could not begin", extra={"issue": issue.pk})
        _hold_back(issue, _our_error(issue), now=now)
        return False


def _hold_back(issue: Issue, reason: str, *, now: datetime) -> None:
    """Leave it to a person, unless somebody else moved it in this moment."""
    with contextlib.suppress(issues.WrongState):
        ledger.hold_back(issue, reason=reason, now=now)
        logger.error("issue held back", extra={"issue": issue.pk})


def begin(issue: Issue, *, now: datetime) -> bool:
    """Let one due issue begin, or hold it back with the reason in words. True if it is sending now."""
    try:
        reason = _obstacle(issue, now=now)
        if reason:
            _hold_back(issue, reason, now=now)
            return False
        ledger.begin(issue, now=now)
    except ledger.Changed:
        _hold_back(issue, _changed(issue), now=now)
        return False
    except issues.WrongState:
        return False  # stopped in this moment, or begun by another worker
    return True


def _obstacle(issue: Issue, *, now: datetime) -> str:
    """Freeze and check; why the issue may not begin, or ""."""
    with translation.override(issue.newsletter.default_language):
        if issue.approved_hash != issues.digest(issue):
            return _changed(issue)
        try:
            _freeze(issue, now=now)
        except editions.CannotRender as error:
            return str(error)
        defects = preflight.blocking(issue)
        return defects[0].message if defects else ""


def _changed(issue: Issue) -> str:
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
    if free <= 0 or not rate_limit.usable([route.name for route in routes.all()], now=now):
        return []
    waiting = Batch.objects.filter(
        status=BatchStatus.WAITING, issue__status__in=[IssueStatus.SENDING, IssueStatus.SENT]
    )
    work = {issue_id: _claimable(issue_id, now=now) for issue_id in waiting.values_list("issue", flat=True).distinct()}
    return [issue_id for place in range(free) for issue_id, batches in work.items() if place < batches][:free]


def _claimable(issue_id: int, *, now: datetime) -> int:
    batches = ledger.claimable(issue_id, now=now)
    return (batches.filter(is_retry=True) if ledger.goes(issue_id) == "again" else batches).count()


def recover(*, now: datetime) -> int:
    """What nobody is awake to do: end leases, let deferred readers follow, judge, finish, and ask providers.

    Returns changes made. Providers come last: nothing else waits for their answers.
    """
    changes = ledger.expire(now=now) + ledger.follow_up(now=now)
    for issue in Issue.objects.filter(status=IssueStatus.SENDING).select_related("newsletter"):
        changes += ledger.judge(issue, now=now) or ledger.finish(issue, now=now)
    return changes + reconciliation.settle(now=now)


# --- sending ---------------------------------------------------------------------------------------------------------


def send(
    issue_id: int, *, worker: str = "", seconds: float = TASK_S, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Claim, send and record for at most `seconds`, or until there is nothing to claim. Returns how many were accepted.

    `is_stopping` is asked every 250 ms: a worker that is to stop gives back who has not been written to.
    `worker` names the claim holder; by default host, process, boot and spool folder, which settling relies on.
    """
    folder = Path(settings.SEND_SPOOL)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    name = worker if worker.endswith(f":{spool.folder_id(folder)}") else spool.worker_name(folder)
    until, accepted = tick() + seconds, 0
    names = ledger.routes_of_mail_url()
    issue = Issue.objects.select_related("newsletter").filter(pk=issue_id).first()
    if issue is None:
        return 0
    while tick() < until and not is_stopping():
        claim = ledger.claim(issue, worker=name, now=timezone.now(), routes=names)
        if claim is None:
            break
        try:
            accepted += _work(issue, claim, folder, until=until, is_stopping=is_stopping)
        except DatabaseError:
            raise
        except Exception as error:
            _pause_for_an_error(issue, error, now=timezone.now())
            raise
    ledger.finish(issue, now=timezone.now())
    return accepted


def _work(issue: Issue, claim: ledger.Claim, folder: Path, *, until: float, is_stopping: Callable[[], bool]) -> int:
    """Send one claim and record it. What a crash leaves behind is in the spool."""
    route = routes.by_name(claim.route)
    window = claim_sender.window(route)
    try:
        header = spool.Header(
            claim.issue, claim.batch, claim.attempt, claim.worker, window, claim.ids, account=account_of(route)
        )
        answers = spool.SendSpool(folder, header)
    except OSError:
        ledger.record(claim, [], now=timezone.now())
        raise
    run = claim_sender.Run(issue, claim, answers, until, is_stopping)
    try:
        run.claim = ledger.extend(run.claim, now=timezone.now())  # until the spool was there, it could be given away
        if route is not None:
            run.all(route)
        ledger.record(run.claim, run.entries, now=timezone.now())
    except (ledger.LeaseLost, routes.TooLate):
        logger.warning("lease lost while sending", extra={"issue": issue.pk, "batch": claim.batch})
        answers.close(under_way=run.under_way)
        return 0
    except BaseException:
        answers.close(under_way=run.under_way)
        raise
    answers.discard()
    _account_for(issue, run, route)
    return sum(entry.outcome == Outcome.ACCEPTED for entry in run.entries)


def _account_for(issue: Issue, run: claim_sender.Run, route: routes.Route | None) -> None:
    """What the run says about the route and the issue."""
    now, name = timezone.now(), run.claim.route
    unused = len(run.claim.ids) - len(run.entries)
    if unused:
        rate_limit.give_back(name, unused)
    if route is None:
        rate_limit.failed(name, error="This worker has another MAIL_URL.", now=now)
    elif isinstance(run.problem, routes.Refused):
        rate_limit.failed(name, error=str(run.problem), now=now, at_once=True)
        _pause_without_a_way_out(issue, run.problem, now=now)
    elif run.problem is not None or run.is_broken:
        rate_limit.failed(name, error=str(run.problem or "The provider gave no answer."), now=now)
    elif run.slowed:
        for slowed in run.slowed.values():
            domains.slow_down(name, slowed, now=now)
        if "" not in run.slowed:
            rate_limit.answered(name)
    elif run.entries:
        rate_limit.went_well(name, limit=route.rate)
    went_well = bool(run.entries) and not run.slowed and run.problem is None and not run.is_broken
    domains.settle(name, run.claim.limited, {entry.subscription for entry in run.entries}, went_well=went_well)
    ledger.judge(issue, now=now)


def _pause_for_an_error(issue: Issue, error: Exception, *, now: datetime) -> None:
    """An error of ours would come again for the same reader: stop until somebody has looked."""
    reason = _disk_error(issue, error) if isinstance(error, OSError) else _our_error(issue)
    with contextlib.suppress(issues.WrongState):
        ledger.pause(issue, reason=reason, editor=None, now=now)


def _disk_error(issue: Issue, error: OSError) -> str:
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


def _our_error(issue: Issue) -> str:
    with translation.override(issue.newsletter.default_language):
        return _("An error of this service stopped the sending. Ask your administrator to look at the log.")


def _pause_without_a_way_out(issue: Issue, problem: routes.Refused, *, now: datetime) -> None:
    """Refused by the only provider: waiting would not help, a person has to look."""
    if rate_limit.usable([route.name for route in routes.all()], now=now):
        return
    with translation.override(issue.newsletter.default_language):
        reason = _("The e-mail provider refuses our mail: %(answer)s") % {"answer": problem}
    with contextlib.suppress(issues.WrongState):
        ledger.pause(issue, reason=reason, editor=None, now=now)


# --- after a crash ---------------------------------------------------------------------------------------------------


def settle_host(*, now: datetime) -> int:
    """Read what dead senders of this host left in their spools. Returns how many readers are uncertain for it.

    Called at start and every 15 s by a thread of every worker process; safe beside others. One that cannot be settled
    does not keep the others waiting.
    """
    folder = Path(settings.SEND_SPOOL)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    uncertain = 0
    for left in spool.left_behind(folder):
        with _others_go_on(left.batch):
            uncertain += ledger.settle(left, now=now)
            left.file.unlink(missing_ok=True)
    for batch, attempt in ledger.without_spool(spool.folder_id(folder), now=now):
        file = spool.file_of(folder, batch, attempt)
        with _others_go_on(batch):
            uncertain += ledger.settle_without_spool(batch, attempt, unless=file.exists, now=now)
    return uncertain


@contextlib.contextmanager
def _others_go_on(batch: int) -> Iterator[None]:
    try:
        yield
    except DatabaseError:
        raise
    except Exception:
        logger.exception("batch could not be settled", extra={"batch": batch})


# --- by an editor ----------------------------------------------------------------------------------------------------


def send_again(issue: Issue, subscription_ids: Iterable[int], *, editor: Editor | None, now: datetime) -> int:
    """Send once more to these uncertain readers, with the same Message-ID; recorded with the editor's name.

    Returns how many of them it is for. Raises issues.WrongState where nothing of the issue may leave.
    """
    stored = Issue.objects.get(pk=issue.pk)
    if stored.status not in {IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT}:
        raise issues.wrong_state(issue)
    return ledger.send_again(issue, subscription_ids, editor=editor, now=now)
