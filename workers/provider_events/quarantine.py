"""When too many bounces, complaints or departures come at once, they wait for a person (T-44).

    held_bounced -apply-> due_bounced -(effects.go_on)-> bounced        held_bounced -leave_out-> out_bounced

So many in minutes say more about the sender, the provider or a forger than about readers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet, Sum

from newsletter import issues
from newsletter.models import AuditEntry, Editor, Issue, Role
from workers.ledger import locks, provider_status
from workers.models import HELD_KINDS, Batch, Delivery, Event
from workers.notifications import editor_alerts
from workers.provider_events.consequences import DUE_PREFIX, SERIOUS_KINDS
from workers.provider_events.parsing import BOUNCED, COMPLAINED, UNSUBSCRIBED, EventReport

logger = logging.getLogger(__name__)

HELD_PREFIX, DISMISSED_PREFIX = "held_", "out_"
"""Before the kind of an event whose consequences wait for a person, or that a person has left out."""
STORM_PERIOD = timedelta(minutes=10)
STORM_EVENTS = 50
STORM_SHARE = 0.1
APPLIED, DISMISSED = "events-applied", "events-left-out"
MAX_REASONS = 5


@dataclass(frozen=True, slots=True)
class HeldEvents:
    """What is held back of one issue."""

    bounces: int
    complaints: int
    departures: int
    """Unsubscribed at the provider."""
    readers: int
    accepted: int
    """Readers who got the issue, as far as the provider took it."""
    first_at: datetime
    last_at: datetime
    providers: tuple[str, ...]
    """Kinds of the routes that these readers' copies took."""
    reasons: tuple[tuple[str, str, str, int], ...]
    """(kind, code, detail, how many), the most frequent first."""

    @property
    def count(self) -> int:
        return self.bounces + self.complaints + self.departures

    @property
    def share(self) -> float:
        """Of those who got it, from 0 to 1."""
        return min(self.readers / self.accepted, 1.0) if self.accepted else 1.0


def hold(issue: int, fresh: Sequence[EventReport], *, now: datetime) -> set[str]:
    """Hold back those of the events just stored that are too many; returns their ids.

    All of one post count as recent, whatever moment they name: a provider that was silent for an hour tells all at once.
    """
    serious = sorted(
        (one for one in fresh if one.kind in SERIOUS_KINDS), key=lambda one: (one.occurred_at, one.event_id)
    )
    if not serious:
        return set()
    since = max(now - STORM_PERIOD, _decided_at(issue) or now - STORM_PERIOD)
    kinds = [prefix + kind for prefix in ("", HELD_PREFIX) for kind in SERIOUS_KINDS]
    recent = Event.objects.filter(issue=issue, kind__in=kinds, occurred_at__gt=since)
    before = recent.count() - sum(one.occurred_at > since for one in serious)
    accepted = Batch.objects.filter(issue=issue).aggregate(sum=Sum("accepted"))["sum"] or 0
    held = {
        one.event_id
        for number, one in enumerate(serious, start=before + 1)
        if number > STORM_EVENTS and number > accepted * STORM_SHARE
    }
    if held:
        is_first = not _held(issue).exists()
        for kind in SERIOUS_KINDS:
            Event.objects.filter(provider_event_id__in=held, kind=kind).update(kind=HELD_PREFIX + kind)
        if is_first:
            _alert_administrators(issue, now=now)
    return held


def _decided_at(issue: int) -> datetime | None:
    """When a person last looked at a storm of this issue: what came before does not count again."""
    entries = AuditEntry.objects.filter(subject=f"issue {issue}", action__in=[APPLIED, DISMISSED])
    return entries.order_by("-occurred_at").values_list("occurred_at", flat=True).first()


def _held(issue: int) -> QuerySet[Event]:
    return Event.objects.filter(issue=issue, kind__in=HELD_KINDS)


def _alert_administrators(issue_id: int, *, now: datetime) -> None:
    """One mail to each administrator of the newsletter, each time something begins to be held back."""
    issue = Issue.objects.select_related("newsletter").filter(pk=issue_id).first()
    if issue is None:
        return
    logger.error("too many bounces or complaints, their effect is held back", extra={"issue": issue_id})
    editor_alerts.queue_alert(issue.newsletter, {"storm": issue_id}, now=now, roles=[Role.ADMINISTRATOR])


# --- what a person sees and decides ----------------------------------------------------------------------------------


def count_held(issue: Issue) -> int:
    """How many events wait for a person."""
    return _held(issue.pk).count()


def held_events(issue: Issue) -> HeldEvents | None:
    """What waits for a person, or None."""
    held = _held(issue.pk)
    facts = held.aggregate(
        first=Min("occurred_at"), last=Max("occurred_at"), readers=Count("subscription", distinct=True)
    )
    if not facts["readers"]:
        return None
    counts = Counter(dict(held.values_list("kind").annotate(n=Count("pk"))))
    reasons = held.values_list("kind", "code", "detail").annotate(n=Count("pk")).order_by("-n", "code", "detail")
    rows = Delivery.objects.filter(issue=issue.pk, subscription__in=held.values("subscription"))
    routes = Batch.objects.filter(pk__in=rows.values("batch")).values_list("route", flat=True).distinct()
    return HeldEvents(
        bounces=counts[HELD_PREFIX + BOUNCED],
        complaints=counts[HELD_PREFIX + COMPLAINED],
        departures=counts[HELD_PREFIX + UNSUBSCRIBED],
        readers=facts["readers"],
        accepted=Batch.objects.filter(issue=issue.pk).aggregate(sum=Sum("accepted"))["sum"] or 0,
        first_at=facts["first"],
        last_at=facts["last"],
        providers=tuple(sorted({route.partition("-")[0] for route in routes if route})),
        reasons=tuple(
            (kind.removeprefix(HELD_PREFIX), code, detail, n) for kind, code, detail, n in reasons[:MAX_REASONS]
        ),
    )


def release(issue: Issue, *, seen: int, editor: Editor | None, now: datetime) -> int:
    """Let what was held back take effect; `effects.go_on` does it. Returns for how many readers.

    0, and nothing is changed, unless exactly the `seen` events wait: a person decides about what that person saw.
    """
    return _decide(issue, DUE_PREFIX, APPLIED, seen=seen, editor=editor, now=now)


def dismiss(issue: Issue, *, seen: int, editor: Editor | None, now: datetime) -> int:
    """Forget what was held back: no reader is touched, and deliveries say what they would without it.

    Returns how many readers it was about; 0 as for `apply`.
    """
    return _decide(issue, DISMISSED_PREFIX, DISMISSED, seen=seen, editor=editor, now=now)


def _decide(issue: Issue, prefix: str, action: str, *, seen: int, editor: Editor | None, now: datetime) -> int:
    with transaction.atomic():
        locks.acquire_exclusive(issue.pk)
        events = list(_held(issue.pk).values_list("subscription", flat=True))
        if not events or len(events) != seen:
            return 0
        readers = set(events)
        for kind in SERIOUS_KINDS:
            _held(issue.pk).filter(kind=HELD_PREFIX + kind).update(kind=prefix + kind)
        if prefix == DISMISSED_PREFIX:
            provider_status.recompute(issue.pk, readers)
        issues.audit(action, issue, editor=editor, now=now, readers=len(readers))
    logger.warning("held events decided", extra={"issue": issue.pk, "action": action, "readers": len(readers)})
    return len(readers)
