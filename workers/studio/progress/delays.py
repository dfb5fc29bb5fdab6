"""What an issue under way waits for, in words: mail services, the provider, workers, the disk, answers still to come.

For the progress page and `send_issue --wait`. Reads batches and the few deferred rows, never one delivery per reader.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, Min, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import formatting
from newsletter.models import Issue, IssueStatus
from workers import ledger, routes
from workers.models import Batch, BatchStatus, Delivery, Lane, Outcome, Route
from workers.throttling import failure_reasons, mailbox_providers, rate_limit

IDLE_AFTER = timedelta(seconds=30)
MIN_FREE_DISK = 20_000_000
MAX_ROWS_READ = 2000
"""Deferred readers whose reasons are looked at."""


@dataclass(frozen=True, slots=True)
class Delay:
    """One thing that is slow, and why."""

    words: str
    answer: str = ""
    """What the other side said, in its own words."""
    needs_attention: bool = False
    readers: int = 0
    """Waiting readers that are held back for it."""
    lost_host: str = ""
    """A machine whose notes nobody has read yet; somebody may decide to go on without them."""
    until: datetime | None = None
    """When the last of them will have got it, as far as one can tell."""


def delays_for(issue: Issue, *, deferred: int, now: datetime) -> list[Delay]:
    """All that holds the issue up, what needs a person first. `deferred` is the equation's term."""
    if issue.status != IssueStatus.SENDING:
        return []
    groups, rows = _open_batches(issue, now=now), list(Route.objects.all())
    found = [
        *_worker_delays(issue, groups, rows, now=now),
        *_disk_delays(),
        *_lost_worker_delays(groups),
        *_route_delays(issue, rows, now=now),
        *_domain_delays(issue, groups),
        *(_deferred_delays(issue, deferred) if deferred else ()),
    ]
    return sorted(found, key=lambda delay: not delay.needs_attention)


def _clock_by(issue: Issue, moment: datetime) -> str:
    """The minute by whose beginning it is so."""
    return formatting.format_clock(moment + timedelta(seconds=59), issue.newsletter.zone)


def _open_batches(issue: Issue, *, now: datetime) -> list[Any]:
    """Batches that are not done, by status and lane: what the issue still has to do, in one question."""
    is_due = Q(due_at__isnull=True) | Q(due_at__lte=now)
    answered = F("accepted") + F("refused") + F("deferred") + F("skipped") + F("uncertain")
    groups = Batch.objects.filter(issue=issue).exclude(status=BatchStatus.DONE).values("status", "lane")
    told = groups.annotate(
        readers=Sum(F("size") - answered),
        due=Count("pk", filter=is_due),
        released=Max("due_at", filter=is_due),
        held=Sum("size", filter=Q(due_at__gt=now), default=0),
        opens=Min("due_at", filter=Q(due_at__gt=now)),
        worker=Max("worker"),
    )
    return list(told.order_by("status", "lane"))


# --- ours ------------------------------------------------------------------------------------------------------------


def _worker_delays(issue: Issue, groups: list[Any], rows: list[Route], *, now: datetime) -> Iterator[Delay]:
    """Nobody takes what could be taken."""
    due = [group for group in groups if group["status"] == BatchStatus.WAITING and group["due"]]
    if (
        not due
        or any(group["status"] != BatchStatus.WAITING for group in groups)
        or not _is_any_route_open(rows, now=now)
    ):
        return
    if issue.started_at is not None and now - issue.started_at < IDLE_AFTER:
        return
    last = Batch.objects.filter(issue=issue).aggregate(last=Max("sent_at"))["last"]
    moments = [issue.started_at, last, ledger.last_resumed_at(issue), *(group["released"] for group in due)]
    active = max((moment for moment in moments if moment), default=now)
    if now - active < IDLE_AFTER:
        return
    busy = Batch.objects.filter(status=BatchStatus.CLAIMED, lease_expires_at__gt=now).exclude(issue=issue).count()
    if busy >= settings.SEND_SLOTS:
        yield Delay(_("All workers are busy with another issue; this one goes on as soon as one is free."))
        return
    words = _("No worker has taken anything for %(span)s. Ask your administrator whether the workers are running.")
    yield Delay(words % {"span": formatting.format_duration(now - active)}, needs_attention=True)


def _is_any_route_open(rows: list[Route], *, now: datetime) -> bool:
    return not rows or any(
        not rate_limit.is_breaker_open(row, now=now) and rate_limit.token_balance(row, now=now) >= 0 for row in rows
    )


def _disk_delays() -> Iterator[Delay]:
    """The notes that make sending exact need room; seen where this machine sends as well."""
    try:
        free = shutil.disk_usage(settings.SEND_SPOOL).free
    except OSError:
        return
    if free < MIN_FREE_DISK:
        yield Delay(
            _(
                "The disk for the workers’ notes is full, so nothing can be handed over. Ask your administrator for room."
            ),
            needs_attention=True,
        )


