"""What every way out has in common: a letter goes in, what became of it comes out.

A route answers for each letter. It raises TryLater or Refused only when it is certain that the letter has not left;
whatever else goes wrong is a Result, and in doubt an uncertain one. Every route takes single letters (`Route`); one
whose provider fills in many copies of a text takes them by the call (`MergeRoute`).
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
    """Nobody could be reached, or they ask us to come back; this letter has not left."""


class AccountRefused(Exception):
    """They do not want us (login, sender, account), whoever the letter is for; it has not left."""


class DeadlineExceeded(Exception):
    """The deadline came before the letter could leave."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one letter. `code` and `detail` are the provider's own, without an address."""

    outcome: SendOutcome
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    asks_to_slow_down: bool = False
    """They answer, but want less of it."""
    is_route_wide: bool = False
    """The wish is about our account or connection, not about this reader's mail service."""
    retry_after_s: float = 0.0
    """How long they want nothing more at all, where they say so."""
    is_outage: bool = False
    """Their service seems broken: counts for the breaker."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message for one person: wire bytes with CRLF, or a message for an API."""

    sender: str
    """The envelope's; bounces come back to it."""
    recipient: str
    message_id: str
    data: bytes = b""
    message: EmailMultiAlternatives | None = None
    stuffed: bool = False
    """`data` has its leading dots doubled and its end mark (RFC 5321 section 4.5.2)."""


@dataclass(frozen=True, slots=True)
class MergeMessage:
    """A text for many readers, with a provider's places in it, and what is the same in every copy."""

    from_name: str
    from_email: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    mark: str = ""
    """By which the provider can be asked for this call later."""


@dataclass(frozen=True, slots=True)
class MergeRecipient:
    """What one reader's copy of a mailing has of its own."""

    recipient: str
    name: str
    message_id: str
    """"" where the provider makes one."""
    token: str
    """What the provider's events bring back."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What stands at each place."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the engine needs to know of a route, and all it reads."""

    takes: Literal["bytes", "message"] = "bytes"
    stuffed: bool = False
    """Would rather have bytes with dots doubled already, where that can be done for all readers at once."""
    window: int = 1
    """Messages that may be without an answer at once; 0 where sending the same Message-ID again changes nothing."""
    asks_before_each: bool = False
    """Each call is slow: ask before each of them who is still allowed."""


NO_DEADLINE = float("inf")


def boottime() -> float:
    """Seconds that also pass while the process or the machine sleeps: deadlines are in these."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def always() -> bool:
    return True


def check_deadline(deadline: float) -> None:
    """Raises TooLate when `deadline`, in ticks, has come."""
    if boottime() >= deadline:
        raise DeadlineExceeded


@runtime_checkable
class MailRoute(Protocol):
    name: str
    kind: str
    rate: float
    """Messages a second that the operator allows; 0 is as fast as they are taken."""
    capabilities: Capabilities

    def open(self) -> None:
        """Make sure of a connection. Raises TryLater or Refused."""

    def eight_bit(self) -> bool:
        """Whether 8-bit bytes may be sent; known once open."""

    def send(self, letter: OutgoingMessage, *, deadline: float = NO_DEADLINE) -> SendResult:
        """Hand over one letter. Raises TryLater, Refused or TooLate when it has certainly not left."""

    def close(self) -> None: ...


@runtime_checkable
class ParallelRoute(MailRoute, Protocol):
    """A route that has as many letters under way at once as its window says."""

    def begin(
        self, letter: OutgoingMessage, *, deadline: float = NO_DEADLINE, may_leave: Callable[[], bool] = always
    ) -> Future[SendResult]:
        """As `send`, without waiting for the answer.

        A letter that waits for a connection is asked about again before it leaves, in the thread that calls `finished`;
        it is cancelled if it may not.
        """

    def finished(self, flying: Collection[Future[SendResult]], *, wait: bool) -> set[Future[SendResult]]:
        """Those of the begun that are done; with `wait`, once there is one."""


@runtime_checkable
class MergeRoute(MailRoute, Protocol):
    """A route whose provider fills in many copies of one text by one call."""

    syntax: MergeSyntax
    keeps_message_ids: bool
    """Whether each copy leaves with our Message-ID; else the provider makes one."""
    most_at_once: int
    """Readers that a call may have, as far as is known."""
    at_once: int
    """Readers that the next call should have: fewer than `most_at_once` while a bad address is looked for."""

    def send_many(
        self, mailing: MergeMessage, parts: Sequence[MergeRecipient], *, deadline: float = NO_DEADLINE
    ) -> list[SendResult | None]:
        """Hand over a call; one Result a reader, in order. None: it has surely not left, and may be offered at once.

        If nobody's has left and nobody's is at fault, `at_once` is smaller afterwards. Raises TryLater, Refused or
        TooLate when nothing has left.
        """


@dataclass(frozen=True, slots=True)
class LookUpResult:
    """Which messages a provider has, by the token that each carries."""

    found: Mapping[str, SendOutcome]
    is_complete: bool = True
    """All were asked for, so that it has none of the others."""


@runtime_checkable
class LookUpRoute(MailRoute, Protocol):
    """A route whose provider can be asked."""

    account: str
    """Which account sends: another one of the same provider knows nothing of what this one sent."""

    def look_up(self, mark: str, tokens: Sequence[str], *, since: datetime, until: float = NO_DEADLINE) -> LookUpResult:
        """Which of these messages it has: by the mark of their calls, or one by one. Raises TryLater.

        No further question is put after `until`, in ticks.
        """


def account_of(route: MailRoute | None) -> str:
    """The account of a route whose provider can be asked; else ""."""
    return route.account if isinstance(route, LookUpRoute) else ""


# --- reading MAIL_URL ------------------------------------------------------------------------------------------------


def mail_url_error(fact: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"MAIL_URL: {fact}. {remedy}")


@dataclass(frozen=True)
class RouteUrl:
    """One route of MAIL_URL, taken apart. Its repr shows no secret."""

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
        """The same for the same account wherever its URL stands in MAIL_URL; no key can be found out from it."""
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
    """Take a route's URL apart; raises ImproperlyConfigured, naming MAIL_URL but no password."""
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


# --- words of providers ----------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"<?[^\s<>]*@[^\s<>]*>?")
_STATUS = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")


def redact_addresses(words: str, *, most: int = 300) -> str:
    """A provider's answer as one line that names nobody."""
    return _ADDRESS.sub("…", " ".join(words.replace("\0", " ").split()))[:most]


MAX_RETRY_AFTER_S = 3600.0


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks us to wait: Retry-After (RFC 9110 section 10.2.3), or its rate window's end; else 0."""
    for name in ("Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"):
        raw = headers.get(name, "").strip()
        if raw.isdecimal():
            seconds = float(raw) - (time.time() if float(raw) > 1e9 else 0.0)  # some name the moment in epoch seconds
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
