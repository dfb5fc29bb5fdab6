"""Who may receive a newsletter: the only such query. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from newsletter.models import Issue, Newsletter
from subscribers import recipient_allowlist
from subscribers.models import Subscriber, Subscription, SubscriptionStatus, SuppressionReason

Narrow = Callable[[QuerySet[Subscription], Any], QuerySet[Subscription]]

LEFT = "left"
PAUSED = "paused"
SUPPRESSED = "suppressed"
STAGING = "staging"
"""This instance may write to a few addresses only, and theirs is none of them."""
MAY_RECEIVE = Q(
    status=SubscriptionStatus.SUBSCRIBED, subscriber__suppressed_at__isnull=True, subscriber__erased_at__isnull=True
)
_narrowings: dict[str, Narrow] = {"language": lambda readers, language: readers.filter(language=language)}


class UnknownFilter(ValueError):
    """An audience asks for something nobody can answer; taking everybody instead would mail the wrong people."""


def register(name: str, narrow: Narrow) -> None:
    """Teach audiences a filter that needs tables from above, such as "those who got issue 12"."""
    _narrowings[name] = narrow


def _all(newsletter: Newsletter, audience: dict[str, Any]) -> QuerySet[Subscription]:
    """Every subscription that `audience` describes, whether it may receive or not."""
    readers = Subscription.objects.filter(newsletter=newsletter)
    for name, value in audience.items():
        if name not in _narrowings:
            raise UnknownFilter(f"No audience filter is called {name!r}")
        readers = _narrowings[name](readers, value)
    return readers


def receivers(newsletter: Newsletter, audience: dict[str, Any]) -> QuerySet[Subscription]:
    """Who would get an issue if it were sent now, by ascending id. Raises UnknownFilter."""
    return _all(newsletter, audience).filter(MAY_RECEIVE).order_by("pk")


def for_issue(issue: Issue) -> QuerySet[Subscription]:
    return receivers(issue.newsletter, issue.audience)


def among(ids: Iterable[int]) -> RawSQL:
    """Numbers for `__in` as one parameter: five hundred of them cost the driver milliseconds at each query."""
    words = ",".join(map(str, ids))
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [f"{{{words}}}"])
    return RawSQL("SELECT value FROM json_each(%s)", [f"[{words}]"])


def still_allowed(subscription_ids: Iterable[int]) -> dict[int, str]:
    """Of these ids, those that may not receive any more, with the reason: left, paused, suppressed. One query.

    On an instance that may write to a few only, all others are barred as "staging".
    """
    asked = list(subscription_ids)
    rows = Subscription.objects.filter(pk__in=among(asked)).values_list(
        "pk", "status", "subscriber__suppressed_at", "subscriber__erased_at"
    )
    known = {pk: _reason(status, suppressed_at or erased_at) for pk, status, suppressed_at, erased_at in rows}
    barred = {pk: reason for pk in asked if (reason := known.get(pk, LEFT))}
    return {**_out_of_reach(asked), **barred} if recipient_allowlist.is_on() else barred


def _out_of_reach(ids: Iterable[int]) -> dict[int, str]:
    emails = Subscription.objects.filter(pk__in=ids).values_list("pk", "subscriber__email")
    return {pk: STAGING for pk, email in emails if not recipient_allowlist.may_reach(email)}


def _reason(status: str, barred_at: object) -> str:
    if barred_at:
        return SUPPRESSED
    if status == SubscriptionStatus.SUBSCRIBED:
        return ""
    return PAUSED if status == SubscriptionStatus.PAUSED else LEFT


def not_ended(subscriber: Subscriber) -> list[Subscription]:
    """What one reader gets, has paused or has yet to confirm."""
    return list(
        Subscription.objects.filter(subscriber=subscriber)
        .exclude(status=SubscriptionStatus.UNSUBSCRIBED)
        .select_related("newsletter", "subscriber")
        .order_by("newsletter")
    )


def excluded(newsletter: Newsletter, audience: dict[str, Any]) -> dict[str, int]:
    """Why the others get nothing; each subscription counts once, so that this and `receivers` add up to all.

    Whoever never confirmed or has left counts as that alone: only readers who else would get it count as barred.
    """
    return census(newsletter, audience)[1]


def census(newsletter: Newsletter, audience: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """How many would get it, and `excluded`: both by one query."""
    barred = Q(subscriber__suppressed_at__isnull=False) | Q(subscriber__erased_at__isnull=False)
    theirs = Q(status__in=[SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.PAUSED])
    bounced = Q(subscriber__suppressed_for=SuppressionReason.BOUNCED)
    complained = Q(subscriber__suppressed_for=SuppressionReason.COMPLAINED)
    counts: dict[str, int] = _all(newsletter, audience).aggregate(
        pending=Count("pk", filter=Q(status=SubscriptionStatus.PENDING)),
        paused=Count("pk", filter=~barred & Q(status=SubscriptionStatus.PAUSED)),
        left=Count("pk", filter=Q(status=SubscriptionStatus.UNSUBSCRIBED)),
        bounced=Count("pk", filter=barred & theirs & bounced),
        complained=Count("pk", filter=barred & theirs & complained),
        suppressed=Count("pk", filter=barred & theirs & ~bounced & ~complained),
        receivers=Count("pk", filter=MAY_RECEIVE),
    )
    return counts.pop("receivers"), counts


def by_language(readers: QuerySet[Subscription]) -> dict[str, int]:
    rows = readers.order_by("language").values_list("language").annotate(readers=Count("pk"))
    return dict(rows)
