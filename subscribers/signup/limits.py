"""What keeps robots and list bombers out: where a visitor comes from, how many come from there, how fast they type.

None of it looks at whether an address is known, so nothing here can give that away.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import struct
from datetime import UTC, datetime, timedelta

from newsletter.web import client_address
from subscribers import keys
from subscribers.models import SignupForm, SignupRequest

WINDOW = timedelta(minutes=10)
DAY = timedelta(days=1)
PER_NETWORK = 30
PER_NETWORK_AND_DAY = 300
PER_FORM = 1500
TOO_FAST = timedelta(seconds=1)
TOO_OLD = timedelta(days=2)
STAMP = "time trap"


class BadStamp(ValueError):
    """The time stamp of a form is missing, foreign or altered, or the form came back faster than anybody types."""


class OldStamp(ValueError):
    """The page was open for days; the visitor is asked to press the button once more."""


def network(address: str) -> str:
    """The /24 or /48 an address is in, which is as much of a visitor as one line or one household has."""
    ip = client_address.parsed(address)
    if ip is None:
        return ""
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))


def too_many(network: str, *, now: datetime) -> bool:
    """More sign-ups from this network than people would make."""
    requests = SignupRequest.objects.filter(network=network)
    return (
        requests.filter(created_at__gt=now - WINDOW).count() >= PER_NETWORK
        or requests.filter(created_at__gt=now - DAY).count() >= PER_NETWORK_AND_DAY
    )


def too_many_for_form(form: SignupForm, *, now: datetime) -> bool:
    return SignupRequest.objects.filter(form=form, created_at__gt=now - WINDOW).count() >= PER_FORM


_MOMENT = struct.Struct(">Q")
"""Milliseconds: whole seconds would take a robot for a person whenever a second ends between its two requests."""


def stamp(now: datetime) -> str:
    """When the form was shown, signed; it comes back with the form."""
    moment = _MOMENT.pack(int(now.timestamp() * 1000))
    mac = keys.digest(keys.current(STAMP), moment)[:16]
    return base64.urlsafe_b64encode(bytes((keys.current_id(),)) + moment + mac).rstrip(b"=").decode()


def read_stamp(text: str) -> datetime:
    """When the form was shown. Raises BadStamp."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadStamp("not base64url") from None
    if len(raw) != 1 + _MOMENT.size + 16 or not _is_ours(raw):
        raise BadStamp("not one of our time stamps")
    return datetime.fromtimestamp(_MOMENT.unpack(raw[1:9])[0] / 1000, UTC)


def _is_ours(raw: bytes) -> bool:
    candidates = [key for key_id, key in keys.all_keys(STAMP) if key_id == raw[0]]
    return any(keys.same(keys.digest(key, raw[1:9])[:16], raw[9:]) for key in candidates)


def check_stamp(text: str, *, now: datetime) -> None:
    """Raises BadStamp for a robot, OldStamp for a person whose page was open for days."""
    age = now - read_stamp(text)
    if age < TOO_FAST:
        raise BadStamp("faster than anybody types")
    if age > TOO_OLD:
        raise OldStamp("the page was open for days")
