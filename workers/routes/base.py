"""The interface of all routes: they take messages and return the result of each.

A route raises RouteUnavailable, AccountRefused or DeadlineExceeded only if the message was certainly not sent. Any other
failure is a SendResult, in doubt an uncertain one. Every route sends single messages (`MailRoute`); one whose provider
fills in a text for many readers sends them by the call (`MergeRoute`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import mktime_tz, parsedate_tz
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.utils.crypto import salted_hmac

from workers.providers import MergeSyntax as MergeSyntax

SendOutcome = Literal["accepted", "refused", "deferred", "uncertain"]


class RouteUnavailable(Exception):
    """The server cannot be reached or asks to try later. The message was not sent."""


class AccountRefused(Exception):
    """The server refuses the login, the sender or the account, for any recipient. The message was not sent."""


class DeadlineExceeded(Exception):
    """The deadline passed before the message was sent."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of one message. `code` and `detail` are the provider's, without addresses."""

    outcome: SendOutcome
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    asks_to_slow_down: bool = False
    """The server answers, but asks for a lower rate."""
    is_route_wide: bool = False
    """The lower rate concerns the account or connection, not this reader's mailbox provider."""
    retry_after_s: float = 0.0
    """Seconds without any message, if the server names them."""
    is_outage: bool = False
    """The service seems to be down. Counts for the circuit breaker."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message for one person: wire bytes with CRLF, or a message for an API."""

    sender: str
    """Envelope sender, which bounces are sent to."""
    recipient: str
    message_id: str
    data: bytes = b""
    message: EmailMultiAlternatives | None = None
    stuffed: bool = False
    """`data` has its leading dots doubled and ends with the end mark (RFC 5321 section 4.5.2)."""


@dataclass(frozen=True, slots=True)
class MergeMessage:
    """A text for many readers, with the provider's places in it, and all that is equal in every copy."""

    from_name: str
    from_email: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    mark: str = ""
    """Tag by which this call can be looked up."""


@dataclass(frozen=True, slots=True)
class MergeRecipient:
    """The parts of a MergeMessage that differ for one reader."""

    recipient: str
    name: str
    message_id: str
    """Empty if the provider makes it."""
    token: str
    """Token that the provider's events return."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Text for each place."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The properties of a route that `workers.sending` reads."""

    takes: Literal["bytes", "message"] = "bytes"
    stuffed: bool = False
    """Prefers bytes with dots doubled already, if that can be done for all readers at once."""
    window: int = 1
    """Messages that may be unanswered at once; 0 if sending the same Message-ID again changes nothing."""
    asks_before_each: bool = False
    """Each call is slow, so check before each whether the reader may still receive the issue."""


NO_DEADLINE = float("inf")


