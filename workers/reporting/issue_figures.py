"""Figures of an issue for its report.

Clicks and opens are counts of requests. Readers are counted only with individual tracking, and only those who agreed.
Clicks by machines are separate from clicks by people. Opens are a lower bound and come last: proxies load images for
readers, and many clients load none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Q, Sum

from newsletter.models import Issue, IssueStatus, Link, Tracking
from subscribers.models import ConsentAction, ConsentEvent, Purpose, Subscription
from workers import ledger
from workers.models import AgentClass, Batch, Delivery, DeliveryStatus, Tally
from workers.tracking.loader import CLICKED, OPENED

HOURLY_RECOUNT_PERIOD = timedelta(days=7)
FREQUENT_RECOUNT_PERIOD = timedelta(hours=1)
"""Time after the end of sending in which an issue is recounted at every tick; then hourly, for the time above."""

MACHINE_AGENTS = (AgentClass.SCANNER, AgentClass.PROXY)


@dataclass(frozen=True)
class LinkRow:
    number: int
    label: str
    url: str
    """Present target."""
    clicks: int
    """Clicks by people."""
    unknown: int
    scanners: int
    language: str


@dataclass(frozen=True)
class HourPoint:
    hour: datetime
    clicks: int
    opens: int


@dataclass(frozen=True)
class LanguageRow:
    language: str
    accepted: int
    clicks: int


@dataclass(frozen=True)
class IssueReport:
    delivered: int
    """Reported as delivered by a provider. SMTP servers do not report this, so it may be too low."""
    accepted: int
    refused: int
    bounced: int
    complained: int
    unsubscribed: int
    clicks_people: int
    clicks_scanners: int
    clicks_unknown: int
    opens_at_least: int
    links: list[LinkRow]
    hours: list[HourPoint]
    by_language: list[LanguageRow]
    readers_clicked: int | None = None
    """Readers who clicked; None without individual tracking."""
    readers_measured: int | None = None
    """Readers of the issue who agree to measurement; None without individual tracking."""


def build_report(issue: Issue) -> IssueReport:
    """Read all figures of one issue."""
    sums, statuses = _outcomes(issue), _statuses(issue)
    clicks = _by_class(issue, CLICKED)
    clicked, measured = _readers(issue)
    return IssueReport(
        delivered=statuses.get(DeliveryStatus.DELIVERED, 0),
        accepted=sums["accepted"],
        refused=sums["refused"],
        bounced=statuses.get(DeliveryStatus.BOUNCED, 0),
        complained=statuses.get(DeliveryStatus.COMPLAINED, 0),
        unsubscribed=count_unsubscribed(issue),
        clicks_people=clicks.get(AgentClass.HUMAN, 0),
        clicks_scanners=sum(clicks.get(name, 0) for name in MACHINE_AGENTS),
        clicks_unknown=clicks.get(AgentClass.UNKNOWN, 0),
        opens_at_least=_by_class(issue, OPENED).get(AgentClass.HUMAN, 0),
        links=count_link_clicks(issue),
        hours=count_by_hour(issue),
        by_language=count_by_language(issue),
        readers_clicked=clicked,
        readers_measured=measured,
    )


def _outcomes(issue: Issue) -> dict[str, int]:
    sums = Batch.objects.filter(issue=issue).aggregate(accepted=Sum("accepted"), refused=Sum("refused"))
    return {name: value or 0 for name, value in sums.items()}


def _statuses(issue: Issue) -> dict[str, int]:
    known = Delivery.objects.filter(issue=issue).exclude(status=DeliveryStatus.NONE)
    return dict(known.order_by().values_list("status").annotate(readers=Count("pk")))


def count_unsubscribed(issue: Issue) -> int:
    """Count readers who unsubscribed by a link in this issue, including one-click unsubscribes."""
    events = ConsentEvent.objects.filter(
        newsletter=issue.newsletter_id,
        purpose=Purpose.NEWSLETTER,
        action__in=(ConsentAction.WITHDRAWN, ConsentAction.OBJECTED),
        actor="reader",
        evidence__issue=issue.pk,
    )
    return events.values("subscription").distinct().count()


def _by_class(issue: Issue, kind: str) -> dict[str, int]:
    tallies = Tally.objects.filter(issue=issue, kind=kind)
    return dict(tallies.values_list("agent_class").annotate(sum=Sum("count")))


def _readers(issue: Issue) -> tuple[int | None, int | None]:
    if issue.newsletter.tracking != Tracking.INDIVIDUAL:
        return None, None
    clicked = Delivery.objects.filter(issue=issue, first_clicked_at__isnull=False).count()
    return clicked, _measured(issue)


def _measured(issue: Issue) -> int:
    """Count readers of this issue who agree to measurement now."""
    agreed = Subscription.objects.filter(newsletter=issue.newsletter_id, may_track=True)
    return Delivery.objects.filter(issue=issue, subscription__in=agreed.values("pk")).count()


def count_link_clicks(issue: Issue) -> list[LinkRow]:
    """Return every link of the issue, most clicks first."""
    counts = {row["link"]: row for row in _link_counts(issue)}
    nothing = {"people": 0, "unknown": 0, "machines": 0}
    rows = [
        LinkRow(
            number=link.number,
            label=link.label or link.target,
            url=link.target,
            clicks=sums["people"] or 0,
            unknown=sums["unknown"] or 0,
            scanners=sums["machines"] or 0,
            language=link.language,
        )
        for link in Link.objects.filter(issue_key=issue.pk)
        for sums in [counts.get(link.number, nothing)]
    ]
    return sorted(rows, key=lambda row: (-row.clicks, row.number))


def _link_counts(issue: Issue) -> Iterable[Mapping[str, Any]]:
    return (
        Tally.objects.filter(issue=issue, kind=CLICKED)
        .values("link")
        .annotate(
            people=Sum("count", filter=Q(agent_class=AgentClass.HUMAN)),
            unknown=Sum("count", filter=Q(agent_class=AgentClass.UNKNOWN)),
            machines=Sum("count", filter=Q(agent_class__in=MACHINE_AGENTS)),
        )
    )


def count_by_hour(issue: Issue) -> list[HourPoint]:
    """Return clicks and opens by people for each hour that has any, oldest first."""
    people = Tally.objects.filter(issue=issue, agent_class=AgentClass.HUMAN).values("hour").order_by("hour")
    rows = people.annotate(
        clicks=Sum("count", filter=Q(kind=CLICKED)),
        opens=Sum("count", filter=Q(kind=OPENED)),
    )
    return [HourPoint(row["hour"], row["clicks"] or 0, row["opens"] or 0) for row in rows]


def count_by_language(issue: Issue) -> list[LanguageRow]:
    """Return accepted mails and clicks by language, the newsletter's default language first."""
    accepted = dict(
        Batch.objects.filter(issue=issue).order_by().values_list("edition__language").annotate(sum=Sum("accepted"))
    )
    clicked = Tally.objects.filter(issue=issue, kind=CLICKED, agent_class=AgentClass.HUMAN).exclude(language="")
    clicks = dict(clicked.values_list("language").annotate(sum=Sum("count")))
    order = [*issue.newsletter.languages, *sorted({*accepted, *clicks} - {*issue.newsletter.languages})]
    return [
        LanguageRow(language, accepted.get(language, 0), clicks.get(language, 0))
        for language in order
        if language in accepted or language in clicks
    ]


# --- counters in lists -----------------------------------------------------------------------------------------------


def recount(*, now: datetime) -> int:
    """Update the counters in lists of issues: at each tick while sending and for an hour after, then hourly for a week.

    Returns how many issues were recounted. Safe to repeat. `cache.add` lets one worker an hour do the hourly part.
    """
    due = Q(status__in=(IssueStatus.SENDING, IssueStatus.PAUSED)) | Q(sent_at__gt=now - FREQUENT_RECOUNT_PERIOD)
    if cache.add(f"recounted-{now:%Y%m%d%H}", "yes", timeout=3700):
        due |= Q(sent_at__gt=now - HOURLY_RECOUNT_PERIOD)
    issues = list(Issue.objects.filter(due).select_related("newsletter"))
    for issue in issues:
        recount_issue(issue)
    return len(issues)


def recount_issue(issue: Issue) -> None:
    """Write the counters of one issue."""
    sums = ledger.count_deliveries(issue)
    Issue.objects.filter(pk=issue.pk).update(
        audience_count=sums.audience,
        accepted_count=sums.accepted,
        refused_count=sums.refused,
        click_count=_by_class(issue, CLICKED).get(AgentClass.HUMAN, 0),
    )
