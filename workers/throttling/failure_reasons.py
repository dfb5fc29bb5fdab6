"""Reasons of refusals and deferrals: one table of SMTP and provider codes, and the consequences of each reason.

A reason says when and how often to retry, whether to slow down, who can fix it, and its description for people. Sources:
RFC 3463, RFC 7372, RFC 7505, and the code lists that Google, Microsoft and Yahoo publish for senders (read 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from workers.models import Outcome

Fault = Literal["address", "reader", "sender", "service"]
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class FailureReason:
    name: str
    words: Promise
    """A clause such as "the mailbox is full"."""
    fault: Fault
    """Who can fix it: nobody (a bad address), the reader, the sender, or the mailbox provider."""
    retry_s: tuple[int, ...] = ()
    """Seconds before each retry. After the last retry the answer counts as a refusal."""
    slows: Literal["", "domain", "route"] = ""
    """What to slow down: the readers of this mailbox provider, or the whole route."""
    hold_s: int = 0
    """Seconds without any message; 0 leaves it to the rate limit."""


DEFAULT_RETRY_S = (5 * MINUTE, 15 * MINUTE, 45 * MINUTE, 135 * MINUTE)
LONG_RETRY_S = (*DEFAULT_RETRY_S, 4 * HOUR, 8 * HOUR)
"""For answers that concern only the sending rate: no reader should miss the issue because of it."""

GREYLISTED = FailureReason(
    "greylisted",
    _("their mail service asks new senders to try again later (greylisting)"),
    "service",
    (330, 900, HOUR, 4 * HOUR),
)
THROTTLED = FailureReason(
    "throttled", _("their mail service asks us to slow down"), "service", LONG_RETRY_S, slows="domain"
)
ACCOUNT_THROTTLED = FailureReason(
    "account-throttled", _("our e-mail provider asks us to slow down"), "service", LONG_RETRY_S, slows="route"
)
QUOTA = FailureReason(
    "quota",
    _("our account has reached the daily limit of our e-mail provider"),
    "sender",
    (HOUR, 4 * HOUR, 12 * HOUR),
    slows="route",
    hold_s=15 * MINUTE,
)
MAILBOX_FULL = FailureReason("mailbox-full", _("the mailbox is full"), "reader", (HOUR, 6 * HOUR))
MAILBOX_BUSY = FailureReason(
    "mailbox-busy", _("the mailbox gets too much mail at the moment"), "reader", DEFAULT_RETRY_S
)
UNAVAILABLE = FailureReason(
    "unavailable", _("their mail service is not available at the moment"), "service", DEFAULT_RETRY_S, slows="domain"
)
LATER = FailureReason("later", _("their mail service asks us to try later"), "service", DEFAULT_RETRY_S)
AUTHENTICATION = FailureReason(
    "authentication",
    _("their mail service could not verify us as the sender (SPF, DKIM, DMARC or reverse DNS)"),
    "sender",
    (HOUR, 4 * HOUR),
    slows="domain",
)
POLICY = FailureReason(
    "policy",
    _("their mail service treats our mail as spam, or blocks our server"),
    "sender",
    (HOUR, 4 * HOUR),
    "domain",
)
UNKNOWN_ADDRESS = FailureReason("unknown-address", _("there is no such address"), "address", DEFAULT_RETRY_S)
CLOSED_ADDRESS = FailureReason("closed-address", _("the address is closed"), "address", DEFAULT_RETRY_S)
TOO_LARGE = FailureReason("too-large", _("the mail is too large for the mailbox"), "sender", DEFAULT_RETRY_S)
CONTENT = FailureReason(
    "content", _("their mail service does not accept the content of the mail"), "sender", DEFAULT_RETRY_S
)
OTHER = FailureReason("other", _("it was refused for an unknown reason"), "sender", DEFAULT_RETRY_S)

_AUTHENTICATION = frozenset({20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 40, 509, 515})
"""x.7.n: RFC 7372 (20–26), Google (23, 25, 27, 29, 30, 31, 32, 40), Microsoft (509, 515)."""

_TEMPORARY = {
    "1": LATER,
    "2": LATER,
    "2.1": MAILBOX_BUSY,
    "2.2": MAILBOX_FULL,
    "3": UNAVAILABLE,
    "4": UNAVAILABLE,
    "5": LATER,
    "7": THROTTLED,
}
_PERMANENT = {
    "1": UNKNOWN_ADDRESS,
    "1.7": AUTHENTICATION,
    "1.8": AUTHENTICATION,
    "2.0": CLOSED_ADDRESS,
    "2.1": CLOSED_ADDRESS,
    "2.2": MAILBOX_FULL,
    "2.3": TOO_LARGE,
    "3.4": TOO_LARGE,
    "4.1": UNKNOWN_ADDRESS,
    "4.4": UNKNOWN_ADDRESS,
    "4.5": QUOTA,
    "5.0": UNKNOWN_ADDRESS,
    "6": CONTENT,
    "7": POLICY,
}
"""Subject and detail of RFC 3463, or the subject alone. Microsoft uses 5.4.1 and 5.5.0 for unknown addresses."""

_PROVIDERS = {
    "300": UNKNOWN_ADDRESS,  # Postmark: no valid address
    "406": CLOSED_ADDRESS,  # Postmark: an inactive recipient
    "413": TOO_LARGE,
    "429": ACCOUNT_THROTTLED,
    "605": CLOSED_ADDRESS,  # Mailgun: on its own suppression list
}
"""Numeric codes of providers' APIs."""

