"""How fast, and by which route. Each route's row holds its pace and its breaker, changed only under a lock.

Pace: `tokens` is a debt. A claim takes up to four seconds' worth of messages at once and pays over the time they take;
whoever comes before the debt is paid waits. Breaker: after three failures in a row, or at once when the provider
refuses us, nothing is claimed for a while; then one message is tried.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from workers.models import Route

logger = logging.getLogger(__name__)

MOST_AHEAD_S = 4.0
FAILURES_TO_OPEN = 3
OPEN_FIRST_S, OPEN_MOST_S = 30, 600
PROBE_S = 60
SLOWEST = 0.2
"""Messages a second below which a route is never slowed down."""
AS_FAST_AS_IT_TAKES = 2000.0
"""A rate that grew beyond this without anybody complaining is no limit any more."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send `most` messages by `route`, `interval_s` apart."""

    route: str
    most: int
    interval_s: float = 0.0
    is_probe: bool = False


def register(configured: Iterable[tuple[str, str, float]]) -> None:
    """Make a row for each route in `configured` (name, kind, rate), best first; forget those that are gone."""
    wanted = list(configured)
    rows = {row.name: row for row in Route.objects.all()}
    stale = [name for name in rows if name not in {name for name, _kind, _rate in wanted}]
    if stale:
        Route.objects.filter(name__in=stale).delete()
    for priority, (name, kind, rate) in enumerate(wanted):
        row = rows.get(name)
        if row is None:
            Route.objects.get_or_create(name=name, defaults={"kind": kind, "priority": priority, "rate": rate})
        elif (row.kind, row.priority) != (kind, priority) or (rate and not 0 < row.rate <= rate):
            held = rate if rate and not 0 < row.rate <= rate else row.rate
            Route.objects.filter(pk=row.pk).update(kind=kind, priority=priority, rate=held)


def is_open(row: Route, *, now: datetime) -> bool:
    """The breaker is open: nothing may be claimed."""
    return row.open_until is not None and row.open_until > now


def usable(names: Iterable[str], *, now: datetime) -> bool:
    """Whether any of these routes would be tried now."""
    wanted = list(names)
    rows = Route.objects.filter(name__in=wanted)
    return len(rows) < len(wanted) or any(not is_open(row, now=now) for row in rows)


def take(names: Iterable[str], *, want: int, now: datetime) -> Grant | None:
    """Leave for up to `want` messages by the best route that is open for them; None when nothing may go now.

    Call inside a transaction that claims what is granted.
    """
    for row in Route.objects.select_for_update().filter(name__in=list(names)).order_by("priority"):
        if is_open(row, now=now):
            continue
        if row.failures >= FAILURES_TO_OPEN:
            Route.objects.filter(pk=row.pk).update(open_until=now + timedelta(seconds=PROBE_S))
            return Grant(row.name, 1, is_probe=True)
        if not row.rate:
            return Grant(row.name, want)
        return _from_bucket(row, want=want, now=now)
    return None


def _from_bucket(row: Route, *, want: int, now: datetime) -> Grant | None:
    passed = (now - row.refilled_at).total_seconds() if row.refilled_at else 0.0
    tokens = min(0.0, row.tokens + max(0.0, passed) * row.rate)
    if tokens < 0:
        return None
    most = max(1, min(want, int(row.rate * MOST_AHEAD_S)))
    Route.objects.filter(pk=row.pk).update(tokens=tokens - most, refilled_at=now)
    return Grant(row.name, most, 1.0 / row.rate)


def give_back(name: str, unused: int) -> None:
    """Messages that were granted and not sent after all."""
    with transaction.atomic():
        for row in Route.objects.select_for_update().filter(name=name, rate__gt=0):
            Route.objects.filter(pk=row.pk).update(tokens=min(0.0, row.tokens + unused))


def went_well(name: str, *, limit: float) -> None:
    """A claim went through without a complaint: close the breaker, and go a little faster if we were slowed down."""
    seen = Route.objects.filter(name=name).first()
    if seen is None or not (
        seen.failures or seen.open_until or seen.last_error or _faster(seen.rate, limit) != seen.rate
    ):
        return
    with transaction.atomic():
        for row in Route.objects.select_for_update().filter(name=name):
            rate = _faster(row.rate, limit)
            Route.objects.filter(pk=row.pk).update(failures=0, open_until=None, last_error="", rate=rate)


def _faster(rate: float, limit: float) -> float:
    """A tenth faster each time, up to the operator's limit; a limit that was raised or set is taken over."""
    if rate == 0:
        return limit
    grown = rate * 1.1
    if limit:
        return min(grown, limit)
    return 0.0 if grown > AS_FAST_AS_IT_TAKES else grown


def slow_down(name: str, *, sent_per_s: float) -> None:
    """The provider wants less: half of the present pace, or of what it just took where there was none."""
    with transaction.atomic():
        row = Route.objects.select_for_update().filter(name=name).first()
        if row is not None:
            rate = max(SLOWEST, min(row.rate or sent_per_s, sent_per_s or row.rate or 1.0) / 2)
            Route.objects.filter(pk=row.pk).update(rate=rate)
            logger.warning("route slowed down", extra={"route": name, "rate": round(rate, 2)})


def failed(name: str, *, error: str, now: datetime, at_once: bool = False) -> bool:
    """Count a failure; True if the breaker is open now. `at_once`: they refuse us, so more tries are useless."""
    with transaction.atomic():
        row = Route.objects.select_for_update().filter(name=name).first()
        if row is None:
            return False
        failures = max(row.failures + 1, FAILURES_TO_OPEN if at_once else 0)
        opens = failures >= FAILURES_TO_OPEN
        wait = min(OPEN_MOST_S, OPEN_FIRST_S * 2 ** min(10, max(0, failures - FAILURES_TO_OPEN)))
        until = now + timedelta(seconds=wait) if opens else None
        Route.objects.filter(pk=row.pk).update(failures=failures, open_until=until, last_error=error[:300])
    logger.warning("route failed", extra={"route": name, "failures": failures, "open": opens})
    return opens
