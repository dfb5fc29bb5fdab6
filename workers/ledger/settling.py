"""After a crash: leases that ran out, and what the spools of dead senders tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from newsletter.models import Issue
from subscribers import tokens
from workers import spool
from workers.ledger import locks, look_ups
from workers.ledger.entries import LedgerEntry
from workers.ledger.ids import unpack
from workers.ledger.recording import close_batch, deliveries_in, write_deliveries
from workers.message import header_fields
from workers.models import Batch, BatchStatus, Outcome
from workers.routes.base import PROVIDER_MESSAGE_ID_KINDS

logger = logging.getLogger(__name__)


NO_ANSWER = "No answer was recorded before the sender stopped."


def expire_leases(*, now: datetime) -> int:
    """Batches whose lease is over become uncertain: nobody may claim them until their spool has been read."""
    over = Batch.objects.filter(status=BatchStatus.CLAIMED, lease_expires_at__lt=now)
    expired = over.update(status=BatchStatus.UNCERTAIN)
    if expired:
        logger.warning("leases expired", extra={"batches": expired})
    return expired


def settle_spool(left: spool.OrphanedSpool, *, now: datetime) -> int:
    """Write down what a spool without a holder tells. Returns how many readers are uncertain for it.

    Answered readers get their delivery, those whose message was under way become uncertain, the others wait again.
    After a restart of the host answers may be missing: then all unanswered are uncertain.
    """
    with transaction.atomic():
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
    """Before the batch is locked: events of its issue are heard before or after, not meanwhile."""
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
    """`account` is the provider's that was used; without a spool nobody knows which, so that none is asked."""
    has_ours = batch.route.rpartition("-")[0] not in PROVIDER_MESSAGE_ID_KINDS
    domain = header_fields.domain_of(batch.issue.newsletter.from_email)
    question = look_ups.encode(batch.route, account, batch.pk, batch.attempt)
    return [
        LedgerEntry(
            reader,
            Outcome.UNCERTAIN,
            detail=NO_ANSWER,
            provider_id=question,
            message_id=tokens.message_id(batch.issue_id, reader, domain) if has_ours else "",
        )
        for reader in ids
    ]


def claims_without_spool(folder_id: str, *, now: datetime) -> list[tuple[int, int]]:
    """(batch, attempt) of claims under this spool folder whose lease is over."""
    ours = _unsettled().filter(worker__endswith=f":{folder_id}", lease_expires_at__lt=now)
    return list(ours.values_list("pk", "attempt"))


def settle_without_spool(
    batch_id: int, attempt: int, *, now: datetime, unless: Callable[[], bool] = lambda: False
) -> int:
    """A claim that left no spool in its own folder: it never began to send, unless the host restarted since.

    Returns how many readers are uncertain for it. `unless` looks for the spool once more, when the batch is locked: a
    holder who makes one confirms its claim after that and before the first message, so one of the two sees the other.
    """
    with transaction.atomic():
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
    """A host that will not come back: all unanswered readers of its claims are uncertain. (batches, readers)

    Its claims of `issue` only, where one is given.
    """
    batches = readers = 0
    if not host or ":" in host:  # that would be no host, but one of its processes
        return batches, readers
    lost = _unsettled().filter(worker__startswith=f"{host}:", lease_expires_at__lt=now)
    if issue is not None:
        lost = lost.filter(issue=issue)
    for pk in lost.values_list("pk", flat=True):
        with transaction.atomic():
            _lock_issue(pk)
            batch = _unsettled().select_for_update().filter(pk=pk).first()
            if batch is None:
                continue
            uncertain = _uncertain_entries(batch, _unanswered(batch, unpack(batch.reader_ids), ()))
            write_deliveries(batch, uncertain, now=now)
            close_batch(batch, [], now=now)
            batches, readers = batches + 1, readers + len(uncertain)
    return batches, readers
