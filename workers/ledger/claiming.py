"""Taking the next readers of an issue for one worker alone, and holding on to them."""

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
    """Batches that may be claimed now, if the issue goes: all, or only the first small ones until those are done.

    Those whose readers wait for their lane are not among them until then.
    """
    is_due = Q(due_at__isnull=True) | Q(due_at__lte=now)
    waiting = Batch.objects.filter(is_due, issue=issue_id, status=BatchStatus.WAITING)
    firsts = Batch.objects.filter(issue=issue_id, is_first=True).exclude(status=BatchStatus.DONE)
    return waiting.filter(is_first=True) if firsts.exists() else waiting


def sendable_scope(issue_id: int) -> str:
    """ "all", "again" (only what an editor asked to send again) or "" — what of this issue may leave now."""
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
    """Take the next waiting readers of `issue` for this worker, by the best route that is open.

    `routes` names those that may be used; by default all of MAIL_URL.
    At most as many as the pace lets out in four seconds; the rest becomes a batch of its own. Safe beside other
    workers. Whoever has left or was suppressed since the plan is out already, recorded as skipped; whoever's mail
    service goes slower is in a batch that follows later. None when nothing may be sent now.
    """
    started = boottime()
    usable = register_routes() if routes is None else routes
    while claimable_batches(issue.pk, now=now).exists() and (goes_now := sendable_scope(issue.pk)):
        with transaction.atomic():
            locks.acquire_shared(issue.pk)  # whom we skip below is written down
            batch = _lock_next_batch(issue.pk, again_only=goes_now == "again", now=now)
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
    """Names of the configured routes, best first; makes sure that each has its row."""
    configured = ways.configured()
    rate_limit.register((route.name, route.kind, route.rate) for route in configured)
    return [route.name for route in configured]


def _lock_next_batch(issue_id: int, *, again_only: bool, now: datetime) -> Batch | None:
    waiting = claimable_batches(issue_id, now=now)
    if again_only:
        waiting = waiting.filter(is_retry=True)
    return waiting.select_for_update(skip_locked=True).order_by("number").first()


def _still_to_send(batch: Batch, *, now: datetime) -> list[int]:
    """Who of the batch is still to get it. Writes down as skipped who may not any more."""
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
    """Take out of the batch whom their lanes hold back: they follow in batches of their own. Returns who stays.

    Where all of one lane's readers are all that is left, the batch itself waits, with its brethren of that lane.
    """
    if not choice.held:
        return list(ids)
    moved = {reader for readers, _opens in choice.held.values() for reader in readers}
    stay = [reader for reader in unpack(batch.reader_ids) if reader not in moved]
    waiting = dict(choice.held)
    if not stay:
        lane, (readers, opens) = waiting.popitem()
        _set_subscribers(batch, readers, lane=lane, due_at=opens)
        # Whoever is just being claimed waits for the route that we hold, so we must not wait for them.
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
    """Move `rest`, who have no delivery of this batch yet, into a batch of their own."""
    moved = set(rest)
    add_batch(batch.issue_id, batch.edition_id, rest, is_first=batch.is_first, is_retry=batch.is_retry, lane=batch.lane)
    _set_subscribers(batch, [reader for reader in unpack(batch.reader_ids) if reader not in moved])


def _set_subscribers(batch: Batch, readers: Sequence[int], **fields: Any) -> None:
    """Make the batch one of `readers`."""
    plan = {"reader_ids": pack(readers), "size": len(readers), "first_id": readers[0], "last_id": readers[-1]}
    Batch.objects.filter(pk=batch.pk).update(**plan, **fields)


def extend_lease(claim: Claim, *, now: datetime) -> Claim:
    """Hold the batch for another lease from now. Raises LeaseLost."""
    started = boottime()
    until = now + timedelta(seconds=claim.lease_s)
    if not claimed_batch(claim).update(lease_expires_at=until):
        raise LeaseLost(f"Batch {claim.batch} attempt {claim.attempt}")
    return replace(claim, deadline=started + claim.lease_s)
