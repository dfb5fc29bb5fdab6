"""Mail and clicks on a reader's timeline; `subscribers.studio.timeline` shows them beside consent."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from newsletter import formatting
from newsletter.models import Issue, Link, Tracking
from subscribers.models import Subscription
from subscribers.studio import timeline
from subscribers.studio.timeline import TimelineEntry, TimelineQuery
from workers.models import Delivery, DeliveryStatus, Event, Outcome


def register() -> None:
    timeline.register(mail_entries)
    timeline.register(click_entries)


def mail_entries(span: TimelineQuery) -> Iterable[TimelineEntry]:
    by_id = {each.pk: each for each in span.subscriptions}
    deliveries = Delivery.objects.filter(subscription__in=by_id).annotate(
        at=Coalesce("sent_at", "issue__started_at", "issue__created_at")
    )
    if span.before:
        deliveries = deliveries.filter(at__lt=span.before)
    for delivery in deliveries.select_related("issue__newsletter").order_by("-at")[: span.most + 1]:
        yield _mail_entry(delivery, by_id[delivery.subscription])


def _mail_entry(delivery: Delivery, subscription: Subscription) -> TimelineEntry:
    title, icon, tone = _describe_delivery(delivery)
    return TimelineEntry(
        at=delivery.at,  # type: ignore[attr-defined]  # annotated above
        kind=timeline.MAIL,
        icon=icon,
        tone=tone,
        title=title % {"issue": delivery.issue},
        details=tuple(_details(delivery, subscription)),
        issue=delivery.issue_id,
        order=delivery.pk,
    )


def _describe_delivery(delivery: Delivery) -> tuple[str, str, str]:
    """Sentence, icon and tone: what events said afterwards outranks what the send said."""
    if delivery.status == DeliveryStatus.COMPLAINED:
        return _("Complained about %(issue)s"), "circle-alert", "warnc"
    if delivery.status == DeliveryStatus.BOUNCED:
        return _("%(issue)s bounced"), "circle-alert", "warnc"
    sentences = {
        Outcome.ACCEPTED: (_("Got %(issue)s"), "mail", ""),
        Outcome.REFUSED: (_("%(issue)s was refused"), "circle-alert", "warnc"),
        Outcome.DEFERRED: (_("%(issue)s is tried again"), "clock", ""),
        Outcome.SKIPPED: (_("Left out of %(issue)s"), "minus", ""),
        Outcome.UNCERTAIN: (_("May have got %(issue)s: uncertain"), "circle-alert", "warnc"),
    }
    return sentences[Outcome(delivery.outcome)]


def _details(delivery: Delivery, subscription: Subscription) -> Iterable[str]:
    newsletter = delivery.issue.newsletter
    if delivery.status == DeliveryStatus.DELIVERED and delivery.delivered_at:
        yield _("delivered %(time)s") % {
            "time": formatting.format_time_with_zone(delivery.delivered_at, newsletter.zone)
        }
    elif delivery.outcome == Outcome.ACCEPTED and delivery.status == DeliveryStatus.NONE:
        yield _("accepted by the mail service")
    answer = " ".join(part for part in (delivery.code, delivery.detail) if part)
    if answer:
        yield answer
    if delivery.outcome == Outcome.ACCEPTED and not _shows_clicks(subscription):
        yield _("clicks are not measured for this reader")


def _shows_clicks(subscription: Subscription) -> bool:
    """One reader's clicks are known only where that reader agreed, and shown only while that holds."""
    newsletter = subscription.newsletter
    agreed = subscription.may_track or not newsletter.tracking_needs_consent
    return newsletter.tracking == Tracking.INDIVIDUAL and agreed


def click_entries(span: TimelineQuery) -> Iterable[TimelineEntry]:
    measured = {each.pk: each for each in span.subscriptions if _shows_clicks(each)}
    if not measured:
        return
    events = Event.objects.filter(subscription__in=measured, kind="clicked")
    if span.before:
        events = events.filter(occurred_at__lt=span.before)
    newest = list(events.order_by("-occurred_at")[: span.most + 1])
    issues = Issue.objects.select_related("newsletter").in_bulk({event.issue for event in newest})
    links = {(link.issue_key, link.number): link for link in Link.objects.filter(issue_key__in=issues, number__gt=0)}
    for event in newest:
        link = links.get((event.issue, event.link))
        label = (link.label or link.target) if link else _("a link")
        issue = issues.get(event.issue)
        yield TimelineEntry(
            at=event.occurred_at,
            kind=timeline.CLICK,
            icon="mouse-pointer-click",
            title=_("Clicked “%(label)s”") % {"label": label},
            details=(str(issue or ""), _("shown because measurement was agreed to")),
            order=event.pk,
        )
