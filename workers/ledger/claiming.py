"""Claims: take the next readers of an issue for one worker, and extend the lease on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from newsletter.models import Issue, IssueStatus
from subscribers import audience
from workers import routes as ways
from workers.ledger import locks
from workers.ledger.entries import LEASE_S, Claim, LeaseLost, LedgerEntry
from workers.ledger.ids import BATCH_SIZE, pack, unpack
from workers.ledger.planning import add_batch
from workers.ledger.recording import RETRYABLE, claimed_batch, deliveries_in, write_deliveries
from workers.models import Batch, BatchStatus, Outcome
from workers.routes.base import boottime
from workers.throttling import domain_limits, rate_limit


def claimable_batches(issue_id: int, *, now: datetime) -> QuerySet[Batch]:
    """Return the batches that may be claimed now if the issue is being sent.

    Only the first small batches until these are done, then all. Batches that wait for a domain limit are left out until
    their `due_at`.
    """
    is_due = Q(due_at__isnull=True) | Q(due_at__lte=now)
    waiting = Batch.objects.filter(is_due, issue=issue_id, status=BatchStatus.WAITING)
    firsts = Batch.objects.filter(issue=issue_id, is_first=True).exclude(status=BatchStatus.DONE)
    return waiting.filter(is_first=True) if firsts.exists() else waiting


def sendable_scope(issue_id: int) -> str:
    """Return what of this issue may be sent now: "all", "again" (only what an editor decided to resend) or ""."""
    status = Issue.objects.filter(pk=issue_id).values_list("status", flat=True).first()
    return {IssueStatus.SENDING: "all", IssueStatus.SENT: "again"}.get(IssueStatus(status), "") if status else ""


def claim(
    issue: Issue,
    *,
    worker: str,
    now: datetime,
    routes: Collection[str] | None = None,
    most: int = BATCH_SIZE,
    lease_s: float = LEASE_S,
) -> Claim | None:
    """Claim the next waiting readers of `issue` for this worker, for the best usable route.

    `routes` names the routes that may be used; by default all of MAIL_URL. A claim holds at most as many readers as the
    rate limit allows in four seconds; the others of the batch become a new batch. Other workers may claim at the same
    time. Readers who unsubscribed or were suppressed after the plan are recorded as skipped. Readers above a domain
    limit are moved to a batch that is due later. Returns None if nothing may be sent now.
    """
    # Clocks: `deadline` is boottime and counts from here, so the time that the transaction takes does not prolong it.
    # `lease_expires_at` is wall time, because processes on other hosts compare it with their own clock.
    started = boottime()
    usable = register_routes() if routes is None else routes
    while claimable_batches(issue.pk, now=now).exists() and (scope := sendable_scope(issue.pk)):
        with transaction.atomic():
            # Lock order: the issue's advisory lock (skipped readers are recorded below), the batch, deliveries, the
            # route's row, its domain limits. An editor may pause the issue between the check above and this commit:
            # the sender checks `sendable_scope` again before the first message and every 250 ms.
            locks.acquire_shared(issue.pk)
            batch = _lock_next_batch(issue.pk, again_only=scope == "again", now=now)
            if batch is None:
                return None
            ids = _still_to_send(batch, now=now)
            if not ids:
                Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.DONE, sent_at=now)
                continue
            grant = rate_limit.acquire(usable, want=min(most, BATCH_SIZE, len(ids)), now=now)
            if grant is None:
                return None
            choice = domain_limits.Selection(ids[: grant.most], {})
            if grant.has_lanes:
                choice = domain_limits.select_sendable(grant.route, ids, most=grant.most, now=now, lane=batch.lane)
                rate_limit.release_grant(grant, grant.most - len(choice.selected))
                ids = _defer_limited(batch, ids, choice, now=now)
            if choice.selected:
                return _mark_claimed(
                    batch, ids, choice, grant, worker=worker, now=now, lease_s=lease_s, started=started
                )
    return None


def register_routes() -> list[str]:
    """Return the names of the configured routes, best first. Creates the missing `Route` rows."""
    configured = ways.configured()
    rate_limit.register((route.name, route.kind, route.rate) for route in configured)
    return [route.name for route in configured]


def _lock_next_batch(issue_id: int, *, again_only: bool, now: datetime) -> Batch | None:
    waiting = claimable_batches(issue_id, now=now)
    if again_only:
        waiting = waiting.filter(is_retry=True)
    # SKIP LOCKED: two workers that claim at once take different batches instead of waiting for each other. PostgreSQL
    # rechecks the condition on the locked row, so a batch that another worker has just claimed is not returned.
    return waiting.select_for_update(skip_locked=True).order_by("number").first()


def _still_to_send(batch: Batch, *, now: datetime) -> list[int]:
    """Return the readers of the batch without a final outcome. Records those who may no longer receive as skipped."""
    ids = unpack(batch.reader_ids)
    rows = deliveries_in(batch, ids)
    if batch.is_retry:
        open_ids = set(rows.filter(outcome__in=RETRYABLE).values_list("subscription", flat=True))
        left = [reader for reader in ids if reader in open_ids]
    else:
        done = set(rows.values_list("subscription", flat=True))
        left = [reader for reader in ids if reader not in done]
    barred = audience.no_longer_allowed(left)
    write_deliveries(
        batch, [LedgerEntry(reader, Outcome.SKIPPED, reason) for reader, reason in barred.items()], now=now
    )
    return [reader for reader in left if reader not in barred]


def _defer_limited(batch: Batch, ids: Sequence[int], choice: domain_limits.Selection, *, now: datetime) -> list[int]:
    """Move the readers above a domain limit to batches of their own that are due later. Return the others.

    If no other reader is left, the batch itself gets the due time of one limit, and so do the other waiting batches of
    that limit.
    """
    if not choice.held:
        return list(ids)
    moved = {reader for readers, _opens in choice.held.values() for reader in readers}
    stay = [reader for reader in unpack(batch.reader_ids) if reader not in moved]
    waiting = dict(choice.held)
    if not stay:
        lane, (readers, opens) = waiting.popitem()
        _set_subscribers(batch, readers, lane=lane, due_at=opens)
        # SKIP LOCKED prevents a deadlock: a worker that has one of these batches waits for the route row that this
        # transaction holds.
        same = Batch.objects.select_for_update(skip_locked=True).filter(
            issue=batch.issue_id, status=BatchStatus.WAITING, lane=lane, due_at__lte=now
        )
        Batch.objects.filter(pk__in=list(same.values_list("pk", flat=True))).update(due_at=opens)
    for lane, (readers, opens) in waiting.items():
        add_batch(batch.issue_id, batch.edition_id, readers, is_retry=batch.is_retry, lane=lane, due_at=opens)
    left = [reader for reader in ids if reader not in moved]
    if stay:
        _set_subscribers(batch, stay)
        if not left:
            Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.DONE, sent_at=now)
        batch.reader_ids = pack(stay)
    return left


def _mark_claimed(
    batch: Batch,
    ids: Sequence[int],
    choice: domain_limits.Selection,
    grant: rate_limit.Grant,
    *,
    worker: str,
    now: datetime,
    lease_s: float,
    started: float,
) -> Claim:
    rest = ids[len(choice.selected) :]
    if rest:
        _split(batch, rest)
    Batch.objects.filter(pk=batch.pk, status=BatchStatus.WAITING).update(
        status=BatchStatus.CLAIMED,
        worker=worker,
        route=grant.route,
        attempt=F("attempt") + 1,
        lease_expires_at=now + timedelta(seconds=lease_s),
        due_at=None,
    )
    return Claim(
        issue=batch.issue_id,
        batch=batch.pk,
        edition=batch.edition_id,
        attempt=batch.attempt + 1,
        worker=worker,
        route=grant.route,
        ids=tuple(choice.selected),
        deadline=started + lease_s,
        lease_s=lease_s,
        interval_s=grant.interval_s,
        is_probe=grant.is_probe,
        limited=choice.limited,
    )


def _split(batch: Batch, rest: Sequence[int]) -> None:
    """Move `rest`, who have no delivery of this batch yet, to a new batch."""
    moved = set(rest)
    add_batch(batch.issue_id, batch.edition_id, rest, is_first=batch.is_first, is_retry=batch.is_retry, lane=batch.lane)
    _set_subscribers(batch, [reader for reader in unpack(batch.reader_ids) if reader not in moved])


def _set_subscribers(batch: Batch, readers: Sequence[int], **fields: Any) -> None:
    """Store `readers` as the plan of the batch."""
    plan = {"reader_ids": pack(readers), "size": len(readers), "first_id": readers[0], "last_id": readers[-1]}
    Batch.objects.filter(pk=batch.pk).update(**plan, **fields)


def extend_lease(claim: Claim, *, now: datetime) -> Claim:
    """Renew the lease from now on. Raises LeaseLost.

    One conditional UPDATE: it changes nothing if another process has settled or claimed the batch meanwhile.
    """
    started = boottime()
    until = now + timedelta(seconds=claim.lease_s)
    if not claimed_batch(claim).update(lease_expires_at=until):
        raise LeaseLost(f"Batch {claim.batch} attempt {claim.attempt}")
    return replace(claim, deadline=started + claim.lease_s)
