"""Mail services that have asked us to slow down: their readers go at a pace of their own, and nobody else waits.

A lane is a row only while its mail service is slowed. It is held for a minute, longer each time nothing went well in
between; then a few are tried, and after that it lets out its rate, a tenth more after each claim that went well, until
it is free and gone. Who is held back at a claim follows in a batch of their own (`ledger.claiming`).
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
"""Messages tried after a hold, until a claim has gone well."""
REMOVE_LIMIT_ABOVE = 2.0
FORGET_AFTER = timedelta(days=1)
DOMAINS_BEFORE_ROUTE = 3
"""So many services at once that ask for less, and not one message taken: then it is about all our mail."""


@dataclass(frozen=True, slots=True)
class SlowDownRequest:
    """One answer that asks for less: by one lane's mail service, or ("") for everything by the route."""

    lane: str
    sent_per_s: float
    error: str = ""
    retry_after_s: float = 0.0
    none_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Who of a batch may be claimed, in order, and who waits for their lane until when."""

    selected: list[int]
    held: dict[str, tuple[list[int], datetime]]
    limited: dict[int, str] = field(default_factory=dict)
    """Of `ours`, those in a limited lane."""


def slow_down(route: str, answer: SlowDownRequest, *, now: datetime) -> None:
    """Heed an answer that asks for less. From a lane that is held already it changes nothing: it left before the hold."""
    if not answer.lane:
        rate_limit.slow_down(route, sent_per_s=answer.sent_per_s, retry_after_s=answer.retry_after_s, now=now)
        return
    with transaction.atomic():
        row = Route.objects.select_for_update().filter(name=route).first()
        if row is None:
            return
        lane = Lane.objects.select_for_update().filter(route=row, name=answer.lane).first()
        if lane is not None and lane.held_until is not None and lane.held_until > now:
            return
        failures = (lane.failures if lane else 0) + 1
        seen = min(lane.rate, answer.sent_per_s) if lane else answer.sent_per_s
        hold_s = min(HOLD_MAX_S, max(answer.retry_after_s, HOLD_MIN_S * 2 ** min(10, failures - 1)))
        fields = {
            "rate": max(rate_limit.MIN_RATE, seen / 2),
            "ceiling": max(rate_limit.MIN_RATE, seen),
            "tokens": 0.0,
            "held_until": now + timedelta(seconds=hold_s),
            "failures": failures,
            "last_error": answer.error[:300],
            "slowed_at": now,
        }
        Lane.objects.update_or_create(route=row, name=answer.lane, defaults=fields)
        held = Lane.objects.filter(route=row, held_until__gt=now).count()
    logger.warning("lane slowed down", extra={"route": route, "group": mailbox_providers.group_of(answer.lane)})
    if answer.none_accepted and held >= DOMAINS_BEFORE_ROUTE:
        rate_limit.slow_down(route, sent_per_s=answer.sent_per_s, now=now)


def select_sendable(route: str, ids: Sequence[int], *, most: int, now: datetime, lane: str = "") -> Selection:
    """Let out whom the lanes of `route` let out now, and charge the lanes for the first `most` of them.

    `lane` is given where all of `ids` are known to be in one. Call inside the claim's transaction.
    """
    limited = _lock_limits(route, now=now)
    if not limited or (lane and lane not in limited):
        return Selection(list(ids[:most]), {})
    names = dict.fromkeys(ids, lane) if lane else _domains_by_subscription(ids)
    left = {name: _available(row, now=now) for name, row in limited.items()}
    go: list[int] = []
    held: defaultdict[str, list[int]] = defaultdict(list)
    for reader in ids:
        name = names.get(reader, "")
        if name not in left:
            go.append(reader)
        elif left[name] > 0:
            left[name] -= 1
            go.append(reader)
        else:
            held[name].append(reader)
    ours = {reader: name for reader in go[:most] if (name := names.get(reader, "")) in limited}
    charged = Counter(ours.values())
    opens = {name: _charge(row, charged[name], now=now) for name, row in limited.items()}
    return Selection(go[:most], {name: (waiting, opens[name]) for name, waiting in held.items()}, ours)


def _lock_limits(route: str, *, now: datetime) -> dict[str, Lane]:
    """The lanes of a route, locked; those that nobody has complained about for a day are forgotten."""
    rows = list(Lane.objects.select_for_update(of=("self",)).filter(route__name=route).order_by("name"))
    stale = [row.pk for row in rows if row.slowed_at < now - FORGET_AFTER]
    if stale:
        Lane.objects.filter(pk__in=stale).delete()
    return {row.name: row for row in rows if row.pk not in stale}


def _domains_by_subscription(ids: Sequence[int]) -> dict[int, str]:
    rows = Subscription.objects.filter(pk__in=ids).values_list("pk", "subscriber__email")
    return {pk: mailbox_providers.provider_key(email or "") for pk, email in rows}


def _available(lane: Lane, *, now: datetime) -> int:
    """How many the lane lets out now."""
    if lane.held_until is not None and lane.held_until > now:
        return 0
    if rate_limit.token_balance(lane, now=now) < 0:
        return 0
    most = max(1, int(lane.rate * rate_limit.MAX_BURST_S))
    return min(most, TRIAL_MESSAGES) if lane.failures else most


def _charge(lane: Lane, count: int, *, now: datetime) -> datetime:
    """Take `count` messages out of the lane. Returns when it lets out the next."""
    if lane.held_until is not None and lane.held_until > now:
        return lane.held_until
    tokens = rate_limit.token_balance(lane, now=now) - count
    if count:
        Lane.objects.filter(pk=lane.pk).update(tokens=tokens, refilled_at=rate_limit.refill_time(lane.refilled_at, now))
    return now + timedelta(seconds=max(1.0, -tokens / lane.rate))


def settle_claim(route: str, limited: Mapping[int, str], sent: Collection[int], *, went_well: bool) -> None:
    """After a claim: give back what was not sent, and let the lanes that were used go faster if nobody complained.

    `limited` are the claimed readers in limited lanes, `sent` those of the claim who have an answer.
    """
    if not limited:
        return
    unused = Counter(name for reader, name in limited.items() if reader not in sent)
    used = {name for reader, name in limited.items() if reader in sent}
    with transaction.atomic():
        rows = Lane.objects.select_for_update(of=("self",)).filter(route__name=route, name__in=set(limited.values()))
        for lane in rows.order_by("name"):
            faster = lane.rate * 1.1 if went_well and lane.name in used else lane.rate
            if faster >= lane.ceiling * REMOVE_LIMIT_ABOVE:
                lane.delete()
                continue
            failures = 0 if faster > lane.rate else lane.failures
            tokens = min(0.0, lane.tokens + unused[lane.name])
            Lane.objects.filter(pk=lane.pk).update(rate=faster, failures=failures, tokens=tokens)
