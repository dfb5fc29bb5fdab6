"""Summaries of the events that providers reported, and the update of deliveries by them.

A summary is computed from all events of a reader, in any order. The result is the same whether the delivery row exists
already, in whichever order the events came, and however often each was repeated (S-35).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from workers.ledger.entries import StatusSummary
from workers.models import EVENT_STATUS, STATUS_RANK, Delivery, DeliveryStatus, Event

COLUMNS = ("kind", "occurred_at", "code", "detail")
NO_STATUS = StatusSummary(DeliveryStatus.NONE)
REJECTED_BY_PROVIDER = "rejected"
"""Code of an event by which the provider itself rejected a message: no mailbox provider was contacted."""
_GONE = frozenset({"bounced", "held_bounced", "due_bounced"})


def load_summaries(issue_id: int, ids: Collection[int]) -> dict[int, StatusSummary]:
    """Return the summary of each of these readers who has an event."""
    if not ids:
        return {}
    events = Event.objects.filter(issue=issue_id, kind__in=list(EVENT_STATUS))
    # Planned ids are close together; a range is much cheaper than a long IN list.
    first, last = min(ids), max(ids)
    near = last - first < 4 * len(ids)
    events = events.filter(subscription__range=(first, last)) if near else events.filter(subscription__in=list(ids))
    wanted, rows_by_reader = frozenset(ids), defaultdict[int, list[tuple[str, datetime, str, str]]](list)
    for reader, kind, moment, code, detail in events.values_list("subscription", *COLUMNS):
        if reader in wanted:
            rows_by_reader[reader].append((kind, moment, code, detail))
    return {reader: summarize(rows) for reader, rows in rows_by_reader.items()}


def summarize(events: Iterable[tuple[str, datetime, str, str]]) -> StatusSummary:
    """Summarize (kind, occurred at, code, detail) of all events: highest status, first delivery, last bounce.

    A hard bounce takes precedence over a later soft bounce.
    """
    status, delivered_at, has_left = DeliveryStatus.NONE, None, False
    bounce: tuple[bool, datetime, str, str] | None = None
    for kind, moment, code, detail in events:
        event_status = EVENT_STATUS[kind]
        has_left = has_left or code != REJECTED_BY_PROVIDER
        status = max(status, event_status, key=STATUS_RANK.__getitem__)
        if event_status == DeliveryStatus.DELIVERED:
            delivered_at = min(moment, delivered_at or moment)
        if event_status == DeliveryStatus.BOUNCED:
            candidate = (kind in _GONE, moment, code, detail)
            bounce = max(candidate, bounce or candidate)
    code, detail = bounce[2:] if bounce else ("", "")
    return StatusSummary(status, delivered_at, bounce is not None, code, detail, has_left)


def update_deliveries(issue_id: int, summaries: Mapping[int, StatusSummary], *, may_lower: bool = False) -> int:
    """Write the summaries to the deliveries that exist. Return how many changed.

    A status is only raised, unless `may_lower`. The code and detail of a bounce replace those of the acceptance.
    """
    if not summaries:
        return 0
    # Lock order: the issue's advisory lock (taken by the caller), then deliveries by subscription id.
    rows = Delivery.objects.select_for_update().filter(issue=issue_id, subscription__in=list(summaries))
    columns = ("status", "code", "detail", "delivered_at")
    changed = []
    for reader, *stored in rows.order_by("subscription").values_list("subscription", *columns):
        merged = _merge(tuple(stored), summaries[reader], may_lower=may_lower)
        if merged != tuple(stored):
            changed.append((*merged, issue_id, reader))
    _update(changed)
    return len(changed)


def recompute(issue_id: int, readers: Collection[int]) -> int:
    """Recompute the deliveries of these readers after some of their events were discarded. Return how many changed.

    This may lower a status. The caller holds the exclusive lock of the issue.
    """
    summaries = load_summaries(issue_id, readers)
    return update_deliveries(issue_id, {reader: summaries.get(reader, NO_STATUS) for reader in readers}, may_lower=True)


def _merge(stored: tuple[Any, ...], summary: StatusSummary, *, may_lower: bool) -> tuple[Any, ...]:
    status, code, detail, delivered_at = stored
    if may_lower or STATUS_RANK[DeliveryStatus(summary.status)] > STATUS_RANK[DeliveryStatus(status)]:
        status = summary.status
    if summary.has_bounced or may_lower:
        code, detail = summary.code[:20], summary.detail[:300]
    moments = [moment for moment in (delivered_at, summary.delivered_at) if moment]
    return str(status), code, detail, min(moments, default=None)


def _update(rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    table, adapt = Delivery._meta.db_table, connection.ops.adapt_datetimefield_value
    rows = [(*row[:3], adapt(row[3]) if row[3] else None, *row[4:]) for row in rows]
    if connection.vendor == "postgresql":
        sql = (
            f"UPDATE {table} SET status = t.s, code = t.c, detail = t.d, delivered_at = t.at"  # noqa: S608 (constants)
            " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[])"
            f" AS t(s, c, d, at, i, r) WHERE {table}.issue_id = t.i AND {table}.subscription = t.r"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])
        return
    sql = (
        f"UPDATE {table} SET status = %s, code = %s, detail = %s, delivered_at = %s"  # noqa: S608 (constants)
        " WHERE issue_id = %s AND subscription = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)
