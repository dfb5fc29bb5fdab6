"""Django's own mails (password reset, errors) leave by our routes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import copy

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from workers import routes

logger = logging.getLogger(__name__)


class NotSent(Exception):
    """The mail server would not take a mail of ours."""


class EmailBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return sum(self._send(message) for message in email_messages)

    def _send(self, message: EmailMessage) -> bool:
        """Each recipient gets a mail of their own, so that nobody sees another's address."""
        sent = [self._to(recipient, message) for recipient in message.recipients()]
        return all(sent)

    def _to(self, recipient: str, message: EmailMessage) -> bool:
        own = copy(message)
        own.to, own.cc, own.bcc, own.extra_headers = [recipient], [], [], dict(message.extra_headers)
        if not routes.are_recipients_allowed(own):
            logger.warning("mail kept back, for MAIL_ONLY_TO does not name its recipient")
            return False
        try:
            result = routes.deliver(own)
        except (routes.AccountRefused, routes.RouteUnavailable):
            if self.fail_silently:
                return False
            raise
        if result.outcome in {"accepted", "uncertain"}:
            return True
        if self.fail_silently:
            return False
        raise NotSent(f"{result.code} {result.detail}".strip())
