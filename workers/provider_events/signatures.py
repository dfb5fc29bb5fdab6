"""What Anymail leaves unchecked of a signed post: how old it is, Resend's signature, and the address Mandrill signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from anymail.exceptions import AnymailWebhookValidationFailure as Invalid
from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from workers.provider_events import providers


def check_signature(request: HttpRequest, provider: providers.Provider, *, now: datetime) -> None:
    """Raises Invalid, or what reading an odd post raises; only called once Anymail's own checks have passed."""
    key = providers.signing_key(provider)
    if provider.kind == "resend" and key:
        _check_resend(request, key)
    if key and (moment := TIMESTAMP_PARSERS.get(provider.kind)):
        age_s = now.timestamp() - float(moment(request))
        if not abs(age_s) <= settings.WEBHOOK_MOST_AGE_MIN * 60:
            raise Invalid("the signed time is too far from ours")


def _mailgun(request: HttpRequest) -> str:
    if request.content_type == "application/json":
        return str(json.loads(request.body)["signature"]["timestamp"])
    return request.POST["timestamp"]


TIMESTAMP_PARSERS: dict[str, Callable[[HttpRequest], str]] = {
    "mailgun": _mailgun,
    "sendgrid": lambda request: request.headers["X-Twilio-Email-Event-Webhook-Timestamp"],
    "resend": lambda request: request.headers["svix-timestamp"],
}
"""Seconds since 1970 that the signature covers. MailerSend and Mandrill sign no time; a repeat of theirs changes nothing."""


def _check_resend(request: HttpRequest, secret: str) -> None:
    """HMAC-SHA256 over id, time and body, as "v1,BASE64" once for each live key (docs.svix.com, manual verification)."""
    signing_key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = [request.headers.get(name, "") for name in ("svix-id", "svix-timestamp", "svix-signature")]
    message = f"{headers[0]}.{headers[1]}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.new(signing_key, message, hashlib.sha256).digest()).decode()
    given = headers[2].split()
    if not all(headers) or not any(constant_time_compare(one, expected) for one in given):
        raise Invalid("the signature is missing or wrong")


def has_valid_secret(request: HttpRequest, secret: str) -> bool:
    """Whether the request brings `name:password`."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    expected = base64.b64encode(secret.encode()).decode()
    return constant_time_compare(f"{kind.lower()} {value.strip()}", f"basic {expected}")


def webhook_url(request: HttpRequest) -> str:
    """Our address as Mandrill knows it and signs it: the public one, with the secret where it was posted with one."""
    site = urlsplit(settings.SITE_URL)
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    known = base64.b64decode(value).decode() + "@" if kind.lower() == "basic" else ""
    return f"{site.scheme}://{known}{site.netloc}{request.get_full_path()}"
