"""The list of subscribers, and the page of one. Only for editors who may see addresses."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from newsletter import roles
from newsletter.formatting import format_time
from newsletter.models import Newsletter
from newsletter.models.languages import LANGUAGE_LENGTH
from newsletter.roles import Action
from newsletter.studio.settings import audit_log
from newsletter.studio.shared import access
from subscribers import consent, suppression
from subscribers.models import (
    ConsentEvent,
    ConsentHead,
    Subscriber,
    Subscription,
    SubscriptionStatus,
    Suppression,
    SuppressionReason,
)
from subscribers.studio import timeline

PAGE_SIZE = 50
AUTO_VERIFY_LIMIT = 2000
"""A chain of up to this many events is verified whenever a subscriber's page is opened; a longer one on request."""


# --- the list --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SubscriberFilter:
    """The filters of the list. All of them are in the URL."""

    newsletters: list[Newsletter]
    q: str = ""
    status: str = ""
    newsletter: str = ""
    language: str = ""

    def query(self, **changed: str) -> str:
        state = {"q": self.q, "status": self.status, "newsletter": self.newsletter, "language": self.language}
        return urlencode({name: value for name, value in {**state, **changed}.items() if value})

    @property
    def is_set(self) -> bool:
        return bool(self.q or self.status or self.newsletter or self.language)

    def subscriptions(self) -> QuerySet[Subscription]:
        """The subscriptions that match the filters, with any status."""
        chosen = [each for each in self.newsletters if not self.newsletter or each.slug == self.newsletter]
        found = Subscription.objects.filter(newsletter__in=chosen, subscriber__erased_at__isnull=True)
        if self.language:
            found = found.filter(language=self.language)
        for word in self.q.split():
            found = found.filter(Q(subscriber__email_key__contains=word.lower()) | Q(subscriber__name__icontains=word))
        return found

    def readers(self) -> QuerySet[Subscriber]:
        return Subscriber.objects.filter(
            Exists(self.subscriptions().filter(status_condition(self.status), subscriber=OuterRef("pk")))
        )


STOPPED = "stopped"


def status_condition(status: str) -> Q:
    stopped = Q(subscriber__suppressed_at__isnull=False)
    if status == STOPPED:
        return stopped
    return ~stopped & Q(status=status) if status else Q()


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    chosen = _parse_filter(request)
    readers, before, after = _paginate(request, chosen)
    mine = Subscription.objects.filter(newsletter__in=chosen.newsletters).select_related("newsletter")
    context = {
        "section": "subscribers",
        "filter": chosen,
        "readers": readers.prefetch_related(Prefetch("subscriptions", mine, to_attr="mine")),
        "tabs": _tabs(chosen),
        "languages_used": sorted({code for each in chosen.newsletters for code in each.languages}),
        "newer": chosen.query(after=str(after)) if after else "",
        "older": chosen.query(before=str(before)) if before else "",
    }
    return render(request, "studio/subscribers/list.html", context)


def _parse_filter(request: HttpRequest) -> SubscriberFilter:
    me, query = access.current_editor(request), request.GET
    newsletters = roles.allowed_newsletters(me, Action.SEE_PEOPLE)
    if not newsletters:
        roles.deny(me, Action.SEE_PEOPLE)
    statuses = {*SubscriptionStatus.values, STOPPED}
    return SubscriberFilter(
        newsletters=newsletters,
        q=query.get("q", "").replace("\0", "").strip()[:254],
        status=query["status"] if query.get("status") in statuses else "",
        newsletter=query.get("newsletter", "") if query.get("newsletter") in {n.slug for n in newsletters} else "",
        language=query.get("language", "")[:LANGUAGE_LENGTH],
    )