def boottime() -> float:
    """Seconds that also count while the process or machine sleeps. All deadlines are in this unit."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def always() -> bool:
    return True


def check_deadline(deadline: float) -> None:
    """Raise DeadlineExceeded if `deadline` (in `boottime` seconds) has passed."""
    if boottime() >= deadline:
        raise DeadlineExceeded


@runtime_checkable
class MailRoute(Protocol):
    name: str
    kind: str
    rate: float
    """Messages a second that the operator allows; 0 is no limit."""
    capabilities: Capabilities

    def open(self) -> None:
        """Make sure that a connection is open. Raises RouteUnavailable or AccountRefused."""

    def eight_bit(self) -> bool:
        """Whether 8-bit bytes may be sent. Known only after `open`."""

    def send(self, letter: OutgoingMessage, *, deadline: float = NO_DEADLINE) -> SendResult:
        """Send one message. Raises RouteUnavailable, AccountRefused or DeadlineExceeded if it surely was not sent."""

    def close(self) -> None: ...


@runtime_checkable
class ParallelRoute(MailRoute, Protocol):
    """A route that sends several messages at once, as many as its window allows."""

    def begin(
        self, letter: OutgoingMessage, *, deadline: float = NO_DEADLINE, may_leave: Callable[[], bool] = always
    ) -> Future[SendResult]:
        """Like `send`, without waiting for the answer.

        For a message that waits for a connection, `may_leave` is called before it is sent, in the thread that calls
        `finished`. If it returns False, the future is cancelled.
        """

    def finished(self, flying: Collection[Future[SendResult]], *, wait: bool) -> set[Future[SendResult]]:
        """Return those futures that are done. With `wait`, wait until at least one is."""


@runtime_checkable
class MergeRoute(MailRoute, Protocol):
    """A route whose provider fills in a text for many readers in one call."""

    syntax: MergeSyntax
    keeps_message_ids: bool
    """Whether each copy keeps our Message-ID; otherwise the provider makes one."""
    most_at_once: int
    """Readers that a call may have, as far as is known."""
    at_once: int
    """Readers for the next call: fewer than `most_at_once` while a bad address is being isolated."""

    def send_many(
        self, mailing: MergeMessage, parts: Sequence[MergeRecipient], *, deadline: float = NO_DEADLINE
    ) -> list[SendResult | None]:
        """Make one call. Returns one result a reader, in order; None if the message was certainly not sent.

        A reader with None may be tried again at once. If the whole call was refused without naming a reader, `at_once`
        is smaller afterwards. Raises RouteUnavailable, AccountRefused or DeadlineExceeded if nothing was sent.
        """


@dataclass(frozen=True, slots=True)
class LookUpResult:
    """The messages that a provider has, by the token of each."""

    found: Mapping[str, SendOutcome]
    is_complete: bool = True
    """All were looked up, so the provider has none of the others."""


@runtime_checkable
class LookUpRoute(MailRoute, Protocol):
    """A route whose provider can be asked whether it has a message."""

    account: str
    """The sending account. Another account of the same provider has no record of its messages."""

    def look_up(self, mark: str, tokens: Sequence[str], *, since: datetime, until: float = NO_DEADLINE) -> LookUpResult:
        """Return which of these messages the provider has. Raises RouteUnavailable.

        They are looked up by the mark of their calls, or one by one. No look-up starts after `until` (`boottime`).
        """


def account_of(route: MailRoute | None) -> str:
    """The account of a route that supports look-ups, otherwise ""."""
    return route.account if isinstance(route, LookUpRoute) else ""


# --- reading MAIL_URL ------------------------------------------------------------------------------------------------


def mail_url_error(fact: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"MAIL_URL: {fact}. {remedy}")


@dataclass(frozen=True)
class RouteUrl:
    """The parts of one route of MAIL_URL. Its repr shows no secret."""

    kind: str
    host: str
    port: int | None
    user: str
    password: str
    options: dict[str, str]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.host}>"

    @property
    def account(self) -> str:
        """Identifies the account, whatever its position in MAIL_URL. A digest, so it reveals no key."""
        named = "\0".join((self.kind, self.user, self.host))
        return salted_hmac("workers.routes.account", named, algorithm="sha256").hexdigest()[:12]

    def option(self, name: str, default: str = "") -> str:
        return self.options.get(name, default)

    def number(self, name: str, default: float) -> float:
        raw = self.options.get(name, "")
        try:
            value = float(raw) if raw else default
        except ValueError:
            value = -1.0
        if value < 0 or value == float("inf"):
            raise mail_url_error(f"{name}={raw} is no number", f"Write for example ?{name}=10 behind {self.kind}.")
        return value


def parse_url(url: str, *, options: frozenset[str]) -> RouteUrl:
    """Parse a route's URL. Raises ImproperlyConfigured with a message that names MAIL_URL but no password."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    strange = sorted(set(given) - options - {"rate"})
    if strange:
        known = ", ".join(sorted(options | {"rate"}))
        raise mail_url_error(f"{parts.scheme} has no option {strange[0]}", f"It has: {known}.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return RouteUrl(parts.scheme, parts.hostname or "", _port(parts), user, password, given)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise mail_url_error(
            f"{parts.scheme} has a port that is no number", "Write for example smtp://host:587."
        ) from None


# --- texts of providers ----------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"<?[^\s<>]*@[^\s<>]*>?")
_STATUS = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")


def redact_addresses(words: str, *, most: int = 300) -> str:
    """A provider's answer as one line, with addresses replaced."""
    return _ADDRESS.sub("…", " ".join(words.replace("\0", " ").split()))[:most]


MAX_RETRY_AFTER_S = 3600.0


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait by Retry-After (RFC 9110 section 10.2.3) or by the end of the rate window; 0 if not given."""
    for name in ("Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"):
        raw = headers.get(name, "").strip()
        if raw.isdecimal():
            seconds = float(raw) - (
                time.time() if float(raw) > 1e9 else 0.0
            )  # some providers give the time in epoch seconds
        elif moment := parsedate_tz(raw):
            seconds = mktime_tz(moment) - time.time()
        else:
            continue
        return min(MAX_RETRY_AFTER_S, max(0.0, seconds))
    return 0.0


def format_code(code: int, words: str) -> str:
    """Reply code and, where given, the enhanced status (RFC 3463): "550 5.1.1"."""
    status = _STATUS.search(words)
    return f"{code} {status.group()}" if status else str(code)
