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
from django.db.models import Exists, OuterRef

from workers.models import Lane, Route

logger = logging.getLogger(__name__)

MAX_BURST_S = 4.0
FAILURES_TO_OPEN = 3
OPEN_MIN_S, OPEN_MAX_S = 30, 600
PROBE_TIMEOUT_S = 60
MIN_RATE = 0.2
"""Messages a second below which a route is never slowed down."""
UNLIMITED_ABOVE = 2000.0
"""A rate that grew beyond this without anybody complaining is no limit any more."""
MAX_CLOCK_SKEW_S = 60.0
"""A refill that lies further ahead than this was written by a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send `most` messages by `route`, `interval_s` apart."""

    route: str
    most: int
    interval_s: float = 0.0
    is_probe: bool = False
    has_lanes: bool = False
    """Some mail services go slower by this route: see `lanes`."""


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


def is_breaker_open(row: Route, *, now: datetime) -> bool:
    """The breaker is open: nothing may be claimed. Not for hours, because a clock was set back meanwhile."""
    longest = now + timedelta(seconds=OPEN_MAX_S + MAX_CLOCK_SKEW_S)
    return row.open_until is not None and now < row.open_until <= longest


def is_any_usable(names: Iterable[str], *, now: datetime) -> bool:
    """Whether any of these routes would be tried now."""
    wanted = list(names)
    rows = Route.objects.filter(name__in=wanted)
    return len(rows) < len(wanted) or any(not is_breaker_open(row, now=now) for row in rows)


def acquire(names: Iterable[str], *, want: int, now: datetime) -> Grant | None:
    """Leave for up to `want` messages by the best route that is open for them; None when nothing may go now.

    Call inside a transaction that claims what is granted.
    """
    rows = Route.objects.select_for_update().filter(name__in=list(names))
    for row in rows.annotate(has_lanes=Exists(Lane.objects.filter(route=OuterRef("pk")))).order_by("priority"):
        if is_breaker_open(row, now=now):
            continue
        if row.failures >= FAILURES_TO_OPEN:
            Route.objects.filter(pk=row.pk).update(open_until=now + timedelta(seconds=PROBE_TIMEOUT_S))
            return Grant(row.name, 1, is_probe=True, has_lanes=row.has_lanes)
        if not row.rate:
            return Grant(row.name, want, has_lanes=row.has_lanes)
        return _acquire_tokens(row, want=want, now=now, has_lanes=row.has_lanes)
    return None


def _acquire_tokens(row: Route, *, want: int, now: datetime, has_lanes: bool) -> Grant | None:
    tokens = token_balance(row, now=now)
    if tokens < 0:
        return None
    most = max(1, min(want, int(row.rate * MAX_BURST_S)))
    Route.objects.filter(pk=row.pk).update(tokens=tokens - most, refilled_at=refill_time(row.refilled_at, now))
    return Grant(row.name, most, 1.0 / row.rate, has_lanes=has_lanes)


def token_balance(bucket: Route | Lane, *, now: datetime) -> float:
    """What is left of a bucket's debt by now; 0 when it is paid."""
    if bucket.refilled_at is None or bucket.refilled_at > now + timedelta(seconds=MAX_CLOCK_SKEW_S):
        return 0.0
    passed = max(0.0, (now - bucket.refilled_at).total_seconds())
    return min(0.0, bucket.tokens + passed * bucket.rate)


def refill_time(refilled_at: datetime | None, now: datetime) -> datetime:
    """When a bucket is refilled up to: a worker whose clock is slow must not let the same seconds count twice."""
    if refilled_at is None or refilled_at > now + timedelta(seconds=MAX_CLOCK_SKEW_S):
        return now
    return max(refilled_at, now)


def return_tokens(name: str, unused: int) -> None:
    """Messages that were granted and not sent after all."""
    with transaction.atomic():
        for row in Route.objects.select_for_update().filter(name=name, rate__gt=0):
            Route.objects.filter(pk=row.pk).update(tokens=min(0.0, row.tokens + unused))


def release_grant(grant: Grant, unused: int) -> None:
    """A grant, or part of it, that nobody could be claimed for. A probe may be tried with the next batch."""
    if grant.is_probe and unused:
        Route.objects.filter(name=grant.route).update(open_until=None)
    elif unused:
        return_tokens(grant.route, unused)


def record_success(name: str, *, limit: float) -> None:
    """A claim went through without a complaint: close the breaker, and go a little faster if we were slowed down."""
    seen = Route.objects.filter(name=name).first()
    if seen is None or not (
        seen.failures or seen.open_until or seen.last_error or _increase_rate(seen.rate, limit) != seen.rate
    ):
        return
    with transaction.atomic():
        for row in Route.objects.select_for_update().filter(name=name):
            rate = _increase_rate(row.rate, limit)
            Route.objects.filter(pk=row.pk).update(failures=0, open_until=None, last_error="", rate=rate)


def close_breaker(name: str) -> None:
    """The route answers, whatever it said: its breaker closes."""
    failing = Route.objects.filter(name=name).exclude(failures=0, open_until__isnull=True)
    failing.update(failures=0, open_until=None, last_error="")


def _increase_rate(rate: float, limit: float) -> float:
    """A tenth faster each time, up to the operator's limit; a limit that was raised or set is taken over."""
    if rate == 0:
        return limit
    grown = rate * 1.1
    if limit:
        return min(grown, limit)
    return 0.0 if grown > UNLIMITED_ABOVE else grown


def slow_down(name: str, *, sent_per_s: float, now: datetime, retry_after_s: float = 0.0) -> None:
    """The provider wants less: half of the present pace, or of what it just took where there was none.

    `retry_after_s` is how long it wants nothing at all; other workers' claims wait as for a debt.
    """
    with transaction.atomic():
        row = Route.objects.select_for_update().filter(name=name).first()
        if row is not None:
            rate = max(MIN_RATE, min(row.rate or sent_per_s, sent_per_s or row.rate or 1.0) / 2)
            owed = min(token_balance(row, now=now) if row.rate else 0.0, -retry_after_s * rate)
            Route.objects.filter(pk=row.pk).update(
                rate=rate, tokens=owed, refilled_at=refill_time(row.refilled_at, now)
            )
            logger.warning("route slowed down", extra={"route": name, "rate": round(rate, 2)})


def record_failure(name: str, *, error: str, now: datetime, at_once: bool = False) -> bool:
    """Count a failure; True if the breaker is open now. `at_once`: they refuse us, so more tries are useless."""
    with transaction.atomic():
        row = Route.objects.select_for_update().filter(name=name).first()
        if row is None:
            return False
        failures = max(row.failures + 1, FAILURES_TO_OPEN if at_once else 0)
        opens = failures >= FAILURES_TO_OPEN
        wait = min(OPEN_MAX_S, OPEN_MIN_S * 2 ** min(10, max(0, failures - FAILURES_TO_OPEN)))
        until = now + timedelta(seconds=wait) if opens else None
        Route.objects.filter(pk=row.pk).update(failures=failures, open_until=until, last_error=error[:300])
    logger.warning("route failed", extra={"route": name, "failures": failures, "open": opens})
    return opens
