"""Domain limits: rate limits for single mailbox providers that have asked to slow down.

The stored model is `Lane`. A row exists only while a mailbox provider is limited on a route. It starts with a hold of
one minute, doubled each time without a success in between. Then TRIAL_MESSAGES are tried. After that the rate grows by a
tenth with each successful claim, until the row is deleted. Readers who are held back at a claim move to a batch of their
own (`ledger.claiming`), so readers of other providers do not wait.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from subscribers.models import Subscription
from workers.models import Lane, Route
from workers.throttling import mailbox_providers, rate_limit

logger = logging.getLogger(__name__)

HOLD_MIN_S, HOLD_MAX_S = 60, 1800
TRIAL_MESSAGES = 10
"""Messages per claim after a hold, until a claim succeeds."""
REMOVE_LIMIT_ABOVE = 2.0
"""Multiple of `Lane.ceiling` at which a limit is removed."""
FORGET_AFTER = timedelta(days=1)
DOMAINS_BEFORE_ROUTE = 3
"""If so many providers are held at once and no message was accepted, the whole route is slowed down."""


@dataclass(frozen=True, slots=True)
class SlowDownRequest:
    """An answer that asks to slow down: by the provider of the domain limit `limit`, or "" for the whole route."""

    limit: str
    sent_per_s: float
    error: str = ""
    retry_after_s: float = 0.0
    none_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """The readers of a batch that may be claimed, in order, and those held back: limit to (readers, due at)."""

    selected: list[int]
    held: dict[str, tuple[list[int], datetime]]
    limited: dict[int, str] = field(default_factory=dict)
    """The readers in `selected` that have a domain limit: reader to name of the limit."""


def slow_down(route: str, answer: SlowDownRequest, *, now: datetime) -> None:
    """Apply an answer that asks to slow down.

    During a hold a further answer changes nothing: it belongs to a message that was sent before the hold.
    """
    if not answer.limit:
        rate_limit.slow_down(route, sent_per_s=answer.sent_per_s, retry_after_s=answer.retry_after_s, now=now)
        return
    with transaction.atomic():
        # Lock order: the route's row, then its domain limits, as in `acquire` and `select_sendable` at a claim.
        row = Route.objects.select_for_update().filter(name=route).first()
        if row is None:
            return
        lane = Lane.objects.select_for_update().filter(route=row, name=answer.limit).first()
        if lane is not None and lane.held_until is not None and lane.held_until > now:
            return
        failures = (lane.failures if lane else 0) + 1
        observed_rate = min(lane.rate, answer.sent_per_s) if lane else answer.sent_per_s
        hold_s = min(HOLD_MAX_S, max(answer.retry_after_s, HOLD_MIN_S * 2 ** min(10, failures - 1)))
        fields = {
            "rate": max(rate_limit.MIN_RATE, observed_rate / 2),
            "ceiling": max(rate_limit.MIN_RATE, observed_rate),
            "tokens": 0.0,
            "held_until": now + timedelta(seconds=hold_s),
            "failures": failures,
            "last_error": answer.error[:300],
            "slowed_at": now,
        }
        Lane.objects.update_or_create(route=row, name=answer.limit, defaults=fields)
        held = Lane.objects.filter(route=row, held_until__gt=now).count()
    logger.warning("lane slowed down", extra={"route": route, "group": mailbox_providers.group_of(answer.limit)})
    if answer.none_accepted and held >= DOMAINS_BEFORE_ROUTE:
        rate_limit.slow_down(route, sent_per_s=answer.sent_per_s, now=now)


def select_sendable(route: str, ids: Sequence[int], *, most: int, now: datetime, lane: str = "") -> Selection:
    """Select the readers that the domain limits of `route` allow now, and charge the limits for the first `most`.

    Pass `lane` if all of `ids` are known to belong to that limit. Call it inside the claim's transaction, which holds
    the lock of the route's row.
    """
    limited = _lock_limits(route, now=now)
    if not limited or (lane and lane not in limited):
        return Selection(list(ids[:most]), {})
    names = dict.fromkeys(ids, lane) if lane else _domains_by_subscription(ids)
    left = {name: _available(row, now=now) for name, row in limited.items()}
    sendable: list[int] = []
    held: defaultdict[str, list[int]] = defaultdict(list)
    for reader in ids:
        name = names.get(reader, "")
        if name not in left:
            sendable.append(reader)
        elif left[name] > 0:
            left[name] -= 1
            sendable.append(reader)
        else:
            held[name].append(reader)
    limited_readers = {reader: name for reader in sendable[:most] if (name := names.get(reader, "")) in limited}
    charged = Counter(limited_readers.values())
    due_at = {name: _charge(row, charged[name], now=now) for name, row in limited.items()}
    return Selection(
        sendable[:most], {name: (waiting, due_at[name]) for name, waiting in held.items()}, limited_readers
    )


def _lock_limits(route: str, *, now: datetime) -> dict[str, Lane]:
    """Lock the domain limits of a route, by name. Delete those without a slow-down for FORGET_AFTER."""
    rows = list(Lane.objects.select_for_update(of=("self",)).filter(route__name=route).order_by("name"))
    stale = [row.pk for row in rows if row.slowed_at < now - FORGET_AFTER]
    if stale:
        Lane.objects.filter(pk__in=stale).delete()
    return {row.name: row for row in rows if row.pk not in stale}


def _domains_by_subscription(ids: Sequence[int]) -> dict[int, str]:
    rows = Subscription.objects.filter(pk__in=ids).values_list("pk", "subscriber__email")
    return {pk: mailbox_providers.provider_key(email or "") for pk, email in rows}


def _available(lane: Lane, *, now: datetime) -> int:
    """Return how many messages the limit allows now."""
    if lane.held_until is not None and lane.held_until > now:
        return 0
    if rate_limit.token_balance(lane, now=now) < 0:
        return 0
    most = max(1, int(lane.rate * rate_limit.MAX_BURST_S))
    return min(most, TRIAL_MESSAGES) if lane.failures else most


def _charge(lane: Lane, count: int, *, now: datetime) -> datetime:
    """Charge `count` messages to the limit. Return when it allows the next."""
    if lane.held_until is not None and lane.held_until > now:
        return lane.held_until
    tokens = rate_limit.token_balance(lane, now=now) - count
    if count:
        Lane.objects.filter(pk=lane.pk).update(tokens=tokens, refilled_at=rate_limit.refill_time(lane.refilled_at, now))
    return now + timedelta(seconds=max(1.0, -tokens / lane.rate))


def settle_claim(route: str, limited: Mapping[int, str], sent: Collection[int], *, went_well: bool) -> None:
    """After a claim: return unused tokens, and raise the rate of the limits that were used if `went_well`.

    `limited` are the claimed readers with a domain limit, `sent` the readers of the claim with an answer.
    """
    if not limited:
        return
    unused = Counter(name for reader, name in limited.items() if reader not in sent)
    used = {name for reader, name in limited.items() if reader in sent}
    with transaction.atomic():
        # Only domain limits are locked here, in the order of their names, as in `_lock_limits`.
        rows = Lane.objects.select_for_update(of=("self",)).filter(route__name=route, name__in=set(limited.values()))
        for lane in rows.order_by("name"):
            new_rate = lane.rate * 1.1 if went_well and lane.name in used else lane.rate
            if new_rate >= lane.ceiling * REMOVE_LIMIT_ABOVE:
                lane.delete()
                continue
            failures = 0 if new_rate > lane.rate else lane.failures
            tokens = min(0.0, lane.tokens + unused[lane.name])
            Lane.objects.filter(pk=lane.pk).update(rate=new_rate, failures=failures, tokens=tokens)
