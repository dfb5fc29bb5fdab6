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

IDLE = timedelta(seconds=30)
LEAST_DISK = 20_000_000
MOST_READ = 2000
"""Deferred readers whose reasons are looked at."""


@dataclass(frozen=True, slots=True)
class Delay:
    """One thing that is slow, and why."""

    words: str
    answer: str = ""
    """What the other side said, in its own words."""
    needs_a_person: bool = False
    readers: int = 0
    """Waiting readers that are held back for it."""
    lost_host: str = ""
    """A machine whose notes nobody has read yet; somebody may decide to go on without them."""
    until: datetime | None = None
    """When the last of them will have got it, as far as one can tell."""


def of(issue: Issue, *, deferred: int, now: datetime) -> list[Delay]:
    """All that holds the issue up, what needs a person first. `deferred` is the equation's term."""
    if issue.status != IssueStatus.SENDING:
        return []
    groups, rows = _open_batches(issue, now=now), list(Route.objects.all())
    found = [
        *_workers(issue, groups, rows, now=now),
        *_disk(),
        *_lost_workers(groups),
        *_routes(issue, rows, now=now),
        *_lanes(issue, groups),
        *(_deferred(issue, deferred) if deferred else ()),
    ]
    return sorted(found, key=lambda delay: not delay.needs_a_person)


def _until(issue: Issue, moment: datetime) -> str:
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


def _workers(issue: Issue, groups: list[Any], rows: list[Route], *, now: datetime) -> Iterator[Delay]:
    """Nobody takes what could be taken."""
    due = [group for group in groups if group["status"] == BatchStatus.WAITING and group["due"]]
    if not due or any(group["status"] != BatchStatus.WAITING for group in groups) or not _any_open(rows, now=now):
        return
    if issue.started_at is not None and now - issue.started_at < IDLE:
        return
    last = Batch.objects.filter(issue=issue).aggregate(last=Max("sent_at"))["last"]
    moments = [issue.started_at, last, ledger.resumed_at(issue), *(group["released"] for group in due)]
    active = max((moment for moment in moments if moment), default=now)
    if now - active < IDLE:
        return
    busy = Batch.objects.filter(status=BatchStatus.CLAIMED, lease_expires_at__gt=now).exclude(issue=issue).count()
    if busy >= settings.SEND_SLOTS:
        yield Delay(_("All workers are busy with another issue; this one goes on as soon as one is free."))
        return
    words = _("No worker has taken anything for %(span)s. Ask your administrator whether the workers are running.")
    yield Delay(words % {"span": formatting.format_duration(now - active)}, needs_a_person=True)


def _any_open(rows: list[Route], *, now: datetime) -> bool:
    return not rows or any(
        not rate_limit.is_open(row, now=now) and rate_limit.refilled(row, now=now) >= 0 for row in rows
    )


def _disk() -> Iterator[Delay]:
    """The notes that make sending exact need room; seen where this machine sends as well."""
    try:
        free = shutil.disk_usage(settings.SEND_SPOOL).free
    except OSError:
        return
    if free < LEAST_DISK:
        yield Delay(
            _(
                "The disk for the workers’ notes is full, so nothing can be handed over. Ask your administrator for room."
            ),
            needs_a_person=True,
        )


def _lost_workers(groups: list[Any]) -> Iterator[Delay]:
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
        yield Delay(words, needs_a_person=True, readers=readers, lost_host=host)


# --- the provider's --------------------------------------------------------------------------------------------------


def _routes(issue: Issue, rows: list[Route], *, now: datetime) -> Iterator[Delay]:
    for row in rows:
        if rate_limit.is_open(row, now=now) and row.open_until is not None:
            others = [other.name for other in rows if other != row and not rate_limit.is_open(other, now=now)]
            names = {"route": row.name, "time": _until(issue, row.open_until)}
            if others:
                words = _(
                    "%(route)s does not take our mail at the moment; %(other)s does it instead. Next try %(time)s."
                )
                yield Delay(words % {**names, "other": others[0]}, row.last_error)
            else:
                words = _("%(route)s does not take our mail at the moment. Next try %(time)s; nobody is lost.")
                yield Delay(words % names, row.last_error)
        elif row.rate > 0 and (limit := _limit(row)) is not None and not 0 < limit <= row.rate:
            yield Delay(_slower(issue, row, now=now))


def _limit(row: Route) -> float | None:
    """What the operator allows; None where this process has another MAIL_URL."""
    route = routes.by_name(row.name)
    return route.rate if route else None


def _slower(issue: Issue, row: Route, *, now: datetime) -> str:
    debt_s = -rate_limit.refilled(row, now=now) / row.rate
    if debt_s > 2 * rate_limit.MOST_AHEAD_S:
        words = _("%(route)s asks us to wait until %(time)s.")
        return words % {"route": row.name, "time": _until(issue, now + timedelta(seconds=debt_s))}
    each = formatting.format_number(round(row.rate) if row.rate >= 10 else round(row.rate, 1))
    words = _("%(route)s asked us to slow down: %(rate)s a second at the moment, a little more each time it goes well.")
    return words % {"route": row.name, "rate": each}


# --- the mail services' ----------------------------------------------------------------------------------------------


def _lanes(issue: Issue, groups: list[Any]) -> Iterator[Delay]:
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
            "service": mailbox_providers.name_of(wait["lane"]),
            "count": formatting.format_number(readers),
            "time": _until(issue, until),
        }
        yield Delay(words, lane.last_error if lane else "", readers=readers, until=until)


def _deferred(issue: Issue, number: int) -> Iterator[Delay]:
    """Who is tried again by itself: why, and from when."""
    rows = Delivery.objects.filter(issue=issue, outcome=Outcome.DEFERRED)
    due: defaultdict[failure_reasons.Cause, list[datetime | None]] = defaultdict(list)
    for code, detail, due_at in rows.values_list("code", "detail", "due_at")[:MOST_READ]:
        due[failure_reasons.of(code, detail)].append(due_at)
    share = max(1.0, number / MOST_READ)
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
            facts["time"] = _until(issue, last)
        yield Delay(words % facts)
