"""Refuse to start with a provider whose events cannot be authenticated: anybody could suppress readers then (T-42)."""

from __future__ import annotations

import binascii
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from workers.provider_events import webhook_settings
from workers.providers import PROVIDERS, Provider


@register()
def check_webhook_secrets(app_configs: object, **_: object) -> list[CheckMessage]:
    kinds = {urlsplit(route).scheme for route in settings.MAIL_ROUTES}
    used = [provider for kind, provider in sorted(PROVIDERS.items()) if kind in kinds]
    errors: list[CheckMessage] = [_missing(one) for one in used if webhook_settings.missing_settings(one)]
    errors += [
        Error(
            f"{one.webhook.key}: what it holds is no key of {one.kind}.",
            hint="Copy the key once more from the provider's page of webhooks.",
            id="workers.E002",
        )
        for one in PROVIDERS.values()
        if not _is_readable(one)
    ]
    return errors + [_not_installed(one) for one in used if one.package and find_spec(one.package) is None]


def _missing(provider: Provider) -> Error:
    names = webhook_settings.missing_settings(provider)
    fact = f"{names}: not set, but {provider.kind} reports bounces and complaints, which anybody could forge then."
    if provider.webhook.topics:
        remedy = "Name the SNS topics that SES reports to, such as SES_TOPICS=arn:aws:sns:eu-west-1:123456789012:warta."
    elif provider.webhook.is_key_needed:
        remedy = "Copy it from the provider's page of webhooks."
    else:
        remedy = "Set a secret such as name:long-random-password, and give the provider the same in our address."
    return Error(fact, hint=f"{remedy} docs/receive-bounces.md has the steps.", id="workers.E001")


def _not_installed(provider: Provider) -> Error:
    file = f"requirements-{provider.kind}.txt"
    remedy = f"Run pip install --require-hashes --requirement {file}, here and for every worker."
    fact = f"MAIL_URL: {provider.kind} needs {provider.package}, which is not installed."
    return Error(fact, hint=remedy, id="workers.E003")


def _is_readable(provider: Provider) -> bool:
    key = webhook_settings.signing_key(provider)
    try:
        if key and provider.webhook.key_check:
            import_string(provider.webhook.key_check)(key)
        key.encode("ascii")
    except (ValueError, binascii.Error):
        return False
    return True