_REPLIES = {
    "421": THROTTLED,
    "450": LATER,
    "451": UNAVAILABLE,
    "452": UNAVAILABLE,
    "454": UNAVAILABLE,
    "550": UNKNOWN_ADDRESS,
    "551": UNKNOWN_ADDRESS,
    "552": MAILBOX_FULL,
    "553": UNKNOWN_ADDRESS,
    "554": POLICY,
}

_TEXT_PATTERNS = [
    (re.compile(r"gr[ea]y-?list", re.I), GREYLISTED),
    (
        re.compile(r"(daily|sending|message|account)[\w ]* (quota|limit)[\w ]* (is |was )?(exceeded|reached)", re.I),
        QUOTA,
    ),
    (re.compile(r"maximum sending rate|throttling failure|number of allowed outgoing", re.I), ACCOUNT_THROTTLED),
    (
        re.compile(r"(mailbox|storage|inbox)[\w ]* (is )?full|over ?quota|out of storage|quota exceeded", re.I),
        MAILBOX_FULL,
    ),
    (re.compile(r"\b(spf|dkim|dmarc)\b|unauthenticated|reverse dns|\bptr\b", re.I), AUTHENTICATION),
    (re.compile(r"spam|block(ed|list)|blacklist|reputation|policy|unsolicited|spamhaus|\brbl\b", re.I), POLICY),
    (
        re.compile(
            r"(user|recipient|mailbox|address)[\w ]* (unknown|not found|does ?n.t exist|(is )?(not )?(in)?valid)|no such"
            r"|(invalid|illegal)[\w '`\"]{0,12}\b(to|address|recipient|e-?mail)\b|not a valid (e-?mail|address)",
            re.I,
        ),
        UNKNOWN_ADDRESS,
    ),
    (
        re.compile(
            r"(account|mailbox)[\w ]* (disabled|inactive|suspended|closed)|inactive (recipient|address)|as inactive",
            re.I,
        ),
        CLOSED_ADDRESS,
    ),
    (re.compile(r"rate limit|too many|slow down|unusual rate|rate limited", re.I), THROTTLED),
]
"""Tried in this order if the code alone is ambiguous."""

_STATUS = re.compile(r"\b[245]\.(\d{1,3})\.(\d{1,3})\b")
_REPLY = re.compile(r"\b[3-6]\d\d\b")
_VAGUE = frozenset({"0.0", "7.0", "7.1", "2.0", "3.0", "3.2", "5.0", "4.0"})
"""Ambiguous statuses: the text of the answer takes precedence."""


@lru_cache(maxsize=4096)
def classify(code: str, detail: str = "", *, outcome: str = Outcome.DEFERRED) -> FailureReason:
    """Return the reason of an answer, by its code ("450 4.2.2", "429") and text as stored in a `Delivery`.

    A permanent code ("550 5.4.5") keeps its reason if `outcome_to_record` turned the refusal into a deferral.
    """
    if code in _PROVIDERS:
        return _PROVIDERS[code]
    status = _STATUS.search(code)
    is_temporary = outcome != Outcome.REFUSED and not code.startswith("5")
    known = _by_status(int(status[1]), int(status[2]), is_temporary=is_temporary) if status else None
    if known and f"{status[1]}.{status[2]}" not in _VAGUE:  # type: ignore[index]
        return _refine_by_text(known, detail)
    by_words = next((cause for pattern, cause in _TEXT_PATTERNS if pattern.search(detail)), None)
    reply = _REPLY.search(code)
    by_reply = _REPLIES.get(reply[0]) if reply else None
    return by_words or known or by_reply or (LATER if is_temporary else OTHER)


def _by_status(subject: int, detail: int, *, is_temporary: bool) -> FailureReason | None:
    if subject == 7 and detail in _AUTHENTICATION:
        return AUTHENTICATION
    table = _TEMPORARY if is_temporary else _PERMANENT
    return table.get(f"{subject}.{detail}") or table.get(str(subject))


def _refine_by_text(known: FailureReason, detail: str) -> FailureReason:
    """Recognise greylisting, which uses many codes and must not count as a request to slow down."""
    return GREYLISTED if known.slows == "domain" and _TEXT_PATTERNS[0][0].search(detail) else known


class ResultLike(Protocol):
    """The attributes of `routes.SendResult` that this module reads."""

    @property
    def outcome(self) -> str: ...

    @property
    def asks_to_slow_down(self) -> bool: ...

    @property
    def is_route_wide(self) -> bool: ...


def slow_down_scope(cause: FailureReason, answer: ResultLike) -> Literal["", "domain", "route"]:
    """Return what to slow down after this answer: "" (nothing), "domain" or "route".

    A route may detect a request to slow down that has no code. Greylisting is not a request to slow down.
    """
    if cause is GREYLISTED:
        return ""
    asks = cause.slows if answer.outcome == Outcome.DEFERRED or cause.slows == "route" else ""
    if asks and answer.is_route_wide:
        return "route"
    return asks or ("route" if answer.asks_to_slow_down else "")


def outcome_to_record(cause: FailureReason, outcome: str) -> str:
    """Return the outcome to record. Some providers answer an exhausted quota with a permanent code; it is deferred."""
    return Outcome.DEFERRED if cause.slows == "route" and outcome == Outcome.REFUSED else outcome
