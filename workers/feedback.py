"""What providers report after the mail has left: deliveries, bounces and complaints, and what follows from them.

Events come late, twice and in any order, and anybody can post a forged one. So an event counts only with our own sealed
token, each is stored once, and a status is only ever raised.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.db import IntegrityError, transaction
from django.db.models import Q, Sum
from django.utils import timezone

from newsletter.models import Issue, Membership, Role
from subscribers import consent, suppression, tokens
from subscribers.models import Notice, NoticeKind, Subscription, SuppressionReason
from workers import ledger
from workers.models import EVENT_STATUS, Batch, Delivery, Event, Outcome

logger = logging.getLogger(__name__)

METADATA = "warta"
"""The name under which a message carries `tokens.event_mac`."""

DELIVERED, BOUNCED, COMPLAINED = "delivered", "bounced", "complained"
SOFT_BOUNCED, BLOCKED, DEFERRED, LEFT = "soft_bounced", "blocked", "deferred", "unsubscribed"
HELD = "held_"
"""Before the kind of an event whose consequences wait for a person (T-44)."""

SOFT_BOUNCES = 5
SOFT_PERIOD = timedelta(days=14)
STORM_PERIOD = timedelta(minutes=10)
STORM_EVENTS = 50
STORM_SHARE = 0.1


@dataclass(frozen=True)
class Report:
    """One thing a provider tells about one reader's copy of one issue."""

    issue: int
    subscription: int
    kind: str
    occurred_at: datetime
    event_id: str
    code: str = ""
    detail: str = ""


# --- reading a provider's event --------------------------------------------------------------------------------------

_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_GONE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_GONE_WORDS = re.compile(
    r"user unknown|unknown user|no such (user|mailbox|recipient|address)|(does not|doesn't) exist"
    r"|mailbox (not found|unavailable|disabled)|invalid (recipient|mailbox|address)|address rejected"
    r"|account (is )?(disabled|deactivated|closed)|domain not found|recipient (not found|unknown)",
    re.IGNORECASE,
)
_POLICY_WORDS = re.compile(
    r"spam|polic(y|ies)|block(ed|list)|blacklist|dmarc|\bspf\b|dkim|reputation|authenticat|unsolicited|denied"
    r"|suspicious|rate limit|too many|greylist|graylist",
    re.IGNORECASE,
)
_FULL_WORDS = re.compile(r"quota|mailbox (is )?full|over ?quota|insufficient storage|temporar|try again", re.IGNORECASE)
_HARD_TYPES = frozenset({"hardbounce", "bademailaddress", "permanent", "hard_bounce", "hard-bounce"})
_ADDRESS = re.compile(r"<?[^\s<>\"]+@[^\s<>\"]+>?")


def receive(sender: object, event: AnymailTrackingEvent, esp_name: str, **_: object) -> None:
    """Anymail's tracking signal."""
    now = timezone.now()
    if report := read(event, esp_name=esp_name, now=now):
        record(report, now=now)


def read(event: AnymailTrackingEvent, *, esp_name: str, now: datetime) -> Report | None:
    """What a provider's event says, or None where it is not about a mail of ours or of no interest.

    Opens and clicks are none of its business: we count them ourselves, by each reader's choice.
    """
    kind = kind_of(event)
    if not kind:
        return None
    try:
        # A provider without metadata (MailerSend) brings the token back as the message's only tag.
        carried = (event.metadata or {}).get(METADATA) or next(iter(event.tags or ()), "")
        issue, subscription = tokens.read_event_mac(str(carried))
    except tokens.Bad:
        logger.warning("provider event left out, it carries no token of ours", extra={"provider": esp_name})
        return None
    moment = event.timestamp or now
    return Report(
        issue=issue,
        subscription=subscription,
        kind=kind,
        occurred_at=moment,
        event_id=_identity(event, esp_name, (issue, subscription, kind, moment.isoformat())),
        code=_code(event),
        detail=_ADDRESS.sub("…", _words(event))[:300],
    )


