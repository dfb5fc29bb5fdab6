"""No start with a provider whose events nobody can vouch for: then anybody could suppress our readers (T-42)."""

from __future__ import annotations

import base64
import binascii
from importlib.util import find_spec
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from workers.provider_events import providers


@register()
def check_webhook_secrets(app_configs: object, **_: object) -> list[CheckMessage]:
    kinds = {urlsplit(route).scheme for route in settings.MAIL_ROUTES}
    used = [provider for kind, provider in sorted(providers.PROVIDERS.items()) if kind in kinds]
    errors: list[CheckMessage] = [_missing(one) for one in used if providers.missing_settings(one)]
    errors += [
        Error(
            f"{one.key}: what it holds is no key of {one.kind}.",
            hint="Copy the key once more from the provider's page of webhooks.",
            id="workers.E002",
        )
        for one in providers.PROVIDERS.values()
        if not _is_readable(one)
    ]
    if "ses" in kinds and find_spec("boto3") is None:
        remedy = "Run pip install --require-hashes --requirement requirements-ses.txt, here and for every worker."
        errors.append(Error("MAIL_URL: ses needs boto3, which is not installed.", hint=remedy, id="workers.E003"))
    return errors


def _missing(provider: providers.Provider) -> Error:
    names = providers.missing_settings(provider)
    fact = f"{names}: not set, but {provider.kind} reports bounces and complaints, which anybody could forge then."
    if provider.kind == "ses":
        remedy = "Name the SNS topics that SES reports to, such as SES_TOPICS=arn:aws:sns:eu-west-1:123456789012:warta."
    elif provider.is_key_needed:
        remedy = "Copy it from the provider's page of webhooks."
    else:
        remedy = "Set a secret such as name:long-random-password, and give the provider the same in our address."
    return Error(fact, hint=f"{remedy} docs/receive-bounces.md has the steps.", id="workers.E001")


def _is_readable(provider: providers.Provider) -> bool:
    key = providers.signing_key(provider)
    try:
        if key and provider.kind == "sendgrid":
            load_der_public_key(base64.b64decode(key))
        if key and provider.kind == "resend":
            base64.b64decode(key.removeprefix("whsec_"), validate=True)
        key.encode("ascii")
    except (ValueError, binascii.Error):
        return False
    return True
