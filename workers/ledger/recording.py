"""Recording of outcomes: delivery rows, and the counters on their batches in the same transaction."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet

from workers.ledger import locks, provider_status
from workers.ledger.entries import Claim, LeaseLost, LedgerEntry, StatusSummary
from workers.ledger.ids import pack
from workers.models import Batch, BatchStatus, Delivery, Outcome
from workers.throttling import failure_reasons

logger = logging.getLogger(__name__)


RETRYABLE = (Outcome.DEFERRED, Outcome.UNCERTAIN)


def claimed_batch(claim: Claim) -> QuerySet[Batch]:
    return Batch.objects.filter(pk=claim.batch, worker=claim.worker, attempt=claim.attempt, status=BatchStatus.CLAIMED)


def deliveries_in(batch: Batch, ids: Sequence[int]) -> QuerySet[Delivery]:
    """Return deliveries of the issue for `ids` (ascending); for a planned batch, of every id in their range.

    A range is much cheaper than an IN list of 500. Planned ids are close together; the ids of a retry batch may not be.
    """
    rows = Delivery.objects.filter(issue=batch.issue_id)
    if batch.is_retry:
        return rows.filter(subscription__in=list(ids))
    return rows.filter(subscription__range=(ids[0], ids[-1]))


def record(claim: Claim, results: Iterable[LedgerEntry], *, now: datetime) -> None:
    """Record the outcomes of a claim and close its batch. Readers without a result wait again.

    One transaction. Raises LeaseLost, and writes nothing, if this claim no longer owns the batch.
    """
    entries = list(results)
    answered = {entry.subscription for entry in entries}
    rest = [reader for reader in claim.ids if reader not in answered]
    with transaction.atomic():
        # Lock order: the issue's advisory lock, the batch, deliveries, counters of batches.
        locks.acquire_shared(claim.issue)
        # `settling` may have read this claim's spool and settled the batch after the lease expired: then no row matches.
        batch = claimed_batch(claim).select_for_update().first()
        if batch is None:
            raise LeaseLost(f"Batch {claim.batch} attempt {claim.attempt}")
        write_deliveries(batch, entries, now=now)
        close_batch(batch, rest, now=now)
    counts = dict(Counter(str(entry.outcome) for entry in entries))
    logger.info("batch recorded", extra={"issue": claim.issue, "batch": claim.batch, "waiting": len(rest), **counts})


def close_batch(batch: Batch, rest: Sequence[int], *, now: datetime) -> None:
    """Set the batch to done, or to waiting if `rest` are still to be sent. A retry batch keeps only `rest`."""
    fields: dict[str, Any] = {"status": BatchStatus.WAITING if rest else BatchStatus.DONE}
    if rest and batch.is_retry:
        fields |= {"reader_ids": pack(rest), "size": len(rest), "first_id": rest[0], "last_id": rest[-1]}
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=None, sent_at=now, **fields)


def write_deliveries(batch: Batch, entries: Sequence[LedgerEntry], *, now: datetime) -> None:
    """Insert new deliveries, update deferred and uncertain ones, and change the counters accordingly.

    The caller holds the issue's advisory lock and the lock of `batch`.
    """
    if not entries:
        return
    ids = sorted(entry.subscription for entry in entries)
    early = provider_status.load_summaries(batch.issue_id, ids)
    known = _lock_existing(batch, ids)
    entries = [_apply_early_status(entry, early) for entry in entries]
    fresh = [entry for entry in entries if entry.subscription not in known]
    _insert(batch, fresh, now=now)
    _add_counts(batch.pk, Counter(str(entry.outcome) for entry in fresh))
    again = [entry for entry in entries if entry.subscription in known]
    _update_existing(batch.issue_id, [(known[entry.subscription], entry) for entry in again], now=now)
    provider_status.update_deliveries(batch.issue_id, early)


def _lock_existing(batch: Batch, ids: Sequence[int]) -> dict[int, Delivery]:
    """Lock and return the deliveries that these readers already have."""
    existing = set(deliveries_in(batch, ids).values_list("subscription", flat=True)).intersection(ids)
    if not existing:
        return {}
    # Always in the order of subscription ids: two transactions that lock the same rows cannot deadlock.
    rows = Delivery.objects.select_for_update().filter(issue=batch.issue_id, subscription__in=sorted(existing))
    columns = ("subscription", "outcome", "batch", "attempts", "issue")
    return {row.subscription: row for row in rows.order_by("subscription").only(*columns)}


def _apply_early_status(entry: LedgerEntry, early: Mapping[int, StatusSummary]) -> LedgerEntry:
    """Resolve an uncertain entry if a provider event about it was stored before the entry itself."""
    if entry.outcome == Outcome.UNCERTAIN and entry.subscription in early:
        return replace(entry, outcome=_outcome_from_status(early[entry.subscription]))
    return entry


def _outcome_from_status(summary: StatusSummary | None) -> Outcome:
    """Accepted if any event is about a sent message; refused if the only report is the provider's own rejection."""
    return Outcome.ACCEPTED if summary is None or summary.was_sent else Outcome.REFUSED


