"""The secrets that authenticate each provider's events, as configured."""

from __future__ import annotations

from django.conf import settings

from workers.providers import Provider


def webhook_secret(provider: Provider) -> str:
    """`name:password` of basic authentication: the provider's own, else the one for all; "" if neither is set."""
    return str(settings.WEBHOOK_SECRETS.get(provider.kind) or settings.WEBHOOK_SECRETS.get("") or "")


def signing_key(provider: Provider) -> str:
    return str(settings.WEBHOOK_KEYS.get(provider.webhook.key) or "") if provider.webhook.key else ""


def is_configured(provider: Provider) -> bool:
    """Whether the settings suffice to authenticate this provider's posts."""
    return not missing_settings(provider)


def missing_settings(provider: Provider) -> str:
    """The variables of which one must be set to authenticate this provider's events; "" if nothing is missing."""
    webhook = provider.webhook
    if webhook.topics:
        return "" if getattr(settings, webhook.topics) else webhook.topics
    if webhook.is_key_needed:
        return "" if signing_key(provider) else webhook.key
    if webhook_secret(provider) or signing_key(provider):
        return ""
    own = f"{provider.kind.upper()}_WEBHOOK_SECRET"
    return " or ".join(filter(None, (webhook.key, own, "WEBHOOK_SECRET")))