def _lost_worker_delays(groups: list[Any]) -> Iterator[Delay]:
    """Batches whose worker stopped in the middle, and whose notes nobody has read yet."""
    for group in groups:
        if group["status"] != BatchStatus.UNCERTAIN:
            continue
        host, readers = group["worker"].split(":")[0], group["readers"]
        words = ngettext(
            "A worker on %(host)s stopped in the middle. %(count)s reader waits until its notes are read there.",
            "A worker on %(host)s stopped in the middle. %(count)s readers wait until its notes are read there.",
            readers,
        ) % {"host": host, "count": formatting.format_number(readers)}
        yield Delay(words, needs_attention=True, readers=readers, lost_host=host)


# --- the provider's --------------------------------------------------------------------------------------------------


def _route_delays(issue: Issue, rows: list[Route], *, now: datetime) -> Iterator[Delay]:
    for row in rows:
        if rate_limit.is_breaker_open(row, now=now) and row.open_until is not None:
            others = [other.name for other in rows if other != row and not rate_limit.is_breaker_open(other, now=now)]
            names = {"route": row.name, "time": _clock_by(issue, row.open_until)}
            if others:
                words = _(
                    "%(route)s does not take our mail at the moment; %(other)s does it instead. Next try %(time)s."
                )
                yield Delay(words % {**names, "other": others[0]}, row.last_error)
            else:
                words = _("%(route)s does not take our mail at the moment. Next try %(time)s; nobody is lost.")
                yield Delay(words % names, row.last_error)
        elif row.rate > 0 and (limit := _configured_rate(row)) is not None and not 0 < limit <= row.rate:
            yield Delay(_describe_slowed_route(issue, row, now=now))


def _configured_rate(row: Route) -> float | None:
    """What the operator allows; None where this process has another MAIL_URL."""
    route = routes.by_name(row.name)
    return route.rate if route else None


def _describe_slowed_route(issue: Issue, row: Route, *, now: datetime) -> str:
    debt_s = -rate_limit.token_balance(row, now=now) / row.rate
    if debt_s > 2 * rate_limit.MAX_BURST_S:
        words = _("%(route)s asks us to wait until %(time)s.")
        return words % {"route": row.name, "time": _clock_by(issue, now + timedelta(seconds=debt_s))}
    each = formatting.format_number(round(row.rate) if row.rate >= 10 else round(row.rate, 1))
    words = _("%(route)s asked us to slow down: %(rate)s a second at the moment, a little more each time it goes well.")
    return words % {"route": row.name, "rate": each}


# --- the mail services' ----------------------------------------------------------------------------------------------


def _domain_delays(issue: Issue, groups: list[Any]) -> Iterator[Delay]:
    waits = [group for group in groups if group["lane"] and group["held"] and group["status"] == BatchStatus.WAITING]
    if not waits:
        return
    rows = {lane.name: lane for lane in Lane.objects.filter(name__in=[wait["lane"] for wait in waits])}
    for wait in sorted(waits, key=lambda wait: -wait["held"]):
        lane, readers = rows.get(wait["lane"]), wait["held"]
        until = wait["opens"] + timedelta(seconds=readers / lane.rate if lane else 0)
        words = ngettext(
            "%(service)s asks us to slow down; %(count)s reader follows until about %(time)s.",
            "%(service)s asks us to slow down; %(count)s readers follow until about %(time)s.",
            readers,
        ) % {
            "service": mailbox_providers.display_name(wait["lane"]),
            "count": formatting.format_number(readers),
            "time": _clock_by(issue, until),
        }
        yield Delay(words, lane.last_error if lane else "", readers=readers, until=until)


def _deferred_delays(issue: Issue, number: int) -> Iterator[Delay]:
    """Who is tried again by itself: why, and from when."""
    rows = Delivery.objects.filter(issue=issue, outcome=Outcome.DEFERRED)
    due: defaultdict[failure_reasons.FailureReason, list[datetime | None]] = defaultdict(list)
    for code, detail, due_at in rows.values_list("code", "detail", "due_at")[:MAX_ROWS_READ]:
        due[failure_reasons.classify(code, detail)].append(due_at)
    share = max(1.0, number / MAX_ROWS_READ)
    for cause, times in sorted(due.items(), key=lambda item: -len(item[1])):
        count = round(len(times) * share)
        last = max((time for time in times if time), default=None)
        facts = {"count": formatting.format_number(count), "cause": cause.words}
        if last is None:
            words = ngettext(
                "%(count)s reader: %(cause)s. Being tried again.",
                "%(count)s readers: %(cause)s. Being tried again.",
                count,
            )
        else:
            words = ngettext(
                "%(count)s reader: %(cause)s. Tried again by itself, the next time by %(time)s.",
                "%(count)s readers: %(cause)s. Tried again by itself, the next time by %(time)s.",
                count,
            )
            facts["time"] = _clock_by(issue, last)
        yield Delay(words % facts)
