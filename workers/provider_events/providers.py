"""Which providers report events, and by which secret each of their posts is known."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Provider:
    kind: str
    """As in MAIL_URL, in our address, and in Anymail's module."""
    view: str = ""
    key: str = ""
    """The variable with the key its posts are signed by; "" where it signs nothing."""
    key_argument: str = ""
    """What Anymail's view calls that key; "" where the check is ours."""
    is_key_needed: bool = False
    """Anymail's view refuses to work without the key."""
    most_bytes: int = MEGABYTE


PROVIDERS = {
    provider.kind: provider
    for provider in (
        Provider(
            "mailgun",
            "MailgunTrackingWebhookView",
            "MAILGUN_WEBHOOK_SIGNING_KEY",
            "webhook_signing_key",
            is_key_needed=True,
        ),
        Provider("mailjet", "MailjetTrackingWebhookView"),
        Provider("postmark", "PostmarkTrackingWebhookView"),
        Provider(
            "sendgrid",
            "SendGridTrackingWebhookView",
            "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
            "tracking_webhook_verification_key",
        ),
        Provider("resend", "ResendTrackingWebhookView", "RESEND_SIGNING_SECRET"),
        Provider("brevo", "BrevoTrackingWebhookView"),
        Provider(
            "mailersend",
            "MailerSendTrackingWebhookView",
            "MAILERSEND_SIGNING_SECRET",
            "signing_secret",
            is_key_needed=True,
        ),
        Provider(
            "mandrill",
            "MandrillCombinedWebhookView",
            "MANDRILL_WEBHOOK_KEY",
            "webhook_key",
            is_key_needed=True,
            most_bytes=4 * MEGABYTE,  # up to 1,000 events of 1 to 2 kB, each byte of JSON percent-encoded
        ),
        Provider("ses"),
    )
}


def webhook_secret(provider: Provider) -> str:
    """`name:password` of basic authentication: the provider's own, else the one for all; "" where none is set."""
    return str(settings.WEBHOOK_SECRETS.get(provider.kind) or settings.WEBHOOK_SECRETS.get("") or "")


def signing_key(provider: Provider) -> str:
    return str(settings.WEBHOOK_KEYS.get(provider.key) or "") if provider.key else ""


def is_configured(provider: Provider) -> bool:
    """Whether enough is set that a post can be believed at all."""
    return not missing_settings(provider)


def missing_settings(provider: Provider) -> str:
    """The variables of which one must be set before this provider's events can be believed; "" if all is well."""
    if provider.kind == "ses":
        return "" if settings.SES_TOPICS else "SES_TOPICS"
    if provider.is_key_needed:
        return "" if signing_key(provider) else provider.key
    if webhook_secret(provider) or signing_key(provider):
        return ""
    own = f"{provider.kind.upper()}_WEBHOOK_SECRET"
    return " or ".join(filter(None, (provider.key, own, "WEBHOOK_SECRET")))
