"""Amazon SES' events, posted by SNS: the signature, the certificate behind it, the topics, and what a message says (T-41).

Nobody else checks these signatures, and a certificate is only as good as where it came from: its address must be SNS' own
in the topic's region, it is fetched by our one outbound client, and redirects are not followed.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from anymail.exceptions import AnymailWebhookValidationFailure as Invalid
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from newsletter.fetching import http_client
from newsletter.fetching.http_client import TemporaryFetchError as TemporaryFetchError

logger = logging.getLogger(__name__)

SNS_HOST = r"sns\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?P<china>\.cn)?"
CERTIFICATE_URL = re.compile(rf"https://{SNS_HOST}/SimpleNotificationService-[0-9a-f]+\.pem")
CERTIFIED_NAME = re.compile(r"sns[a-z0-9-]*(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
MAX_AGE = timedelta(hours=1)
MAX_CLOCK_SKEW = timedelta(minutes=5)
MIN_KEY_BITS = 2048
LIMITS = http_client.FetchLimits(most_bytes=64 * 1024, total_s=5)
SIGNED_FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""The signed fields of each type, in order; Subject only if the message has one."""
DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}


def parse_request(request: HttpRequest) -> list[AnymailTrackingEvent]:
    """The events of a post to the webhook; see `parse_events`."""
    return parse_events(request.body, topics=settings.SES_TOPICS, now=timezone.now())


def parse_events(body: bytes, *, topics: list[str], now: datetime) -> list[AnymailTrackingEvent]:
    """The events of one post. Raises Invalid (or what odd JSON raises) if it is not Amazon's for one of `topics`.

    Raises TemporaryFetchError if the certificate cannot be fetched now. Confirms the subscription to one of `topics`.
    """
    message = json.loads(body.decode("utf-8"))
    if not isinstance(message, dict) or message.get("TopicArn") not in topics:
        raise Invalid("the topic is none of SES_TOPICS")
    moment = parse_datetime(str(message["Timestamp"]))
    if moment is None or moment.tzinfo is None or not -MAX_CLOCK_SKEW <= now - moment <= MAX_AGE:
        raise Invalid("the time of the message is too far from ours")
    verify(message, now=now)
    if message["Type"] == "SubscriptionConfirmation":
        _confirm_subscription(message)
        return []
    if message["Type"] == "UnsubscribeConfirmation":
        logger.error("the SNS topic of SES is not subscribed any more", extra={"region": _region(message)})
        return []
    return _events(message)


# --- the signature ---------------------------------------------------------------------------------------------------


def verify(message: Mapping[str, Any], *, now: datetime) -> None:
    """Raises Invalid unless the message was signed by SNS in the region of its topic."""
    url = str(message["SigningCertURL"])
    found = CERTIFICATE_URL.fullmatch(url)
    if not found or found["region"] != _region(message):
        raise Invalid("the certificate is not at SNS")
    digest = DIGESTS.get(str(message["SignatureVersion"]))
    if digest is None or message["Type"] not in SIGNED_FIELDS:
        raise Invalid("the type or version of the signature is unknown")
    certificate, key = _certificates.get(url)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Invalid("the certificate is not valid now")
    signature = base64.b64decode(str(message["Signature"]), validate=True)
    try:
        key.verify(signature, string_to_sign(message), padding.PKCS1v15(), digest())
    except InvalidSignature:
        raise Invalid("the signature is wrong") from None