def _paginate(request: HttpRequest, chosen: SubscriberFilter) -> tuple[QuerySet[Subscriber], int, int]:
    """One page of subscribers, newest first, and the cursors of the older and newer page; 0 for none."""
    readers, before, after = chosen.readers(), _cursor(request, "before"), _cursor(request, "after")
    if after:
        keys = sorted(readers.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[: PAGE_SIZE + 1])
        has_newer, keys = len(keys) > PAGE_SIZE, keys[:PAGE_SIZE][::-1]
        has_older = True
    else:
        here = readers.filter(pk__lt=before) if before else readers
        keys = list(here.order_by("-pk").values_list("pk", flat=True)[: PAGE_SIZE + 1])
        has_older, keys = len(keys) > PAGE_SIZE, keys[:PAGE_SIZE]
        has_newer = bool(before)
    page = Subscriber.objects.filter(pk__in=keys).order_by("-pk")
    return page, keys[-1] if keys and has_older else 0, keys[0] if keys and has_newer else 0


def _cursor(request: HttpRequest, name: str) -> int:
    return access.parse_number(request.GET.get(name, ""))


def _tabs(chosen: SubscriberFilter) -> list[dict[str, Any]]:
    """The statuses with their counts, under the other filters."""
    counts = chosen.subscriptions().aggregate(
        all=Count("subscriber", distinct=True),
        **{
            key: Count("subscriber", distinct=True, filter=status_condition(key))
            for key in (*SubscriptionStatus.values, STOPPED)
        },
    )
    names = {"": _("All"), **{key: str(label) for key, label in SubscriptionStatus.choices}, STOPPED: _("Stopped")}
    return [
        {
            "name": name,
            "count": counts[key or "all"],
            "query": chosen.query(status=key),
            "is_current": key == chosen.status,
        }
        for key, name in names.items()
    ]


# --- one reader ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SubscriberDetail:
    subscriber: Subscriber
    subscriptions: list[Subscription]
    """In the newsletters whose readers the editor may see."""
    may_stop: bool
    """Whether the editor may suppress the address, as an administrator of one of those newsletters."""


def _get_subscriber(request: HttpRequest, public_id: uuid.UUID, action: Action = Action.SEE_PEOPLE) -> SubscriberDetail:
    """Return the subscriber. 403 if the editor may not see readers at all, 404 for readers of other newsletters."""
    me = access.current_editor(request)
    seen = roles.allowed_newsletters(me, action)
    if not seen:
        roles.deny(me, action)
    subscriptions = list(
        Subscription.objects.filter(subscriber__public_id=public_id, newsletter__in=seen)
        .select_related("subscriber", "newsletter", "signup_form")
        .order_by("newsletter")
    )
    if not subscriptions:
        raise Http404("no subscriber of this editor")
    administered = {each.pk for each in roles.allowed_newsletters(me, Action.ADMINISTER)}
    return SubscriberDetail(
        subscriber=subscriptions[0].subscriber,
        subscriptions=subscriptions,
        may_stop=any(each.newsletter_id in administered for each in subscriptions),
    )


TIMELINE_TABS: dict[str, Callable[[], str]] = {
    "": lambda: _("Everything"),
    timeline.CONSENT: lambda: _("Consent"),
    timeline.MAIL: lambda: _("Mail"),
    timeline.CLICK: lambda: _("Clicks"),
    timeline.CHANGE: lambda: _("Changes"),
}


