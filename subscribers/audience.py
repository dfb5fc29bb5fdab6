"""The recipients of a newsletter. This is the only module that decides who may receive an issue. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from newsletter.models import Issue, Newsletter
from subscribers import recipient_allowlist
from subscribers.models import Subscriber, Subscription, SubscriptionStatus, SuppressionReason

AudienceFilter = Callable[[QuerySet[Subscription], Any], QuerySet[Subscription]]

NOT_SUBSCRIBED = "left"
PAUSED = "paused"
SUPPRESSED = "suppressed"
NOT_ON_ALLOWLIST = "staging"
"""MAIL_ONLY_TO is set and does not contain the address."""
MAY_RECEIVE = Q(
    status=SubscriptionStatus.SUBSCRIBED, subscriber__suppressed_at__isnull=True, subscriber__erased_at__isnull=True
)
_filters: dict[str, AudienceFilter] = {"language": lambda readers, language: readers.filter(language=language)}


class UnknownFilter(ValueError):
    """An audience names a filter that is not registered. To ignore it would send mail to the wrong readers."""


def register_filter(name: str, narrow: AudienceFilter) -> None:
    """Register an audience filter of a package above, such as "readers who received issue 12"."""
    _filters[name] = narrow


def _matching_subscriptions(newsletter: Newsletter, audience: dict[str, Any]) -> QuerySet[Subscription]:
    """Every subscription that matches `audience`, regardless of its status."""
    readers = Subscription.objects.filter(newsletter=newsletter)
    for name, value in audience.items():
        if name not in _filters:
            raise UnknownFilter(f"No audience filter is called {name!r}")
        readers = _filters[name](readers, value)
    return readers


def recipients(newsletter: Newsletter, audience: dict[str, Any]) -> QuerySet[Subscription]:
    """Subscriptions that would receive an issue sent now, by ascending id. Raises UnknownFilter."""
    return _matching_subscriptions(newsletter, audience).filter(MAY_RECEIVE).order_by("pk")


def for_issue(issue: Issue) -> QuerySet[Subscription]:
    return recipients(issue.newsletter, issue.audience)


def ids_subquery(ids: Iterable[int]) -> RawSQL:
    """Pass ids for `__in` as one parameter. Five hundred parameters would cost the driver milliseconds per query."""
    words = ",".join(map(str, ids))
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [f"{{{words}}}"])
    return RawSQL("SELECT value FROM json_each(%s)", [f"[{words}]"])


def no_longer_allowed(subscription_ids: Iterable[int]) -> dict[int, str]:
    """Of these ids, return those that may no longer receive, with the reason: left, paused, suppressed. One query.

    If MAIL_ONLY_TO is set, all addresses that it does not contain get the reason "staging".
    """
    ids = list(subscription_ids)
    rows = Subscription.objects.filter(pk__in=ids_subquery(ids)).values_list(
        "pk", "status", "subscriber__suppressed_at", "subscriber__erased_at"
    )
    known = {pk: _reason(status, suppressed_at or erased_at) for pk, status, suppressed_at, erased_at in rows}
    excluded = {pk: reason for pk in ids if (reason := known.get(pk, NOT_SUBSCRIBED))}
    return {**_not_on_allowlist(ids), **excluded} if recipient_allowlist.is_enabled() else excluded


def _not_on_allowlist(ids: Iterable[int]) -> dict[int, str]:
    emails = Subscription.objects.filter(pk__in=ids).values_list("pk", "subscriber__email")
    return {pk: NOT_ON_ALLOWLIST for pk, email in emails if not recipient_allowlist.is_allowed(email)}


def _reason(status: str, barred_at: object) -> str:
    if barred_at:
        return SUPPRESSED
    if status == SubscriptionStatus.SUBSCRIBED:
        return ""
    return PAUSED if status == SubscriptionStatus.PAUSED else NOT_SUBSCRIBED


def open_subscriptions(subscriber: Subscriber) -> list[Subscription]:
    """The active, paused and pending subscriptions of one reader."""
    return list(
        Subscription.objects.filter(subscriber=subscriber)
        .exclude(status=SubscriptionStatus.UNSUBSCRIBED)
        .select_related("newsletter", "subscriber")
        .order_by("newsletter")
    )


def count_excluded(newsletter: Newsletter, audience: dict[str, Any]) -> dict[str, int]:
    """Count the subscriptions that do not receive, by reason. Each one counts once; with `receivers` they add up to all.

    Pending and unsubscribed ones count only as such. Suppression counts only for readers who would otherwise receive.
    """
    return count_recipients(newsletter, audience)[1]


def count_recipients(newsletter: Newsletter, audience: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Return the number of recipients and the counts of `count_excluded`, by one query."""
    barred = Q(subscriber__suppressed_at__isnull=False) | Q(subscriber__erased_at__isnull=False)
    theirs = Q(status__in=[SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.PAUSED])
    bounced = Q(subscriber__suppressed_for=SuppressionReason.BOUNCED)
    complained = Q(subscriber__suppressed_for=SuppressionReason.COMPLAINED)
    counts: dict[str, int] = _matching_subscriptions(newsletter, audience).aggregate(
        pending=Count("pk", filter=Q(status=SubscriptionStatus.PENDING)),
        paused=Count("pk", filter=~barred & Q(status=SubscriptionStatus.PAUSED)),
        left=Count("pk", filter=Q(status=SubscriptionStatus.UNSUBSCRIBED)),
        bounced=Count("pk", filter=barred & theirs & bounced),
        complained=Count("pk", filter=barred & theirs & complained),
        suppressed=Count("pk", filter=barred & theirs & ~bounced & ~complained),
        receivers=Count("pk", filter=MAY_RECEIVE),
    )
    return counts.pop("receivers"), counts


def count_by_language(readers: QuerySet[Subscription]) -> dict[str, int]:
    rows = readers.order_by("language").values_list("language").annotate(readers=Count("pk"))
    return dict(rows)