def string_to_sign(message: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: name and value, each on a line of its own.

    Only the first value may have several lines; else two messages could have the same bytes. Raises Invalid.
    """
    names = [name for name in SIGNED_FIELDS[message["Type"]] if name != "Subject" or message.get("Subject") is not None]
    if any("\n" in str(message[name]) for name in names if name != "Message"):
        raise Invalid("a field has several lines")
    return "".join(f"{name}\n{message[name]}\n" for name in names).encode()


def _region(message: Mapping[str, Any]) -> str:
    """The fourth part of arn:partition:sns:region:account:name."""
    return str(message["TopicArn"]).split(":")[3]


CertificateAndKey = tuple[x509.Certificate, rsa.RSAPublicKey]


class _CertificateCache:
    """Those that have been fetched. Anybody can name a new address, so only a few new ones are tried in a minute."""

    MOST_KEPT, MOST_TRIES_A_MINUTE = 20, 6

    def __init__(self) -> None:
        self._known: dict[str, CertificateAndKey] = {}
        self._tries: deque[float] = deque(maxlen=self.MOST_TRIES_A_MINUTE)
        self._lock = threading.Lock()

    def get(self, url: str) -> CertificateAndKey:
        """Raises Invalid or TemporaryFetchError."""
        if (known := self._known.get(url)) is not None:
            return known
        with self._lock:
            if len(self._tries) == self.MOST_TRIES_A_MINUTE and time.monotonic() - self._tries[0] < 60:
                raise TemporaryFetchError("Too many new certificates in a minute.")
            self._tries.append(time.monotonic())
        certified = _fetch(url)
        with self._lock:
            while len(self._known) >= self.MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[url] = certified
        return certified

    def forget(self) -> None:
        self._known.clear()
        self._tries.clear()


_certificates = _CertificateCache()
clear_certificate_cache = _certificates.forget


def _fetch(url: str) -> CertificateAndKey:
    """Fetch a certificate and check that it is one of SNS. Raises Invalid or TemporaryFetchError."""
    try:
        fetched = http_client.fetch(url, limits=LIMITS)
    except http_client.PermanentFetchError as error:
        raise Invalid("the certificate cannot be fetched") from error
    if fetched.url != url:
        raise Invalid("the certificate has moved")
    certificate = x509.load_pem_x509_certificate(fetched.body)
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        is_authority = basic.ca
    except x509.ExtensionNotFound:
        is_authority = False
    try:
        others = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += others.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        pass
    key = certificate.public_key()
    is_named = any(CERTIFIED_NAME.fullmatch(name) for name in names)
    if is_authority or not is_named or not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise Invalid("the certificate is not one of SNS")
    return certificate, key


def _confirm_subscription(message: Mapping[str, Any]) -> None:
    """Confirm the subscription. The signed address is checked: it may only confirm this topic."""
    url = str(message["SubscribeURL"])
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    found = re.fullmatch(SNS_HOST, parts.netloc)
    wanted = {"Action": ["ConfirmSubscription"], "TopicArn": [message["TopicArn"]], "Token": [message["Token"]]}
    if (
        parts.scheme != "https"
        or not found
        or found["region"] != _region(message)
        or parts.path not in {"", "/"}
        or any(asked.get(name) != value for name, value in wanted.items())
    ):
        raise Invalid("the address to confirm at is not one of SNS")
    try:
        if http_client.fetch(url, limits=LIMITS).url != url:
            raise Invalid("the confirmation has moved")
    except http_client.PermanentFetchError as error:
        raise Invalid("SNS does not take the confirmation") from error
    logger.warning("subscribed to the SNS topic of SES", extra={"region": _region(message)})


# --- what SES says ---------------------------------------------------------------------------------------------------

_BLAMES_THE_SENDER = frozenset({"ContentRejected", "AttachmentRejected", "MessageTooLarge"})
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})


def _events(message: Mapping[str, Any]) -> list[AnymailTrackingEvent]:
    """One event a message: each copy goes to one reader. Event publishing and identity notifications are alike."""
    try:
        said = json.loads(message["Message"])
    except ValueError:
        return []  # "Successfully validated SNS topic for Amazon SES event publishing."
    if not isinstance(said, dict):
        return []
    kind = str(said.get("eventType") or said.get("notificationType") or "")
    part = said.get({"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}.get(kind, kind.lower()))
    facts = _event_fields(kind, part if isinstance(part, dict) else {})
    if not facts:
        return []
    mail = said.get("mail") or {}
    event = AnymailTrackingEvent(
        event_id=message["MessageId"],
        message_id=mail.get("messageId"),
        metadata=_metadata(mail.get("headers") or []),
        tags=[],
        esp_event=part,
        **facts,
    )
    return [event]


def _event_fields(kind: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """Type, time and reason of an event; empty if the event is not used."""
    at = parse_datetime(str(part.get("timestamp") or ""))
    if kind == "Bounce":
        recipient = next(iter(part.get("bouncedRecipients") or [{}]))
        reason = RejectReason.BLOCKED if part.get("bounceSubType") in _BLAMES_THE_SENDER else RejectReason.BOUNCED
        return {
            "event_type": EventType.BOUNCED,
            "timestamp": at,
            "reject_reason": reason,
            "mta_response": recipient.get("diagnosticCode"),
            "description": f"{part.get('bounceType')}: {part.get('bounceSubType')}",
        }
    if kind == "Complaint" and part.get("complaintFeedbackType") not in _NO_COMPLAINT:
        words = part.get("complaintFeedbackType")
        return {"event_type": EventType.COMPLAINED, "timestamp": at, "description": words}
    if kind == "Delivery":
        return {"event_type": EventType.DELIVERED, "timestamp": at, "mta_response": part.get("smtpResponse")}
    if kind == "DeliveryDelay":
        return {"event_type": EventType.DEFERRED, "timestamp": at, "description": part.get("delayType")}
    if kind in {"Reject", "Rendering Failure"}:
        words = part.get("reason") or part.get("errorMessage")
        blocked = RejectReason.BLOCKED
        return {"event_type": EventType.REJECTED, "timestamp": at, "reject_reason": blocked, "description": words}
    return {}


def _metadata(headers: list[Any]) -> dict[str, Any]:
    """What Anymail put into X-Metadata; SES gives the original headers back where it is told to."""
    for header in headers:
        if str(header["name"]).lower() == "x-metadata":
            found = json.loads(header["value"])
            return found if isinstance(found, dict) else {}
    return {}
