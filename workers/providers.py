"""The table of providers: how Warta sends through each, reads its events and looks up messages.

Routes, webhooks, look-ups, checks and pages read it; no other module lists providers. A provider is added by one entry
(docs/add-a-provider.md). Functions are dotted paths, so that importing this module loads neither Anymail nor a client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MEGABYTE = 1_000_000
PLAIN_KINDS = frozenset({"mailbox", "discard", "smtp", "smtps"})
"""Kinds of route without a provider."""


@dataclass(frozen=True, slots=True)
class MergeSyntax:
    """How a provider marks a place that it fills in for each reader."""

    opening: str
    closing: str
    strange: re.Pattern[str]
    """Matches the first sign of anything else that the provider would fill in or take for a place."""

    def place(self, key: str) -> str:
        return f"{self.opening}{key}{self.closing}"


@dataclass(frozen=True, slots=True)
class Merge:
    """How one call sends a text to many readers."""

    backend: str
    """Path of the Anymail backend."""
    max_recipients: int
    """Readers a call, by the provider's documentation (`Provider.limits_url`)."""
    syntax: MergeSyntax
    read: str
    """Path of a function (response, count) that returns each reader's result, or None if the answer names none."""
    keeps_message_ids: bool = False
    """Whether each copy leaves with the Message-ID that Warta gives it; otherwise the provider makes one."""
    all_headers: bool = False
    """A copy's own headers replace those of the whole call, so each copy gets all headers."""
    marks_calls: bool = False
    """Messages can be looked up by a tag of their call."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the backend."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """How the provider's events arrive and what proves their origin."""

    view: str = ""
    """Path of the Anymail view that reads a post."""
    parse: str = ""
    """Path of a function (request) that returns the events, for a provider that `view` cannot authenticate."""
    key: str = ""
    """Environment variable with the key that posts are signed with; "" if the provider signs nothing."""
    key_argument: str = ""
    """The view's argument for that key; "" if Warta checks the signature itself."""
    key_check: str = ""
    """Path of a function (key) that raises ValueError if the key cannot be read."""
    is_key_needed: bool = False
    """Anymail's view refuses to work without the key."""
    topics: str = ""
    """Setting that lists the senders of signed posts, for a provider without a key."""
    signature_check: str = ""
    """Path of a function (request, key) that raises if the signature is wrong, where the view checks none."""
    signed_at: str = ""
    """Path of a function (request) that returns the signed time in seconds since 1970; "" if none is signed."""
    view_url: str = ""
    """Path of a function (request) that returns the view's `webhook_url`, where the signature covers the address."""
    asks_for_secret: bool = False
    """Basic authentication is sent only after a 401 answer."""
    counts_event_id_once: bool = False
    """An event id counts once, whatever is posted under it: the signature covers the id, but not the body."""
    most_bytes: int = MEGABYTE


@dataclass(frozen=True, slots=True)
class Provider:
    kind: str
    """Scheme in MAIL_URL, part of the webhook's address, and Anymail's name of the provider in events."""
    name: str
    """Name that people see."""
    backend: str
    """Path of the Anymail backend that sends one message a call."""
    webhook: Webhook
    user: str = "api_key"
    """Backend argument that the user part of the URL gives."""
    password: str = ""
    host: str = ""
    options: tuple[str, ...] = ("api_url",)
    """Options of the URL that are passed to the backend."""
    arguments: str = ""
    """Path of a function (address) that returns the backend's arguments, where the URL parts do not give them."""
    package: str = ""
    """Package that the backend needs and requirements.txt does not install."""
    has_metadata: bool = True
    """Messages carry metadata; otherwise the token that events return travels as a tag."""
    may_track: bool = True
    """Counts opens and rewrites links unless a message forbids it."""
    is_idempotent: bool = False
    """A call repeated under the same Idempotency-Key within a day returns the first call's result."""
    merge: Merge | None = None
    look_up: str = ""
    """Path of a function that asks whether the provider has messages (`message_lookup.LookUpFunction`)."""
    api_url: str = ""
    """Address that `look_up` asks, unless MAIL_URL has another."""
    limits_url: str = ""
    """Where the provider documents its limits of calls and rates."""

    @property
    def can_look_up(self) -> bool:
        return bool(self.look_up) or self.is_idempotent

    @property
    def makes_message_ids(self) -> bool:
        """Whether the provider makes the Message-ID of a copy that it fills in."""
        return self.merge is not None and not self.merge.keeps_message_ids


