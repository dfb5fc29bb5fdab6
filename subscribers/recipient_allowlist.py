"""The allowlist of test installations: if `MAIL_ONLY_TO` is set, only its addresses and @domains receive mail.

Meant for a copy of the production site with its real readers. It is checked at the claim and while sending
(`audience`), for single mails (`workers.routes.deliver`), for Django's own mails and for test mails. If the variable
is empty, there is no restriction.
"""

from __future__ import annotations

from django.conf import settings

REFUSAL_MESSAGE = "MAIL_ONLY_TO keeps mail from this address."


def is_enabled() -> bool:
    return bool(settings.MAIL_ONLY_TO)


def is_allowed(email: str) -> bool:
    """Whether mail may be sent to this address. With an allowlist, a string that is not one address is refused."""
    if not is_enabled():
        return True
    local, _at, domain = (address := email.strip().lower()).partition("@")
    if not local or "@" in domain or set(address) & set(" ,;<>"):
        return False
    return address in settings.MAIL_ONLY_TO or f"@{domain}" in settings.MAIL_ONLY_TO
