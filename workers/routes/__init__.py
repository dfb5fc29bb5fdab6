"""Routes in the order of `MAIL_URL`: caught mail, discard, an SMTP server, or a provider's API.

`configured()` and `first()` return routes of this thread, because threads cannot share a connection. `deliver` is for
single mails (notices, tests, passwords); issues are sent by `workers.sending.lifecycle`.
"""

from __future__ import annotations

import os
import threading
from email.utils import make_msgid, parseaddr
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives

from subscribers import recipient_allowlist
from workers.providers import PROVIDERS
from workers.routes import discard, mailbox, smtp
from workers.routes.base import (
    AccountRefused,
    Capabilities,
    DeadlineExceeded,
    MailRoute,
    OutgoingMessage,
    RouteUnavailable,
    SendResult,
)

__all__ = [
    "Capabilities",
    "OutgoingMessage",
    "AccountRefused",
    "SendResult",
    "MailRoute",
    "DeadlineExceeded",
    "RouteUnavailable",
    "configured",
    "by_name",
    "deliver",
    "first",
    "mailbox",
]

_thread_local = threading.local()


def configured() -> list[MailRoute]:
    """This thread's routes in order of priority. Raises ImproperlyConfigured with a message that names MAIL_URL."""
    key = (os.getpid(), tuple(settings.MAIL_ROUTES))
    if getattr(_thread_local, "key", None) != key:
        _close_previous()
        _thread_local.routes = [
            from_url(f"{url.partition(':')[0]}-{place}", url) for place, url in enumerate(key[1], start=1)
        ]
        _thread_local.key = key
    return list(_thread_local.routes)


def _close_previous() -> None:
    """Close the routes of a previous MAIL_URL, but no connection made before a fork: the parent still uses it."""
    if getattr(_thread_local, "key", (0,))[0] == os.getpid():
        for route in _thread_local.routes:
            route.close()


def first() -> MailRoute:
    return configured()[0]


def by_name(name: str) -> MailRoute | None:
    return next((route for route in configured() if route.name == name), None)


def from_url(name: str, url: str) -> MailRoute:
    """Build a route from its URL without connecting."""
    kind = url.partition(":")[0]
    if kind == "mailbox":
        return mailbox.MailboxRoute(name, url)
    if kind == "discard":
        return discard.DiscardRoute(name, url)
    if kind in {"smtp", "smtps"}:
        return smtp.SmtpRoute(name, url)
    from workers.routes import anymail_merge, anymail_single  # takes 60 ms, which other routes do not need

    if PROVIDERS[kind].merge is not None:
        return anymail_merge.AnymailMergeRoute(name, url)
    return anymail_single.AnymailSingleRoute(name, url)


def deliver(message: EmailMessage) -> SendResult:
    """Send a single mail to its one recipient by the first route that accepts it.

    Raises the last route's AccountRefused or RouteUnavailable if none does; the mail was not sent then. If MAIL_ONLY_TO
    excludes the address, the result is a refusal and no route is used.
    """
    if not are_recipients_allowed(message):
        return SendResult("refused", detail=recipient_allowlist.REFUSAL_MESSAGE)
    problem: AccountRefused | RouteUnavailable | None = None
    for route in configured():
        try:
            route.open()
            return route.send(_outgoing_message(message, route))
        except (AccountRefused, RouteUnavailable) as error:
            problem = error
    raise problem or RouteUnavailable("No route is set up.")


def are_recipients_allowed(message: EmailMessage) -> bool:
    return not [
        recipient for recipient in message.recipients() if not recipient_allowlist.is_allowed(parseaddr(recipient)[1])
    ]


def _outgoing_message(message: EmailMessage, route: MailRoute) -> OutgoingMessage:
    recipients = message.recipients()
    if len(recipients) != 1:
        raise ValueError(f"A single mail has one recipient, not {len(recipients)}.")
    sender = parseaddr(message.from_email)[1]
    message_id = message.extra_headers.setdefault("Message-ID", make_msgid(domain=sender.rpartition("@")[2]))
    make_one = partial(OutgoingMessage, sender, parseaddr(recipients[0])[1], message_id)
    if route.capabilities.takes == "message":
        return make_one(message=_alternatives(message))
    return make_one(data=_message_bytes(message))


def _alternatives(message: EmailMessage) -> EmailMultiAlternatives:
    if isinstance(message, EmailMultiAlternatives):
        return message
    return EmailMultiAlternatives(
        message.subject, message.body, message.from_email, message.to, headers=message.extra_headers
    )


def _message_bytes(message: EmailMessage) -> bytes:
    """Django's bytes, with CRLF. (Its own class folds long headers; `email.policy` would break URLs in them.)"""
    return message.message().as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