@require_safe
def show(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    person = _get_subscriber(request, public_id)
    kind = request.GET.get("show", "") if request.GET.get("show") in TIMELINE_TABS else ""
    entries, has_older = timeline.load_entries(
        timeline.TimelineQuery(person.subscriptions, before=_parse_before(request)), kind=kind
    )
    context = {
        "section": "subscribers",
        "person": person,
        "reader": person.subscriber,
        "language": person.subscriber.language,
        "zone": person.subscriptions[0].newsletter.zone,
        "rows": [(entry, _format_moment(entry.at, person.subscriptions[0].newsletter)) for entry in entries],
        "tabs": [{"key": key, "name": name(), "is_current": key == kind} for key, name in TIMELINE_TABS.items()],
        "older": urlencode({"show": kind, "before": entries[-1].at.isoformat()}) if has_older and entries else "",
        "chain": _check_chain(person, asked="verify" in request.GET),
        "suppression": _find_suppression(person.subscriber),
        "reasons": [(key, words()) for key, words in timeline.REASON_LABELS.items()],
    }
    return render(request, "studio/subscribers/subscriber.html", context)


def _format_moment(at: datetime, newsletter: Newsletter) -> str:
    """ "20 Nov 2026, 08:41" in the newsletter's time zone."""
    local = timezone.localtime(at, newsletter.zone)
    return f"{formats.date_format(local, 'j M Y')}, {format_time(local)}"


def _parse_before(request: HttpRequest) -> datetime | None:
    try:
        moment = parse_datetime(request.GET.get("before", ""))
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None


def _check_chain(person: SubscriberDetail, *, asked: bool) -> dict[str, Any]:
    """Verify the whole chain: the MAC of each event covers all events before it."""
    mine = ConsentEvent.objects.filter(subscription__in=[each.pk for each in person.subscriptions]).count()
    head = ConsentHead.objects.filter(pk=1).first()
    length = head.count if head else 0
    if length > AUTO_VERIFY_LIMIT and not asked:
        return {"mine": mine, "state": "unchecked"}
    broken = consent.verify_chain()
    return {"mine": mine, "state": "broken" if broken else "intact", "broken": broken}


def _find_suppression(subscriber: Subscriber) -> Suppression | None:
    if not subscriber.suppressed_at:
        return None
    hashes = suppression.email_hashes(subscriber.email_key)
    return Suppression.objects.filter(email_hash__in=hashes, lifted_at__isnull=True).first()


# --- actions for a subscriber ----------------------------------------------------------------------------------------


def _posted_reason(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "")
    return reason if reason in timeline.REASON_LABELS else ""


def _record(request: HttpRequest, action: str, person: SubscriberDetail, newsletter: Newsletter, reason: str) -> None:
    audit_log.record(
        request, action, newsletter=newsletter, subject=f"subscriber {person.subscriber.pk}", reason=reason
    )


@require_POST
def unsubscribe(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """End a subscription for a reader who asked by mail or phone."""
    person, reason = _get_subscriber(request, public_id), _posted_reason(request)
    slug = request.POST.get("newsletter", "")
    found = next((each for each in person.subscriptions if each.newsletter.slug == slug), None)
    if found is None or not reason:
        messages.error(request, _("Choose the newsletter and the reason."))
        return redirect("subscriber", public_id)
    with transaction.atomic():
        left = consent.withdraw(found, now=timezone.now(), actor=f"editor {access.current_editor(request).pk}")
        if left:
            _record(request, "reader-unsubscribed", person, found.newsletter, reason)
    if left:
        messages.success(request, _("The subscription to %(newsletter)s has ended.") % {"newsletter": found.newsletter})
    else:
        messages.warning(request, _("It had already ended. Nothing changed."))
    return redirect("subscriber", public_id)


@require_POST
def suppress(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Suppress the address for all newsletters."""
    person, reason = _get_subscriber(request, public_id, Action.ADMINISTER), _posted_reason(request)
    if not reason:
        messages.error(request, _("Choose the reason."))
        return redirect("subscriber", public_id)
    with transaction.atomic():
        key, why = person.subscriber.email_key, SuppressionReason.MANUAL
        if suppression.suppress(key, reason=why, detail=reason, now=timezone.now()):
            _record(request, "reader-suppressed", person, person.subscriptions[0].newsletter, reason)
    messages.success(request, _("No newsletter is sent to this address any more."))
    return redirect("subscriber", public_id)


@require_POST
def lift_suppression(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Lift a suppression. After a complaint only the reader can do that, on the preferences page."""
    person = _get_subscriber(request, public_id, Action.ADMINISTER)
    try:
        with transaction.atomic():
            if suppression.lift(person.subscriber.email_key, now=timezone.now()):
                _record(request, "reader-allowed", person, person.subscriptions[0].newsletter, "")
    except suppression.OnlySubscriberMayLift:
        messages.error(request, _("This reader complained. Only the reader can undo this, by signing up again."))
        return redirect("subscriber", public_id)
    messages.success(request, _("This address can receive the newsletters it is subscribed to again."))
    return redirect("subscriber", public_id)
