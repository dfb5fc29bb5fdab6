"""The record: deliveries, and the counts of their outcomes on the batches, moved in the same transaction."""

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
    """Deliveries of the issue that may be of these ids (ascending): a range is much cheaper than 500 numbers.

    Planned ids lie close together; those of a batch that repeats may lie anywhere.
    """
    rows = Delivery.objects.filter(issue=batch.issue_id)
    if batch.is_retry:
        return rows.filter(subscription__in=list(ids))
    return rows.filter(subscription__range=(ids[0], ids[-1]))


def record(claim: Claim, results: Iterable[LedgerEntry], *, now: datetime) -> None:
    """Write down what became of the claimed readers and close the batch; who has no result goes back to waiting.

    One transaction. Raises LeaseLost, and writes nothing, if the batch is not ours any more.
    """
    entries = list(results)
    answered = {entry.subscription for entry in entries}
    rest = [reader for reader in claim.ids if reader not in answered]
    with transaction.atomic():
        locks.acquire_shared(claim.issue)
        batch = claimed_batch(claim).select_for_update().first()
        if batch is None:
            raise LeaseLost(f"Batch {claim.batch} attempt {claim.attempt}")
        write_deliveries(batch, entries, now=now)
        close_batch(batch, rest, now=now)
    counts = dict(Counter(str(entry.outcome) for entry in entries))
    logger.info("batch recorded", extra={"issue": claim.issue, "batch": claim.batch, "waiting": len(rest), **counts})


def close_batch(batch: Batch, rest: Sequence[int], *, now: datetime) -> None:
    """To done, or back to waiting with `rest`. A batch that repeats keeps only those who are still to be sent to."""
    fields: dict[str, Any] = {"status": BatchStatus.WAITING if rest else BatchStatus.DONE}
    if rest and batch.is_retry:
        fields |= {"reader_ids": pack(rest), "size": len(rest), "first_id": rest[0], "last_id": rest[-1]}
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=None, sent_at=now, **fields)


def write_deliveries(batch: Batch, entries: Sequence[LedgerEntry], *, now: datetime) -> None:
    """Insert who is new, raise who was deferred or uncertain, and move the counts accordingly."""
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
    """The rows that these readers have already, locked."""
    there = set(deliveries_in(batch, ids).values_list("subscription", flat=True)).intersection(ids)
    if not there:
        return {}
    rows = Delivery.objects.select_for_update().filter(issue=batch.issue_id, subscription__in=sorted(there))
    columns = ("subscription", "outcome", "batch", "attempts", "issue")
    return {row.subscription: row for row in rows.order_by("subscription").only(*columns)}


def _apply_early_status(entry: LedgerEntry, early: Mapping[int, StatusSummary]) -> LedgerEntry:
    """What was reported of a mail before we could write it down tells whether it left."""
    if entry.outcome == Outcome.UNCERTAIN and entry.subscription in early:
        return replace(entry, outcome=_outcome_from_status(early[entry.subscription]))
    return entry


def _outcome_from_status(word: StatusSummary | None) -> Outcome:
    """Whatever is reported of a mail, it did leave; unless that is all: that the provider did not send it."""
    return Outcome.ACCEPTED if word is None or word.was_sent else Outcome.REFUSED


COLUMNS = "issue_id, subscription, batch_id, outcome, status, message_id, provider_id, code, detail, attempts, due_at, sent_at"


def _insert(batch: Batch, entries: Sequence[LedgerEntry], *, now: datetime) -> None:
    """All rows by one statement. The constraint stands guard: a reader who has a row already stops everything.

    To PostgreSQL as one document: writing eight arrays of 500 costs the driver ten times as much.
    """
    if not entries:
        return
    table = Delivery._meta.db_table
    if connection.vendor == "postgresql":
        sql = (
            f"INSERT INTO {table} ({COLUMNS})"  # noqa: S608 (names of ours only)
            " SELECT %s, (r->>0)::bigint, %s, r->>1, '', r->>2, r->>3, r->>4, r->>5, 1,"
            " (r->>6)::timestamptz, (r->>7)::timestamptz FROM json_array_elements(%s::json) AS t(r)"
        )
        told = json.dumps([_row(entry, now=now) for entry in entries], default=str)
        with connection.cursor() as cursor:
            cursor.execute(sql, [batch.issue_id, batch.pk, told])
        return
    sql = f"INSERT INTO {table} ({COLUMNS}) VALUES (%s, %s, %s, %s, '', %s, %s, %s, %s, 1, %s, %s)"  # noqa: S608
    rows = [_row(entry, now=now) for entry in entries]
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(batch.issue_id, row[0], batch.pk, *row[1:]) for row in rows])


def _row(entry: LedgerEntry, *, now: datetime, attempts: int = 1) -> tuple[Any, ...]:
    """subscription, outcome, message id, provider's id, code, detail, due, sent."""
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
    """How long a deferred reader waits, by attempts made; after the last the answer counts as a refusal."""
    return failure_reasons.classify(entry.code, entry.detail).retry_s


def _update_existing(issue_id: int, pairs: Sequence[tuple[Delivery, LedgerEntry]], *, now: datetime) -> None:
    """Give deferred and uncertain readers their new outcome; every other row stays as it is."""
    rows, moves = [], Counter[tuple[int, str, str]]()
    for row, entry in pairs:
        if row.outcome not in RETRYABLE:
            continue
        made = row.attempts + (entry.outcome != Outcome.SKIPPED)
        if entry.outcome == Outcome.DEFERRED and made > len(_retry_delays(entry)):
            entry = replace(entry, outcome=Outcome.REFUSED)
        if entry.outcome == Outcome.SKIPPED and row.outcome == Outcome.UNCERTAIN:
            entry = replace(entry, outcome=Outcome.UNCERTAIN)  # the first copy may still have arrived
        rows.append((*_row(entry, now=now, attempts=made)[1:], made, issue_id, row.subscription))
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
    """Take readers from one outcome to another on the batches that first held them."""
    for (batch_id, old, new), number in sorted(moves.items()):
        if old != new:
            Batch.objects.filter(pk=batch_id).update(**{old: F(old) - number, new: F(new) + number})


# --- events ----------------------------------------------------------------------------------------------------------


def apply_events(issue_id: int, readers: Collection[int], *, now: datetime) -> None:
    """Events of these readers have been stored: settle who was uncertain, and raise what is known of their copies.

    The transaction holds the issue's turn (`turns.alone`).
    """
    words = provider_status.load_summaries(issue_id, readers)
    if Delivery.objects.filter(issue=issue_id, outcome=Outcome.UNCERTAIN).exists():
        resolve_uncertain(issue_id, {reader: _outcome_from_status(words.get(reader)) for reader in readers}, now=now)
    provider_status.update_deliveries(issue_id, words)


def resolve_uncertain(issue_id: int, outcomes: Mapping[int, str], *, now: datetime) -> int:
    """Settle uncertain readers by what a provider's event or a look-up says: accepted or refused. Returns how many."""
    with transaction.atomic():
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