PROVIDERS: dict[str, Provider] = {
    provider.kind: provider
    for provider in (
        Provider(
            kind="mailgun",
            name="Mailgun",
            backend="anymail.backends.mailgun.EmailBackend",
            host="sender_domain",
            look_up="workers.routes.message_lookup.look_up_mailgun",
            api_url="https://api.mailgun.net/v3/",
            limits_url="https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending",
            merge=Merge(
                backend="workers.routes.anymail_merge.MailgunBackend",
                max_recipients=1000,
                syntax=MergeSyntax(
                    "%recipient.", "%", re.compile(r"%(?=recipient|unsubscribe|mailing_list|tag[._])", re.IGNORECASE)
                ),
                read="workers.routes.anymail_merge.read_mailgun",
                marks_calls=True,
            ),
            webhook=Webhook(
                view="anymail.webhooks.mailgun.MailgunTrackingWebhookView",
                key="MAILGUN_WEBHOOK_SIGNING_KEY",
                key_argument="webhook_signing_key",
                is_key_needed=True,
                signed_at="workers.provider_events.signatures.signed_at_mailgun",
                counts_event_id_once=True,
            ),
        ),
        Provider(
            kind="mailjet",
            name="Mailjet",
            backend="anymail.backends.mailjet.EmailBackend",
            password="secret_key",  # noqa: S106 (the name of an argument)
            look_up="workers.routes.message_lookup.look_up_mailjet",
            api_url="https://api.mailjet.com/v3.1/",
            limits_url="https://dev.mailjet.com/email/guides/send-api-v31/",
            merge=Merge(
                backend="workers.routes.anymail_merge.MailjetBackend",
                max_recipients=50,
                syntax=MergeSyntax("[[var:", "]]", re.compile(r"\[(?=\[)|\{(?=[{%])")),
                read="workers.routes.anymail_merge.read_mailjet",
                all_headers=True,
            ),
            webhook=Webhook(view="anymail.webhooks.mailjet.MailjetTrackingWebhookView"),
        ),
        Provider(
            kind="postmark",
            name="Postmark",
            backend="anymail.backends.postmark.EmailBackend",
            user="server_token",
            options=("api_url", "message_stream"),
            look_up="workers.routes.message_lookup.look_up_postmark",
            api_url="https://api.postmarkapp.com/",
            limits_url="https://postmarkapp.com/developer/api/overview",
            webhook=Webhook(view="anymail.webhooks.postmark.PostmarkTrackingWebhookView"),
        ),
        Provider(
            kind="sendgrid",
            name="SendGrid",
            backend="anymail.backends.sendgrid.EmailBackend",
            limits_url="https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations",
            merge=Merge(
                backend="workers.routes.anymail_merge.SendGridBackend",
                max_recipients=1000,
                syntax=MergeSyntax("-", "-", re.compile(r"<(?=%)|\[(?=unsubscribe|weblink)|%(?=asm_)", re.IGNORECASE)),
                read="workers.routes.anymail_merge.read_sendgrid",
                keeps_message_ids=True,
                arguments={"merge_field_format": "-{}-"},
            ),
            webhook=Webhook(
                view="anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
                key="SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
                key_argument="tracking_webhook_verification_key",
                key_check="workers.provider_events.signatures.check_key_der",
                signed_at="workers.provider_events.signatures.signed_at_sendgrid",
            ),
        ),
        Provider(
            kind="resend",
            name="Resend",
            backend="anymail.backends.resend.EmailBackend",
            may_track=False,
            is_idempotent=True,
            limits_url="https://resend.com/docs/api-reference/rate-limit",
            webhook=Webhook(
                view="anymail.webhooks.resend.ResendTrackingWebhookView",
                key="RESEND_SIGNING_SECRET",
                key_check="workers.provider_events.signatures.check_key_svix",
                signature_check="workers.provider_events.signatures.check_svix",
                signed_at="workers.provider_events.signatures.signed_at_svix",
            ),
        ),
        Provider(
            kind="brevo",
            name="Brevo",
            backend="anymail.backends.brevo.EmailBackend",
            may_track=False,
            limits_url="https://developers.brevo.com/docs/api-limits",
            webhook=Webhook(view="anymail.webhooks.brevo.BrevoTrackingWebhookView"),
        ),
        Provider(
            kind="mailersend",
            name="MailerSend",
            backend="anymail.backends.mailersend.EmailBackend",
            user="api_token",
            has_metadata=False,
            limits_url="https://developers.mailersend.com/general.html#rate-limits",
            webhook=Webhook(
                view="anymail.webhooks.mailersend.MailerSendTrackingWebhookView",
                key="MAILERSEND_SIGNING_SECRET",
                key_argument="signing_secret",
                is_key_needed=True,
            ),
        ),
        Provider(
            kind="mandrill",
            name="Mandrill",
            backend="anymail.backends.mandrill.EmailBackend",
            limits_url="https://mailchimp.com/developer/transactional/docs/fundamentals/",
            webhook=Webhook(
                view="anymail.webhooks.mandrill.MandrillCombinedWebhookView",
                key="MANDRILL_WEBHOOK_KEY",
                key_argument="webhook_key",
                is_key_needed=True,
                view_url="workers.provider_events.signatures.webhook_url",
                most_bytes=4 * MEGABYTE,  # up to 1,000 events of 1 to 2 kB, each byte of JSON percent-encoded
            ),
        ),
        Provider(
            kind="ses",
            name="Amazon SES",
            backend="anymail.backends.amazon_ses.EmailBackend",
            options=("configuration_set_name", "endpoint"),
            arguments="workers.routes.amazon_ses.backend_arguments",
            package="boto3",
            may_track=False,
            limits_url="https://docs.aws.amazon.com/ses/latest/dg/quotas.html",
            webhook=Webhook(
                parse="workers.provider_events.sns.parse_request", topics="SES_TOPICS", asks_for_secret=True
            ),
        ),
    )
}

