"""Checks of signed posts that Anymail leaves out: their age, Resend's signature and the address that Mandrill signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from urllib.parse import urlsplit

from anymail.exceptions import AnymailWebhookValidationFailure as Invalid
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from workers.provider_events import webhook_settings
from workers.providers import Provider


def check_signature(request: HttpRequest, provider: Provider, *, now: datetime) -> None:
    """Check what Anymail's view does not. Raises Invalid, or what reading a malformed post raises.

    Call it only after the view's own checks have passed.
    """
    key, webhook = webhook_settings.signing_key(provider), provider.webhook
    if key and webhook.signature_check:
        import_string(webhook.signature_check)(request, key)
    if key and webhook.signed_at:
        age_s = now.timestamp() - float(import_string(webhook.signed_at)(request))
        if not abs(age_s) <= settings.WEBHOOK_MOST_AGE_MIN * 60:
            raise Invalid("the signed time is too far from ours")


# --- the signed time; MailerSend and Mandrill sign none, and a repeated post of theirs changes nothing -----------------


def signed_at_mailgun(request: HttpRequest) -> str:
    if request.content_type == "application/json":
        return str(json.loads(request.body)["signature"]["timestamp"])
    return request.POST["timestamp"]


def signed_at_sendgrid(request: HttpRequest) -> str:
    return request.headers["X-Twilio-Email-Event-Webhook-Timestamp"]


def signed_at_svix(request: HttpRequest) -> str:
    return request.headers["svix-timestamp"]


# --- keys and signatures -----------------------------------------------------------------------------------------------


def check_key_der(key: str) -> None:
    """Raises ValueError if the key is no public key in base64 of DER."""
    load_der_public_key(base64.b64decode(key))


def check_key_svix(key: str) -> None:
    """Raises ValueError if the key is no base64 behind "whsec_"."""
    base64.b64decode(key.removeprefix("whsec_"), validate=True)


def check_svix(request: HttpRequest, secret: str) -> None:
    """HMAC-SHA256 over id, time and body, as "v1,BASE64" once for each live key (docs.svix.com, manual verification)."""
    signing_key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = [request.headers.get(name, "") for name in ("svix-id", "svix-timestamp", "svix-signature")]
    message = f"{headers[0]}.{headers[1]}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.new(signing_key, message, hashlib.sha256).digest()).decode()
    given = headers[2].split()
    if not all(headers) or not any(constant_time_compare(one, expected) for one in given):
        raise Invalid("the signature is missing or wrong")


def has_valid_secret(request: HttpRequest, secret: str) -> bool:
    """Whether the request has basic authentication with this `name:password`."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    expected = base64.b64encode(secret.encode()).decode()
    return constant_time_compare(f"{kind.lower()} {value.strip()}", f"basic {expected}")


def webhook_url(request: HttpRequest) -> str:
    """The public webhook address, which Mandrill signs, with the secret if the post has one."""
    site = urlsplit(settings.SITE_URL)
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    known = base64.b64decode(value).decode() + "@" if kind.lower() == "basic" else ""
    return f"{site.scheme}://{known}{site.netloc}{request.get_full_path()}"
