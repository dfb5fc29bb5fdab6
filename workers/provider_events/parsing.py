"""Parse one event of a provider: its reader, kind and reason. Uses no database."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason

from subscribers import tokens
from workers.ledger.provider_status import REJECTED_BY_PROVIDER
from workers.providers import PROVIDERS

METADATA_KEY = "warta"
"""Metadata key of a message's event token."""

DELIVERED, BOUNCED, COMPLAINED = "delivered", "bounced", "complained"
SOFT_BOUNCED, BLOCKED, DEFERRED, UNSUBSCRIBED = "soft_bounced", "blocked", "deferred", "unsubscribed"


@dataclass(frozen=True, slots=True)
class EventReport:
    """One event of one reader's copy of one issue."""

    issue: int
    subscription: int
    kind: str
    occurred_at: datetime
    event_id: str
    code: str = ""
    detail: str = ""


_NOT_SENT = frozenset({EventType.REJECTED, EventType.FAILED})
"""The provider itself did not send it. Where a mail service gave a code, it did ask that service."""
_ENHANCED = re.compile(r"\b([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")
_REPLY = re.compile(r"\b[245][0-9]{2}\b")
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


def parse_event(event: AnymailTrackingEvent, *, esp_name: str, now: datetime) -> EventReport | None:
    """What a provider's event says; None where it is of no interest. Raises tokens.Bad if no mail of ours is meant.

    Opens and clicks are none of its business: we count them ourselves, by each reader's choice.
    """
    kind = event_kind(event)
    if not kind:
        return None
    issue, subscription = tokens.read_event_token(_event_token(event))
    moment, words = _occurred_at(event.timestamp, now), _answer_text(event)
    return EventReport(
        issue=issue,
        subscription=subscription,
        kind=kind,
        occurred_at=moment,
        event_id=_event_id(event, esp_name, (issue, subscription, kind, moment.isoformat())),
        code=_code(words) or (REJECTED_BY_PROVIDER if event.event_type in _NOT_SENT else ""),
        detail=_ADDRESS.sub("…", words)[:300] if "@" in words else words[:300],
    )


def _event_token(event: AnymailTrackingEvent) -> str:
    """The token that the message carried. A provider without metadata (MailerSend) brings it back as the only tag."""
    if isinstance(event.metadata, Mapping) and event.metadata.get(METADATA_KEY):
        return str(event.metadata[METADATA_KEY])
    tags = event.tags if isinstance(event.tags, Iterable) else ()
    return str(next(iter(tags), ""))


def _occurred_at(given: object, now: datetime) -> datetime:
    """When it happened, by the provider's clock; never in the future, and now where it does not say."""
    if not isinstance(given, datetime):
        return now
    return min(given if given.tzinfo else given.replace(tzinfo=UTC), now)


def event_kind(event: AnymailTrackingEvent) -> str:
    simple = {
        EventType.DELIVERED: DELIVERED,
        EventType.COMPLAINED: COMPLAINED,
        EventType.DEFERRED: DEFERRED,
        EventType.UNSUBSCRIBED: UNSUBSCRIBED,
    }
    if event.event_type in (EventType.BOUNCED, EventType.REJECTED, EventType.FAILED):
        return bounce_kind(event)
    return simple.get(event.event_type, "")


def bounce_kind(event: AnymailTrackingEvent) -> str:
    """Whether the address is gone, the mailbox cannot take mail now, or somebody does not like the sender (S-31)."""
    words = _answer_text(event)
    codes = set(_ENHANCED.findall(words))
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


def _answer_text(event: AnymailTrackingEvent) -> str:
    words = " ".join(str(part) for part in (event.mta_response, event.description) if part)
    return words.replace("\0", " ").encode("utf-8", "replace").decode()


def _code(words: str) -> str:
    found = _ENHANCED.search(words) or _REPLY.search(words)
    return found.group(0)[:20] if found else ""


def _provider_type(raw: Any) -> str:
    if not isinstance(raw, Mapping):
        return ""
    names = ("Type", "bounceType", "type", "event", "severity")
    return next((str(raw[name]).lower() for name in names if isinstance(raw.get(name), str)), "")


def _event_id(event: AnymailTrackingEvent, esp_name: str, otherwise: tuple[object, ...]) -> str:
    """The same event has the same identity however often it is posted; where the provider names none, its content.

    Mailgun signs a token and the time, not the body, so a token counts once, whatever is said under it.
    """
    if event.event_id and esp_name in PROVIDERS and PROVIDERS[esp_name].webhook.counts_event_id_once:
        named: tuple[object, ...] = (esp_name, event.event_id)
    else:
        named = (
            (esp_name, event.event_type, event.event_id) if event.event_id else (esp_name, event.message_id, *otherwise)
        )
    return hashlib.sha256("\0".join(map(str, named)).encode("utf-8", "surrogatepass")).hexdigest()
