"""An instance that may write to a few only: `MAIL_ONLY_TO` names addresses and @domains, and nobody else gets any mail.

For a copy of the real site with its real readers in it. Asked at the claim and while sending (`audience`), for single
mails (`workers.routes.deliver`), for Django's own, and for tests. Without the variable everybody may be written to.
"""

from __future__ import annotations

from django.conf import settings

REFUSAL_MESSAGE = "MAIL_ONLY_TO keeps mail from this address."


def is_enabled() -> bool:
    return bool(settings.MAIL_ONLY_TO)


def is_allowed(email: str) -> bool:
    """Whether mail to this one address may leave; what is no address may not, where only a few may."""
    if not is_enabled():
        return True
    local, _at, domain = (whole := email.strip().lower()).partition("@")
    if not local or "@" in domain or set(whole) & set(" ,;<>"):
        return False
    return whole in settings.MAIL_ONLY_TO or f"@{domain}" in settings.MAIL_ONLY_TO