COLUMNS = "issue_id, subscription, batch_id, outcome, status, message_id, provider_id, code, detail, attempts, due_at, sent_at"


def _insert(batch: Batch, entries: Sequence[LedgerEntry], *, now: datetime) -> None:
    """Insert all rows by one statement. Raises IntegrityError if a reader already has a row (nobody_is_mailed_twice).

    PostgreSQL gets one JSON document: eight arrays of 500 values cost the driver ten times as much.
    """
    if not entries:
        return
    table = Delivery._meta.db_table
    if connection.vendor == "postgresql":
        sql = (
            f"INSERT INTO {table} ({COLUMNS})"  # noqa: S608 (constants)
            " SELECT %s, (r->>0)::bigint, %s, r->>1, '', r->>2, r->>3, r->>4, r->>5, 1,"
            " (r->>6)::timestamptz, (r->>7)::timestamptz FROM json_array_elements(%s::json) AS t(r)"
        )
        document = json.dumps([_row(entry, now=now) for entry in entries], default=str)
        with connection.cursor() as cursor:
            cursor.execute(sql, [batch.issue_id, batch.pk, document])
        return
    sql = f"INSERT INTO {table} ({COLUMNS}) VALUES (%s, %s, %s, %s, '', %s, %s, %s, %s, 1, %s, %s)"  # noqa: S608
    rows = [_row(entry, now=now) for entry in entries]
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(batch.issue_id, row[0], batch.pk, *row[1:]) for row in rows])


def _row(entry: LedgerEntry, *, now: datetime, attempts: int = 1) -> tuple[Any, ...]:
    """Return subscription, outcome, message id, provider's id, code, detail, due at, sent at."""
    due = now + timedelta(seconds=_retry_delays(entry)[attempts - 1]) if entry.outcome == Outcome.DEFERRED else None
    sent = now if entry.outcome in {Outcome.ACCEPTED, Outcome.UNCERTAIN} else None
    adapt = connection.ops.adapt_datetimefield_value
    return (
        entry.subscription,
        str(entry.outcome),
        entry.message_id[:200],
        entry.provider_id[:200],
        entry.code[:20],
        entry.detail[:300],
        adapt(due) if due else None,
        adapt(sent) if sent else None,
    )


def _retry_delays(entry: LedgerEntry) -> tuple[int, ...]:
    """Return the seconds before each retry. After the last retry a deferral counts as a refusal."""
    return failure_reasons.classify(entry.code, entry.detail).retry_s


def _update_existing(issue_id: int, pairs: Sequence[tuple[Delivery, LedgerEntry]], *, now: datetime) -> None:
    """Give deferred and uncertain deliveries their new outcome. Final outcomes never change."""
    rows, moves = [], Counter[tuple[int, str, str]]()
    for row, entry in pairs:
        if row.outcome not in RETRYABLE:
            continue
        attempts = row.attempts + (entry.outcome != Outcome.SKIPPED)
        if entry.outcome == Outcome.DEFERRED and attempts > len(_retry_delays(entry)):
            entry = replace(entry, outcome=Outcome.REFUSED)
        if entry.outcome == Outcome.SKIPPED and row.outcome == Outcome.UNCERTAIN:
            entry = replace(entry, outcome=Outcome.UNCERTAIN)  # the first message may have arrived
        rows.append((*_row(entry, now=now, attempts=attempts)[1:], attempts, issue_id, row.subscription))
        moves[row.batch_id, row.outcome, str(entry.outcome)] += 1
    _update(rows)
    move_counts(moves)


