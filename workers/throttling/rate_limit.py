"""Rate limit and circuit breaker of each route, stored in its `Route` row and changed only under a row lock.

Rate limit: a token bucket with a debt. A claim takes up to MAX_BURST_S seconds of messages at once, which makes `tokens`
negative; no further claim is granted until the debt is paid. Breaker: after FAILURES_TO_OPEN failures in a row, or at
once if the provider refuses the account, nothing is claimed for a while; then one probe message is tried.

All times are wall time, because workers of several hosts share the rows. MAX_CLOCK_SKEW_S bounds the effect of a host
with a wrong clock.
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
"""Seconds of the rate that one claim may take."""
FAILURES_TO_OPEN = 3
OPEN_MIN_S, OPEN_MAX_S = 30, 600
PROBE_TIMEOUT_S = 60
"""Seconds after which another probe may be sent: the worker with the first one has died."""
MIN_RATE = 0.2
"""Messages a second. A route is never slowed down below this."""
UNLIMITED_ABOVE = 2000.0
"""Messages a second. A learned rate that grows beyond this is removed."""
MAX_CLOCK_SKEW_S = 60.0
"""A stored time further in the future than this was written by a wrong clock and is ignored."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to send `most` messages by `route`, `interval_s` seconds apart."""

    route: str
    most: int
    interval_s: float = 0.0
    is_probe: bool = False
    has_lanes: bool = False
    """True if the route has domain limits (`domain_limits`)."""


def register(configured: Iterable[tuple[str, str, float]]) -> None:
    """Create or update a row for each route in `configured` (name, kind, rate), best first; delete removed routes.

    Safe to repeat and to run in several workers at once.
    """
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
            rate_to_store = rate if rate and not 0 < row.rate <= rate else row.rate
            Route.objects.filter(pk=row.pk).update(kind=kind, priority=priority, rate=rate_to_store)


def is_breaker_open(row: Route, *, now: datetime) -> bool:
    """Return whether the breaker is open, so that nothing may be claimed.

    A time beyond the longest possible wait is ignored: the clock was set back after it was written.
    """
    longest = now + timedelta(seconds=OPEN_MAX_S + MAX_CLOCK_SKEW_S)
    return row.open_until is not None and now < row.open_until <= longest


def is_any_usable(names: Iterable[str], *, now: datetime) -> bool:
    """Return whether any of these routes may be used now. A route without a row counts as usable."""
    wanted = list(names)
    rows = Route.objects.filter(name__in=wanted)
    return len(rows) < len(wanted) or any(not is_breaker_open(row, now=now) for row in rows)


def acquire(names: Iterable[str], *, want: int, now: datetime) -> Grant | None:
    """Grant up to `want` messages on the best usable route; None if nothing may be sent now.

    Call it inside the transaction that claims the readers: a rollback then returns the tokens, too.
    """
    # The row locks serialize claims, so two workers cannot take the same tokens. They are the last locks of a claim
    # except the route's domain limits (see `workers.ledger`).
    rows = Route.objects.select_for_update().filter(name__in=list(names))
    for row in rows.annotate(has_lanes=Exists(Lane.objects.filter(route=OuterRef("pk")))).order_by("priority"):
        if is_breaker_open(row, now=now):
            continue
        if row.failures >= FAILURES_TO_OPEN:
            # Closed to other workers while this one probes.
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
    """Return the bucket's debt as a negative number of messages; 0 if it is paid."""
    if bucket.refilled_at is None or bucket.refilled_at > now + timedelta(seconds=MAX_CLOCK_SKEW_S):
        return 0.0
    passed = max(0.0, (now - bucket.refilled_at).total_seconds())
    return min(0.0, bucket.tokens + passed * bucket.rate)


def refill_time(refilled_at: datetime | None, now: datetime) -> datetime:
    """Return the new `refilled_at`. It never goes back: a worker with a slow clock must not refill the same seconds."""
    if refilled_at is None or refilled_at > now + timedelta(seconds=MAX_CLOCK_SKEW_S):
        return now
    return max(refilled_at, now)


def return_tokens(name: str, unused: int) -> None:
    """Return granted messages that were not sent."""
    with transaction.atomic():
        for row in Route.objects.select_for_update().filter(name=name, rate__gt=0):
            Route.objects.filter(pk=row.pk).update(tokens=min(0.0, row.tokens + unused))


def release_grant(grant: Grant, unused: int) -> None:
    """Return a grant, or part of it, for which no reader could be claimed. A probe may be tried with the next batch."""
    if grant.is_probe and unused:
        Route.objects.filter(name=grant.route).update(open_until=None)
    elif unused:
        return_tokens(grant.route, unused)


def record_success(name: str, *, limit: float) -> None:
    """After a successful claim: close the breaker, and raise a lowered rate by a tenth."""
    # Read without a lock first: in the normal case nothing changes, and claims do not wait for this row.
    route = Route.objects.filter(name=name).first()
    if route is None or not (
        route.failures or route.open_until or route.last_error or _increase_rate(route.rate, limit) != route.rate
    ):
        return
    with transaction.atomic():
        for row in Route.objects.select_for_update().filter(name=name):
            rate = _increase_rate(row.rate, limit)
            Route.objects.filter(pk=row.pk).update(failures=0, open_until=None, last_error="", rate=rate)


def close_breaker(name: str) -> None:
    """Close the breaker: the route answered, even if it asked to slow down."""
    failing = Route.objects.filter(name=name).exclude(failures=0, open_until__isnull=True)
    failing.update(failures=0, open_until=None, last_error="")


def _increase_rate(rate: float, limit: float) -> float:
    """Return the rate raised by a tenth, up to the operator's `limit` in MAIL_URL (0: none)."""
    if rate == 0:
        return limit
    grown = rate * 1.1
    if limit:
        return min(grown, limit)
    return 0.0 if grown > UNLIMITED_ABOVE else grown


def slow_down(name: str, *, sent_per_s: float, now: datetime, retry_after_s: float = 0.0) -> None:
    """Halve the rate after a request to slow down; without a rate, half of `sent_per_s`.

    `retry_after_s` is a time without any message. It is stored as a debt, so claims of other workers wait as well.
    """
    with transaction.atomic():
        row = Route.objects.select_for_update().filter(name=name).first()
        if row is not None:
            rate = max(MIN_RATE, min(row.rate or sent_per_s, sent_per_s or row.rate or 1.0) / 2)
            tokens = min(token_balance(row, now=now) if row.rate else 0.0, -retry_after_s * rate)
            Route.objects.filter(pk=row.pk).update(
                rate=rate, tokens=tokens, refilled_at=refill_time(row.refilled_at, now)
            )
            logger.warning("route slowed down", extra={"route": name, "rate": round(rate, 2)})


def record_failure(name: str, *, error: str, now: datetime, at_once: bool = False) -> bool:
    """Count a failure. Return True if the breaker is now open. `at_once` opens it: the provider refused the account."""
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
