"""Store events of providers: each once, a whole post in one transaction, in any order."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from anymail.signals import AnymailTrackingEvent
from django.db import connection, transaction

from subscribers import tokens
from workers.ledger import locks, recording
from workers.models import Event
from workers.provider_events import consequences, quarantine
from workers.provider_events.parsing import EventReport, parse_event

logger = logging.getLogger(__name__)

ROWS_PER_INSERT = 500
"""Rows of one INSERT."""
EMPTY_COLUMNS = "0, 'unknown', '', ''"
COLUMNS = "issue, subscription, kind, occurred_at, code, detail, provider_event_id, link, agent_class, agent, network"


def receive(events: Iterable[AnymailTrackingEvent], *, provider: str, now: datetime) -> int:
    """Store the events of one post, all or none. Returns how many were new."""
    reports, foreign = [], 0
    for event in events:
        try:
            report = parse_event(event, esp_name=provider, now=now)
        except tokens.InvalidToken:
            foreign += 1
            continue
        if report:
            reports.append(report)
    if foreign:
        logger.warning("provider events without our token left out", extra={"provider": provider, "count": foreign})
    return record(reports, now=now)


def record(reports: Iterable[EventReport], *, now: datetime) -> int:
    """Store and apply events, all or none. Returns how many were new."""
    by_issue = defaultdict[int, dict[str, EventReport]](dict)
    for report in reports:
        by_issue[report.issue][report.event_id] = report
    with transaction.atomic():
        return sum(_record(issue, list(by_issue[issue].values()), now=now) for issue in sorted(by_issue))


def _record(issue: int, reports: Sequence[EventReport], *, now: datetime) -> int:
    locks.acquire_exclusive(issue)
    fresh = _store(sorted(reports, key=lambda report: report.event_id))
    if not fresh:
        return 0
    held = quarantine.hold(issue, fresh, now=now)
    recording.apply_events(issue, {report.subscription for report in fresh}, now=now)
    consequences.apply([report for report in fresh if report.event_id not in held], now=now)
    logger.info("provider events recorded", extra={"issue": issue, "new": len(fresh), "held_back": len(held)})
    return len(fresh)


def _store(reports: Sequence[EventReport]) -> list[EventReport]:
    """Insert the new events and return them."""
    new: set[str] = set()
    for start in range(0, len(reports), ROWS_PER_INSERT):
        new |= _insert(reports[start : start + ROWS_PER_INSERT])
    return [report for report in reports if report.event_id in new]


def _insert(reports: Sequence[EventReport]) -> set[str]:
    """One statement, so that of two concurrent posts of an event exactly one inserts it."""
    adapt = connection.ops.adapt_datetimefield_value
    rows = [
        (one.issue, one.subscription, one.kind, adapt(one.occurred_at), one.code, one.detail, one.event_id)
        for one in reports
    ]
    if connection.vendor == "postgresql":
        kinds = ("bigint", "bigint", "text", "timestamptz", "text", "text", "text")
        given = ", ".join(f"%s::{kind}[]" for kind in kinds)
        source = f"SELECT i, s, k, at, c, d, e, {EMPTY_COLUMNS} FROM unnest({given}) AS t(i, s, k, at, c, d, e)"  # noqa: S608
        values: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    else:
        source = f"VALUES {', '.join([f'(%s, %s, %s, %s, %s, %s, %s, {EMPTY_COLUMNS})'] * len(rows))}"
        values = [value for row in rows for value in row]
    sql = (
        f"INSERT INTO {Event._meta.db_table} ({COLUMNS}) {source}"
        " ON CONFLICT (provider_event_id) DO NOTHING RETURNING provider_event_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return {row[0] for row in cursor.fetchall()}