UNFIT_PROVIDERS = {
    "mailtrap": "it personalises only templates that are stored with it",
    "postal": "its events carry no token of ours, so anybody could forge them",
    "scaleway": "it reports neither bounces nor complaints",
    "sparkpost": "it drops the List-Unsubscribe header silently, so one-click unsubscribe does not work",
    "unisender": "it allows the List-Unsubscribe header only after a manual approval",
}
"""Known providers that cannot send newsletters, and the reason."""


def can_look_up(kind: str) -> bool:
    return kind in PROVIDERS and PROVIDERS[kind].can_look_up


def is_idempotent(kind: str) -> bool:
    return kind in PROVIDERS and PROVIDERS[kind].is_idempotent


def makes_message_ids(kind: str) -> bool:
    return kind in PROVIDERS and PROVIDERS[kind].makes_message_ids


def display_names(kinds: Iterable[str]) -> list[str]:
    return [PROVIDERS[kind].name for kind in kinds if kind in PROVIDERS]


def check_mail_kinds() -> None:
    """Raise ImproperlyConfigured for a route of MAIL_URL whose kind is unknown or unfit.

    The app's `ready` calls it, because settings may not import this module.
    """
    for url in settings.MAIL_ROUTES:
        kind = urlsplit(url).scheme
        if kind in UNFIT_PROVIDERS:
            remedy = "See docs/add-a-provider.md for supported providers; most providers also have an SMTP server."
            raise ImproperlyConfigured(
                f"MAIL_URL: newsletters cannot be sent by {kind}: {UNFIT_PROVIDERS[kind]}. {remedy}"
            )
        if kind not in PROVIDERS and kind not in PLAIN_KINDS:
            known = ", ".join(sorted({*PROVIDERS, *PLAIN_KINDS}))
            raise ImproperlyConfigured(
                f"MAIL_URL: {kind or url.split(':')[0]!r} is not a kind of route. Start with one of: {known}."
            )