def _update(rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    table = Delivery._meta.db_table
    if connection.vendor == "postgresql":
        sql = (
            f"UPDATE {table} SET outcome = o, message_id = COALESCE(NULLIF(m, ''), message_id),"  # noqa: S608
            " provider_id = COALESCE(NULLIF(p, ''), provider_id), code = c, detail = d, due_at = due,"
            " sent_at = COALESCE(sent, sent_at), attempts = a"
            " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],"
            " %s::timestamptz[], %s::int[], %s::bigint[], %s::bigint[]) AS t(o, m, p, c, d, due, sent, a, i, s)"
            f" WHERE {table}.issue_id = i AND {table}.subscription = s"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])
        return
    sql = (
        f"UPDATE {table} SET outcome = %s, message_id = COALESCE(NULLIF(%s, ''), message_id),"  # noqa: S608
        " provider_id = COALESCE(NULLIF(%s, ''), provider_id), code = %s, detail = %s, due_at = %s,"
        " sent_at = COALESCE(%s, sent_at), attempts = %s WHERE issue_id = %s AND subscription = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def _add_counts(batch_id: int, counts: Mapping[str, int]) -> None:
    if counts:
        Batch.objects.filter(pk=batch_id).update(**{name: F(name) + number for name, number in counts.items()})


def move_counts(moves: Mapping[tuple[int, str, str], int]) -> None:
    """Change the counters of the batches that planned the readers. `moves` is (batch, old, new outcome) to a number.

    Sorted by batch id, so that two transactions update the same batches in the same order and cannot deadlock.
    """
    for (batch_id, old, new), number in sorted(moves.items()):
        if old != new:
            Batch.objects.filter(pk=batch_id).update(**{old: F(old) - number, new: F(new) + number})


# --- events ----------------------------------------------------------------------------------------------------------


def apply_events(issue_id: int, readers: Collection[int], *, now: datetime) -> None:
    """Apply stored events of these readers: resolve uncertain deliveries and raise statuses.

    The caller holds the exclusive lock of the issue (`locks.acquire_exclusive`). Safe to repeat.
    """
    summaries = provider_status.load_summaries(issue_id, readers)
    if Delivery.objects.filter(issue=issue_id, outcome=Outcome.UNCERTAIN).exists():
        outcomes = {reader: _outcome_from_status(summaries.get(reader)) for reader in readers}
        resolve_uncertain(issue_id, outcomes, now=now)
    provider_status.update_deliveries(issue_id, summaries)


def resolve_uncertain(issue_id: int, outcomes: Mapping[int, str], *, now: datetime) -> int:
    """Set uncertain deliveries to accepted or refused, by a provider's event or look-up. Return how many.

    Safe to repeat: a delivery that is no longer uncertain is not changed.
    """
    with transaction.atomic():
        # Lock order: deliveries by subscription id, then counters of batches.
        rows = Delivery.objects.select_for_update().filter(
            issue=issue_id, subscription__in=list(outcomes), outcome=Outcome.UNCERTAIN
        )
        moves, settled = Counter[tuple[int, str, str]](), defaultdict[str, list[int]](list)
        for row in rows.order_by("subscription").only("pk", "batch", "subscription"):
            new = str(Outcome(outcomes[row.subscription]))
            settled[new].append(row.pk)
            moves[row.batch_id, str(Outcome.UNCERTAIN), new] += 1
        for new, keys in settled.items():
            Delivery.objects.filter(pk__in=keys).update(outcome=new, due_at=None)
        move_counts(moves)
    return moves.total()
