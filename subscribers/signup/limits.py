"""Limits against robots and list bombing: sign-ups per network and per form, and a time stamp in the form.

No limit depends on whether an address is known, so none can reveal it.
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
MAX_PER_NETWORK = 30
MAX_PER_NETWORK_AND_DAY = 300
MAX_PER_FORM = 1500
MIN_STAMP_AGE = timedelta(seconds=1)
MAX_STAMP_AGE = timedelta(days=2)
STAMP_KEY_PURPOSE = "time trap"


class InvalidStamp(ValueError):
    """The time stamp of a form is missing, foreign or altered, or the form was sent faster than a person types."""


class ExpiredStamp(ValueError):
    """The page was open for more than MAX_STAMP_AGE. The visitor has to press the button again."""


def network_prefix(address: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of an address; "" if it is not an address."""
    ip = client_address.parse_ip(address)
    if ip is None:
        return ""
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))


def is_network_over_limit(network: str, *, now: datetime) -> bool:
    """Whether this network reached its limit of sign-ups per ten minutes or per day."""
    requests = SignupRequest.objects.filter(network=network)
    return (
        requests.filter(created_at__gt=now - WINDOW).count() >= MAX_PER_NETWORK
        or requests.filter(created_at__gt=now - DAY).count() >= MAX_PER_NETWORK_AND_DAY
    )


def is_form_over_limit(form: SignupForm, *, now: datetime) -> bool:
    return SignupRequest.objects.filter(form=form, created_at__gt=now - WINDOW).count() >= MAX_PER_FORM


_MOMENT = struct.Struct(">Q")
"""Milliseconds. With whole seconds, a form sent within milliseconds could look one second old."""


def make_stamp(now: datetime) -> str:
    """A signed time stamp for a hidden field: when the form was shown."""
    moment = _MOMENT.pack(int(now.timestamp() * 1000))
    mac = keys.hmac_digest(keys.current_key(STAMP_KEY_PURPOSE), moment)[:16]
    return base64.urlsafe_b64encode(bytes((keys.current_key_id(),)) + moment + mac).rstrip(b"=").decode()


def read_stamp(text: str) -> datetime:
    """When the form was shown. Raises InvalidStamp."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidStamp("not base64url") from None
    if len(raw) != 1 + _MOMENT.size + 16 or not _has_valid_mac(raw):
        raise InvalidStamp("not one of our time stamps")
    return datetime.fromtimestamp(_MOMENT.unpack(raw[1:9])[0] / 1000, UTC)


def _has_valid_mac(raw: bytes) -> bool:
    candidates = [key for key_id, key in keys.all_keys(STAMP_KEY_PURPOSE) if key_id == raw[0]]
    return any(keys.constant_time_compare(keys.hmac_digest(key, raw[1:9])[:16], raw[9:]) for key in candidates)


def check_stamp(text: str, *, now: datetime) -> None:
    """Raises InvalidStamp for a robot, ExpiredStamp if the page was open for days."""
    age = now - read_stamp(text)
    if age < MIN_STAMP_AGE:
        raise InvalidStamp("sent faster than a person types")
    if age > MAX_STAMP_AGE:
        raise ExpiredStamp("the page was open for days")
