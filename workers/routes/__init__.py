"""The ways out, in the order of `MAIL_URL`: the caught mail, nowhere, an SMTP server, or a provider's API.

`all()` and `first()` give this thread's own routes, because a connection cannot be shared. `deliver` is for single
mails (notices, tests, passwords); issues go through `workers.sending.lifecycle`.
"""

from __future__ import annotations

import os
import threading
from email.utils import make_msgid, parseaddr
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives

from subscribers import recipient_allowlist
from workers.routes import discard, mailbox, smtp
from workers.routes.base import Capabilities, Letter, Refused, Result, Route, TooLate, TryLater

__all__ = [
    "Capabilities",
    "Letter",
    "Refused",
    "Result",
    "Route",
    "TooLate",
    "TryLater",
    "all",
    "by_name",
    "deliver",
    "first",
    "mailbox",
]

_own = threading.local()


def all() -> list[Route]:
    """This thread's routes, best first. Raises ImproperlyConfigured, naming MAIL_URL."""
    key = (os.getpid(), tuple(settings.MAIL_ROUTES))
    if getattr(_own, "key", None) != key:
        _leave_those_of_before()
        _own.routes = [make(f"{url.partition(':')[0]}-{place}", url) for place, url in enumerate(key[1], start=1)]
        _own.key = key
    return list(_own.routes)


def _leave_those_of_before() -> None:
    """Close the routes of another MAIL_URL. A connection from before a fork is the parent's, who still needs it."""
    if getattr(_own, "key", (0,))[0] == os.getpid():
        for route in _own.routes:
            route.close()


def first() -> Route:
    return all()[0]


def by_name(name: str) -> Route | None:
    return next((route for route in all() if route.name == name), None)


def make(name: str, url: str) -> Route:
    """Build a route from its URL; nothing is connected yet."""
    kind = url.partition(":")[0]
    if kind == "mailbox":
        return mailbox.Mailbox(name, url)
    if kind == "discard":
        return discard.Discard(name, url)
    if kind in {"smtp", "smtps"}:
        return smtp.Smtp(name, url)
    from workers.routes import anymail_merge, anymail_single  # cost 60 ms that no other route needs

    if kind in anymail_merge.PROVIDERS:
        return anymail_merge.AnymailMerge(name, url)
    return anymail_single.AnymailSingle(name, url)


def deliver(message: EmailMessage) -> Result:
    """Send a single mail to its one recipient by the first route that takes it.

    Raises Refused or TryLater, in the last route's words, when none does; the mail has not left then. On an instance
    that may not write to that address the answer is a refusal, and nobody is asked.
    """
    if not all_may_be_reached(message):
        return Result("refused", detail=recipient_allowlist.WHY)
    problem: Refused | TryLater | None = None
    for route in all():
        try:
            route.open()
            return route.send(_letter(message, route))
        except (Refused, TryLater) as error:
            problem = error
    raise problem or TryLater("No route is set up.")


def all_may_be_reached(message: EmailMessage) -> bool:
    return not [
        recipient for recipient in message.recipients() if not recipient_allowlist.may_reach(parseaddr(recipient)[1])
    ]


def _letter(message: EmailMessage, route: Route) -> Letter:
    recipients = message.recipients()
    if len(recipients) != 1:
        raise ValueError(f"A single mail has one recipient, not {len(recipients)}.")
    sender = parseaddr(message.from_email)[1]
    message_id = message.extra_headers.setdefault("Message-ID", make_msgid(domain=sender.rpartition("@")[2]))
    make_one = partial(Letter, sender, parseaddr(recipients[0])[1], message_id)
    if route.capabilities.takes == "message":
        return make_one(message=_alternatives(message))
    return make_one(data=_wire(message))


def _alternatives(message: EmailMessage) -> EmailMultiAlternatives:
    if isinstance(message, EmailMultiAlternatives):
        return message
    return EmailMultiAlternatives(
        message.subject, message.body, message.from_email, message.to, headers=message.extra_headers
    )


def _wire(message: EmailMessage) -> bytes:
    """Django's bytes, with CRLF. (Its own class folds long headers; `email.policy` would break URLs in them.)"""
    return message.message().as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