def kind_of(event: AnymailTrackingEvent) -> str:
    simple = {
        EventType.DELIVERED: DELIVERED,
        EventType.COMPLAINED: COMPLAINED,
        EventType.DEFERRED: DEFERRED,
        EventType.UNSUBSCRIBED: LEFT,
    }
    if event.event_type in (EventType.BOUNCED, EventType.REJECTED, EventType.FAILED):
        return bounce_kind(event)
    return simple.get(event.event_type, "")


def bounce_kind(event: AnymailTrackingEvent) -> str:
    """Whether the address is gone, the mailbox cannot take mail now, or somebody does not like the sender (S-31)."""
    words, codes = _words(event), set(_ENHANCED.findall(_words(event)))
    if codes & _GONE:
        return BOUNCED
    if any(code.startswith(("5.7.", "4.")) for code in codes) or event.reject_reason in _NOT_THE_READER:
        return SOFT_BOUNCED if any(code.startswith("4.") for code in codes) else BLOCKED
    if codes & {"5.2.2"} or _FULL_WORDS.search(words):
        return SOFT_BOUNCED
    if _GONE_WORDS.search(words):
        return BOUNCED
    if _POLICY_WORDS.search(words):
        return BLOCKED
    says_hard = _provider_type(event.esp_event) in _HARD_TYPES or event.reject_reason == RejectReason.INVALID
    return BOUNCED if says_hard else SOFT_BOUNCED


_NOT_THE_READER = frozenset({RejectReason.BLOCKED, RejectReason.SPAM})


def _words(event: AnymailTrackingEvent) -> str:
    return " ".join(str(part) for part in (event.mta_response, event.description) if part)


def _code(event: AnymailTrackingEvent) -> str:
    found = _ENHANCED.search(_words(event)) or re.search(r"\b[245]\d\d\b", _words(event))
    return found.group(0)[:20] if found else ""


def _provider_type(raw: Any) -> str:
    if not isinstance(raw, Mapping):
        return ""
    names = ("Type", "bounceType", "type", "event", "severity")
    return next((str(raw[name]).lower() for name in names if isinstance(raw.get(name), str)), "")


def _identity(event: AnymailTrackingEvent, esp_name: str, otherwise: tuple[object, ...]) -> str:
    """The same event has the same identity however often it is posted; where the provider names none, its content."""
    named = (esp_name, event.event_type, event.event_id) if event.event_id else (esp_name, event.message_id, *otherwise)
    return hashlib.sha256("\0".join(map(str, named)).encode()).hexdigest()


# --- consequences ----------------------------------------------------------------------------------------------------


def record(report: Report, *, now: datetime) -> bool:
    """Store one event and let it take effect; False if it was here before. All of it, or nothing."""
    with transaction.atomic():
        event = _store(report)
        if event is None:
            return False
        _raise_status(report, now=now)
        if report.kind in (BOUNCED, COMPLAINED) and _is_storm(report.issue, now=now):
            Event.objects.filter(pk=event.pk).update(kind=HELD + report.kind)
            _sound_the_alarm(report.issue, now=now)
        else:
            _take_effect(report.kind, report.subscription, report.issue, detail=report.code, now=now)
    return True


def _store(report: Report) -> Event | None:
    try:
        with transaction.atomic():
            return Event.objects.create(
                issue=report.issue,
                subscription=report.subscription,
                kind=report.kind,
                occurred_at=report.occurred_at,
                code=report.code,
                detail=report.detail,
                provider_event_id=report.event_id,
            )
    except IntegrityError:
        return None


