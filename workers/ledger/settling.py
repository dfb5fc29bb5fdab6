"""Settling after a crash: expired leases, and the outcomes in the spools of senders that died."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from newsletter.models import Issue
from subscribers import tokens
from workers import providers, spool
from workers.ledger import locks, look_ups
from workers.ledger.entries import LedgerEntry
from workers.ledger.ids import unpack
from workers.ledger.recording import close_batch, deliveries_in, write_deliveries
from workers.message import header_fields
from workers.models import Batch, BatchStatus, Outcome

logger = logging.getLogger(__name__)


NO_ANSWER = "No answer was recorded before the sender stopped."


def expire_leases(*, now: datetime) -> int:
    """Set batches with an expired lease to uncertain. They cannot be claimed until their spool has been read.

    Returns how many. The holder may be alive (a suspended host, a slow disk): its next `extend_lease` or `record` then
    raises LeaseLost.
    """
    over = Batch.objects.filter(status=BatchStatus.CLAIMED, lease_expires_at__lt=now)
    expired = over.update(status=BatchStatus.UNCERTAIN)
    if expired:
        logger.warning("leases expired", extra={"batches": expired})
    return expired


def settle_spool(left: spool.OrphanedSpool, *, now: datetime) -> int:
    """Record the outcomes in a spool without a holder. Return how many readers become uncertain.

    Readers with an answer get their delivery. The first unanswered readers, as many as the window, become uncertain; the
    others wait again. After a restart of the host answers may be missing (they were written but not synced): then all
    unanswered readers are uncertain. Safe to repeat: a settled batch is no longer claimed or uncertain under this
    attempt.
    """
    with transaction.atomic():
        # Lock order: the issue's advisory lock, the batch, deliveries, counters of batches. The attempt number excludes a
        # later claim of the same batch.
        _lock_issue(left.batch)
        batch = _unsettled().select_for_update().filter(pk=left.batch, attempt=left.attempt).first()
        if batch is None:
            return 0
        ids = left.header.ids if left.header else tuple(unpack(batch.reader_ids))
        entries = [_entry(ids[answer.position], answer) for answer in left.answers if answer.position < len(ids)]
        open_ids = _unanswered(batch, ids, entries)
        window = len(open_ids) if left.window is None else left.window
        uncertain = _uncertain_entries(batch, open_ids[:window], account=left.header.account if left.header else "")
        write_deliveries(batch, entries + uncertain, now=now)
        close_batch(batch, open_ids[window:], now=now)
    logger.warning("batch settled", extra={"issue": batch.issue_id, "batch": batch.pk, "uncertain": len(uncertain)})
    return len(uncertain)


def _lock_issue(batch_id: int) -> None:
    """Take the shared advisory lock of the batch's issue. Call it before the batch is locked."""
    for issue in Batch.objects.filter(pk=batch_id).values_list("issue_id", flat=True):
        locks.acquire_shared(issue)


def _entry(reader: int, answer: spool.SpooledResult) -> LedgerEntry:
    return LedgerEntry(reader, answer.outcome, answer.code, answer.detail, answer.provider_id, answer.message_id)


def _unsettled() -> QuerySet[Batch]:
    return Batch.objects.filter(status__in=[BatchStatus.CLAIMED, BatchStatus.UNCERTAIN])


def _unanswered(batch: Batch, ids: Sequence[int], entries: Iterable[LedgerEntry]) -> list[int]:
    answered = {entry.subscription for entry in entries}
    if not batch.is_retry:
        answered |= set(deliveries_in(batch, ids).values_list("subscription", flat=True))
    return [reader for reader in ids if reader not in answered]


def _uncertain_entries(batch: Batch, ids: Iterable[int], *, account: str = "") -> list[LedgerEntry]:
    """Return uncertain entries for `ids`. `account` is the provider account in the spool's header.

    Without a spool the account is unknown; then no provider is searched for the messages.
    """
    has_own_id = not providers.makes_message_ids(batch.route.rpartition("-")[0])
    domain = header_fields.domain_of(batch.issue.newsletter.from_email)
    look_up = look_ups.encode(batch.route, account, batch.pk, batch.attempt)
    return [
        LedgerEntry(
            reader,
            Outcome.UNCERTAIN,
            detail=NO_ANSWER,
            provider_id=look_up,
            message_id=tokens.message_id(batch.issue_id, reader, domain) if has_own_id else "",
        )
        for reader in ids
    ]


def claims_without_spool(folder_id: str, *, now: datetime) -> list[tuple[int, int]]:
    """Return (batch, attempt) of the claims under this spool folder whose lease has expired."""
    claims = _unsettled().filter(worker__endswith=f":{folder_id}", lease_expires_at__lt=now)
    return list(claims.values_list("pk", "attempt"))


def settle_without_spool(
    batch_id: int, attempt: int, *, now: datetime, unless: Callable[[], bool] = lambda: False
) -> int:
    """Settle a claim that has no spool in its own folder. Return how many readers become uncertain.

    Such a claim never sent a message, unless the host restarted since: then the file may have been lost, and all
    unanswered readers are uncertain. `unless` looks for the spool once more while the batch is locked.
    """
    with transaction.atomic():
        # Lock order: the issue's advisory lock, the batch, deliveries, counters of batches.
        # Race: the holder may be creating its spool right now. It extends its lease after the spool exists and before
        # the first message, and that UPDATE waits for this lock. So either `unless` finds the spool here, or the
        # holder's `extend_lease` raises LeaseLost and nothing is sent.
        _lock_issue(batch_id)
        batch = _unsettled().select_for_update().filter(pk=batch_id, attempt=attempt).first()
        if batch is None or unless():
            return 0
        open_ids = _unanswered(batch, unpack(batch.reader_ids), ())
        is_same_boot = f":{spool.boot_id()[:8]}:" in batch.worker
        uncertain = [] if is_same_boot else _uncertain_entries(batch, open_ids)
        write_deliveries(batch, uncertain, now=now)
        close_batch(batch, open_ids if is_same_boot else [], now=now)
    return len(uncertain)


def settle_lost_host(host: str, *, now: datetime, issue: Issue | None = None) -> tuple[int, int]:
    """Set all unanswered readers of a lost host's claims to uncertain. Return (number of batches, of readers).

    Only its claims of `issue`, if given. For a host that will not come back: its spools cannot be read.
    """
    batches = readers = 0
    if not host or ":" in host:  # a worker's name contains ":"; a host's name does not
        return batches, readers
    lost = _unsettled().filter(worker__startswith=f"{host}:", lease_expires_at__lt=now)
    if issue is not None:
        lost = lost.filter(issue=issue)
    for pk in lost.values_list("pk", flat=True):
        with transaction.atomic():
            # Lock order: the issue's advisory lock, the batch, deliveries, counters of batches. One transaction a batch.
            _lock_issue(pk)
            batch = _unsettled().select_for_update().filter(pk=pk).first()
            if batch is None:
                continue
            uncertain = _uncertain_entries(batch, _unanswered(batch, unpack(batch.reader_ids), ()))
            write_deliveries(batch, uncertain, now=now)
            close_batch(batch, [], now=now)
            batches, readers = batches + 1, readers + len(uncertain)
    return batches, readers
