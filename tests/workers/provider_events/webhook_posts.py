"""Posts of provider events as each provider makes and signs them, with real keys; tests send them to our webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "penyedia:kata-sandi-panjang"
BASIC = ("postmark", "mailjet", "brevo")
SIGNED = ("mailgun", "sendgrid", "resend", "mailersend", "mandrill")
DATED = ("mailgun", "sendgrid", "resend")
"""Those whose signature covers a time."""


@dataclass(frozen=True)
class Post:
    provider: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def send(self, client: Any, *, to: str = "") -> Any:
        address = f"/webhooks/{to or self.provider}/tracking/"
        return client.generic("POST", address, self.body, content_type=self.content_type, headers=self.headers)

    def without(self, *names: str) -> Post:
        return replace(self, headers={name: value for name, value in self.headers.items() if name not in names})

    def altered(self, old: bytes, new: bytes) -> Post:
        assert old in self.body
        return replace(self, body=self.body.replace(old, new))


@cache
def ecdsa_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def other_ecdsa_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey) -> str:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


KEYS = {
    "MAILGUN_WEBHOOK_SIGNING_KEY": "kunci-mailgun-0123456789",
    "MAILERSEND_SIGNING_SECRET": "kunci-mailersend-0123456789",
    "MANDRILL_WEBHOOK_KEY": "kunci-mandrill-0123456789",
    "RESEND_SIGNING_SECRET": "whsec_" + base64.b64encode(b"kunci-resend-0123456789ab").decode(),
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": public(ecdsa_key()),
}


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


# --- what each of them says of a complaint ---------------------------------------------------------------------------


def postmark(token: str, *, at: datetime, secret: str = SECRET, **_: Any) -> Post:
    content = {
        "RecordType": "SpamComplaint",
        "Type": "SpamComplaint",
        "ID": 42,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Email": "siti@pembaca.example",
        "BouncedAt": at.isoformat(),
        "Metadata": {"warta": token},
    }
    return Post("postmark", json.dumps(content).encode(), basic(secret))


def mailjet(token: str, *, at: datetime, secret: str = SECRET, **_: Any) -> Post:
    content = [
        {
            "event": "spam",
            "time": int(at.timestamp()),
            "MessageID": 19421777835146490,
            "email": "siti@pembaca.example",
            "source": "JMRPP",
            "Payload": json.dumps({"warta": token}),
        }
    ]
    return Post("mailjet", json.dumps(content).encode(), basic(secret))


def brevo(token: str, *, at: datetime, secret: str = SECRET, **_: Any) -> Post:
    content = {
        "event": "spam",
        "email": "siti@pembaca.example",
        "id": 26224,
        "ts_epoch": int(at.timestamp() * 1000),
        "message-id": "<201798300811.5787683@relay.domain.example>",
        "X-Mailin-custom": json.dumps({"warta": token}),
    }
    return Post("brevo", json.dumps(content).encode(), basic(secret))


def mailgun(
    token: str, *, at: datetime, key: str = KEYS["MAILGUN_WEBHOOK_SIGNING_KEY"], moment: str | None = None, **_: Any
) -> Post:
    moment, nonce = (
        str(int(at.timestamp())) if moment is None else moment,
        hashlib.sha256(token.encode()).hexdigest()[:50],
    )
    content = {
        "signature": {
            "timestamp": moment,
            "token": nonce,
            "signature": hmac.new(key.encode(), f"{moment}{nonce}".encode(), hashlib.sha256).hexdigest(),
        },
        "event-data": {
            "event": "complained",
            "timestamp": at.timestamp(),
            "recipient": "siti@pembaca.example",
            "user-variables": {"warta": token},
            "message": {"headers": {"message-id": "20260101@mail.example"}},
        },
    }
    return Post("mailgun", json.dumps(content).encode())


def sendgrid(
    token: str,
    *,
    at: datetime,
    key: ec.EllipticCurvePrivateKey | None = None,
    events: Iterable[dict[str, Any]] = (),
    moment: str | None = None,
    **_: Any,
) -> Post:
    content = list(events) or [
        {
            "event": "spamreport",
            "email": "siti@pembaca.example",
            "timestamp": int(at.timestamp()),
            "sg_event_id": "ZGVsaXZlcmVkLTA",
            "sg_message_id": "14c5d75ce93.dfd.64b469",
            "warta": token,
        }
    ]
    body, moment = json.dumps(content).encode(), str(int(at.timestamp())) if moment is None else moment
    signature = (key or ecdsa_key()).sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": moment,
    }
    return Post("sendgrid", body, headers)


def resend(
    token: str, *, at: datetime, key: str = KEYS["RESEND_SIGNING_SECRET"], moment: str | None = None, **_: Any
) -> Post:
    content = {
        "type": "email.complained",
        "created_at": at.isoformat(),
        "data": {
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "to": ["siti@pembaca.example"],
            "headers": [{"name": "X-Metadata", "value": json.dumps({"warta": token})}],
        },
    }
    body, name = json.dumps(content).encode(), "msg_p5jXN8AQM9LWM0D4loKWxJek"
    moment = str(int(at.timestamp())) if moment is None else moment
    raw = base64.b64decode(key.removeprefix("whsec_"))
    digest = hmac.new(raw, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(bytes(32)).decode()} v1,{base64.b64encode(digest).decode()}"
    return Post("resend", body, {"svix-id": name, "svix-timestamp": moment, "svix-signature": signature})


def mailersend(token: str, *, at: datetime, key: str = KEYS["MAILERSEND_SIGNING_SECRET"], **_: Any) -> Post:
    content = {
        "type": "activity.spam_complaint",
        "data": {
            "id": "62f114f8165fe0d8db0288e5",
            "type": "spam_complaint",
            "created_at": at.isoformat(),
            "email": {
                "message": {"id": "62fb66bef54a112e920b5493"},
                "recipient": {"email": "siti@pembaca.example"},
                "tags": [token],
            },
            "morph": {"object": "spam_complaint", "reason": None},
        },
    }
    body = json.dumps(content).encode()
    return Post("mailersend", body, {"Signature": hmac.new(key.encode(), body, hashlib.sha256).hexdigest()})


def mandrill(token: str, *, at: datetime, key: str = KEYS["MANDRILL_WEBHOOK_KEY"], secret: str = "", **_: Any) -> Post:
    content = [
        {
            "event": "spam",
            "ts": int(at.timestamp()),
            "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
            "msg": {"email": "siti@pembaca.example", "metadata": {"warta": token}, "tags": []},
        }
    ]
    fields = {"mandrill_events": json.dumps(content)}
    known = f"{secret}@" if secret else ""
    signed = f"http://{known}127.0.0.1:8000/webhooks/mandrill/tracking/" + "".join(
        name + fields[name] for name in sorted(fields)
    )
    signature = base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    headers = {"X-Mandrill-Signature": signature, **(basic(secret) if secret else {})}
    return Post("mandrill", urlencode(fields).encode(), headers, "application/x-www-form-urlencoded")


COMPLAINTS: dict[str, Callable[..., Post]] = {
    "postmark": postmark,
    "mailjet": mailjet,
    "brevo": brevo,
    "mailgun": mailgun,
    "sendgrid": sendgrid,
    "resend": resend,
    "mailersend": mailersend,
    "mandrill": mandrill,
}
"""One reader's complaint, signed as the provider would at `at`."""
OTHER_KEYS: dict[str, Any] = {
    "mailgun": "kunci-lain",
    "mailersend": "kunci-lain",
    "mandrill": "kunci-lain",
    "resend": "whsec_" + base64.b64encode(b"kunci-lain-0123456789abcd").decode(),
    "sendgrid": other_ecdsa_key(),
}
SIGNATURES = {
    "sendgrid": "X-Twilio-Email-Event-Webhook-Signature",
    "resend": "svix-signature",
    "mailersend": "Signature",
    "mandrill": "X-Mandrill-Signature",
}
"""The header that carries it; Mailgun's is in the body."""


def clock() -> datetime:
    """The time that signatures are made at: the webhook compares them with the real clock."""
    return datetime.now(UTC)