def _raise_status(report: Report, *, now: datetime) -> None:
    """A status has a rank and is only raised; so the order in which events come does not matter (S-35)."""
    # Whatever is reported of a mail, it did leave; a reader of whom nobody was sure is settled by that.
    ledger.answer(report.issue, {report.subscription: Outcome.ACCEPTED}, now=now)
    if status := EVENT_STATUS.get(report.kind):
        word = ledger.Word(status, report.occurred_at, report.code, report.detail)
        ledger.raise_status(report.issue, report.subscription, word)
    if report.kind == DELIVERED:
        earlier = Q(delivered_at__isnull=True) | Q(delivered_at__gt=report.occurred_at)
        delivery = Delivery.objects.filter(issue_id=report.issue, subscription=report.subscription)
        delivery.filter(earlier).update(delivered_at=report.occurred_at)


def _take_effect(kind: str, subscription_id: int, issue: int, *, detail: str, now: datetime) -> None:
    subscription = Subscription.objects.select_related("subscriber").filter(pk=subscription_id).first()
    if subscription is None:
        return
    email_key = subscription.subscriber.email_key
    if kind == BOUNCED or (kind == SOFT_BOUNCED and _bounces_for_weeks(subscription_id)):
        suppression.suppress(email_key, reason=SuppressionReason.BOUNCED, detail=detail, now=now)
    if kind == COMPLAINED:
        suppression.suppress(email_key, reason=SuppressionReason.COMPLAINED, detail=detail, now=now)
    if kind in (COMPLAINED, LEFT):
        consent.withdraw(subscription, now=now, issue_id=issue, actor="provider")


def _bounces_for_weeks(subscription: int) -> bool:
    """Five soft bounces over two weeks or more with nothing delivered between (S-32)."""
    events = Event.objects.filter(subscription=subscription, kind__in=(SOFT_BOUNCED, DELIVERED))
    moments: list[datetime] = []
    for kind, moment in events.order_by("-occurred_at").values_list("kind", "occurred_at"):
        if kind == DELIVERED:
            break
        moments.append(moment)
    return len(moments) >= SOFT_BOUNCES and moments[0] - moments[-1] >= SOFT_PERIOD


# --- when too many come at once (T-44) -------------------------------------------------------------------------------


def _is_storm(issue: int, *, now: datetime) -> bool:
    """So many bounces or complaints in minutes that they say more about the sender, or a forger, than about readers."""
    kinds = (BOUNCED, COMPLAINED, HELD + BOUNCED, HELD + COMPLAINED)
    recent = Event.objects.filter(issue=issue, kind__in=kinds, occurred_at__gt=now - STORM_PERIOD).count()
    if recent <= STORM_EVENTS:
        return False
    accepted = Batch.objects.filter(issue=issue).aggregate(sum=Sum("accepted"))["sum"] or 0
    return recent > accepted * STORM_SHARE


def _sound_the_alarm(issue_id: int, *, now: datetime) -> None:
    """One mail to each administrator of the newsletter, once an issue."""
    issue = Issue.objects.filter(pk=issue_id).first()
    if issue is None or Notice.objects.filter(kind=NoticeKind.ALERT, payload__storm=issue_id).exists():
        return
    logger.error("too many bounces or complaints, their effect is held back", extra={"issue": issue_id})
    members = Membership.objects.filter(newsletter=issue.newsletter, role=Role.ADMINISTRATOR, editor__is_active=True)
    for member in members.select_related("editor"):
        Notice.objects.create(
            kind=NoticeKind.ALERT,
            editor=member.editor,
            newsletter=issue.newsletter,
            language=member.editor.language,
            payload={"storm": issue_id},
            due_at=now,
            created_at=now,
        )


def held_back(issue: Issue) -> int:
    return Event.objects.filter(issue=issue.pk, kind__startswith=HELD).count()


def release(issue: Issue, *, now: datetime) -> int:
    """An administrator has looked at what was held back and lets it take effect."""
    events = list(Event.objects.filter(issue=issue.pk, kind__startswith=HELD))
    for event in events:
        with transaction.atomic():
            kind = event.kind.removeprefix(HELD)
            if Event.objects.filter(pk=event.pk, kind=event.kind).update(kind=kind):
                _take_effect(kind, event.subscription, issue.pk, detail=event.code, now=now)
    return len(events)
