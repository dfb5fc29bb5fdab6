"""What providers reported of readers' copies, as one word each, and that word on their deliveries.

A word is made of all events of a reader, whatever the order they came in, so it is the same before and after the row
exists and however often each is repeated (S-35).
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
"""The code of an event by which the provider itself refused a mail: no mail service was asked."""
_GONE = frozenset({"bounced", "held_bounced", "due_bounced"})


def load_summaries(issue_id: int, ids: Collection[int]) -> dict[int, StatusSummary]:
    """What is reported of these readers so far; who has no event is not in it."""
    if not ids:
        return {}
    events = Event.objects.filter(issue=issue_id, kind__in=list(EVENT_STATUS))
    # Planned ids lie close together, where a range is much cheaper than many numbers.
    first, last = min(ids), max(ids)
    near = last - first < 4 * len(ids)
    events = events.filter(subscription__range=(first, last)) if near else events.filter(subscription__in=list(ids))
    wanted, found = frozenset(ids), defaultdict[int, list[tuple[str, datetime, str, str]]](list)
    for reader, kind, moment, code, detail in events.values_list("subscription", *COLUMNS):
        if reader in wanted:
            found[reader].append((kind, moment, code, detail))
    return {reader: summarize(rows) for reader, rows in found.items()}


def summarize(events: Iterable[tuple[str, datetime, str, str]]) -> StatusSummary:
    """One word from (kind, moment, code, detail) of all events: the highest status, the first delivery, the last bounce.

    A mailbox that is gone says more than one that is full.
    """
    status, delivered_at, has_left = DeliveryStatus.NONE, None, False
    bounce: tuple[bool, datetime, str, str] | None = None
    for kind, moment, code, detail in events:
        said = EVENT_STATUS[kind]
        has_left = has_left or code != REJECTED_BY_PROVIDER
        status = max(status, said, key=STATUS_RANK.__getitem__)
        if said == DeliveryStatus.DELIVERED:
            delivered_at = min(moment, delivered_at or moment)
        if said == DeliveryStatus.BOUNCED:
            one = (kind in _GONE, moment, code, detail)
            bounce = max(one, bounce or one)
    code, detail = bounce[2:] if bounce else ("", "")
    return StatusSummary(status, delivered_at, bounce is not None, code, detail, has_left)


def update_deliveries(issue_id: int, words: Mapping[int, StatusSummary], *, may_lower: bool = False) -> int:
    """Write the words on the deliveries that exist; a status is only raised, unless `may_lower`. Returns how many changed.

    A bounce brings its own answer, which takes the place of the one that accepted the mail.
    """
    if not words:
        return 0
    rows = Delivery.objects.select_for_update().filter(issue=issue_id, subscription__in=list(words))
    columns = ("status", "code", "detail", "delivered_at")
    changed = []
    for reader, *was in rows.order_by("subscription").values_list("subscription", *columns):
        now = _merge(tuple(was), words[reader], may_lower=may_lower)
        if now != tuple(was):
            changed.append((*now, issue_id, reader))
    _update(changed)
    return len(changed)


def recompute(issue_id: int, readers: Collection[int]) -> int:
    """Some events of these readers count no more: say of their deliveries what the others tell."""
    words = load_summaries(issue_id, readers)
    return update_deliveries(issue_id, {reader: words.get(reader, NO_STATUS) for reader in readers}, may_lower=True)


def _merge(was: tuple[Any, ...], said: StatusSummary, *, may_lower: bool) -> tuple[Any, ...]:
    status, code, detail, delivered_at = was
    if may_lower or STATUS_RANK[DeliveryStatus(said.status)] > STATUS_RANK[DeliveryStatus(status)]:
        status = said.status
    if said.has_bounced or may_lower:
        code, detail = said.code[:20], said.detail[:300]
    moments = [moment for moment in (delivered_at, said.delivered_at) if moment]
    return str(status), code, detail, min(moments, default=None)


def _update(rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    table, adapt = Delivery._meta.db_table, connection.ops.adapt_datetimefield_value
    rows = [(*row[:3], adapt(row[3]) if row[3] else None, *row[4:]) for row in rows]
    if connection.vendor == "postgresql":
        sql = (
            f"UPDATE {table} SET status = t.s, code = t.c, detail = t.d, delivered_at = t.at"  # noqa: S608 (ours)
            " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[])"
            f" AS t(s, c, d, at, i, r) WHERE {table}.issue_id = t.i AND {table}.subscription = t.r"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])
        return
    sql = (
        f"UPDATE {table} SET status = %s, code = %s, detail = %s, delivered_at = %s"  # noqa: S608 (ours)
        " WHERE issue_id = %s AND subscription = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)
