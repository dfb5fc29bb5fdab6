"""`/webhooks/<provider>/tracking/` receives events. It answers 404 for a provider without a secret or topic (T-42).

Anymail parses the posts and checks the signatures it supports. `signatures` and `sns` check the rest. The package
`provider_events` decides what follows.
"""

from __future__ import annotations

import logging
import sys
import warnings

from anymail.exceptions import AnymailError, AnymailInsecureWebhookWarning, AnymailNotSupportedWarning
from anymail.exceptions import AnymailWebhookValidationFailure as Invalid
from anymail.signals import AnymailTrackingEvent
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from workers import provider_events
from workers.provider_events import signatures, sns, webhook_settings
from workers.providers import PROVIDERS, Provider

logger = logging.getLogger(__name__)

UNREADABLE_ERRORS = (
    *(AnymailError, SuspiciousOperation, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(OSError, OverflowError, RecursionError),
)
"""Errors that a malformed post can raise."""

# `checks` reports both at the start and names the variable.
warnings.filterwarnings("ignore", category=AnymailInsecureWebhookWarning)
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)


@csrf_exempt
@login_not_required
@require_http_methods(["POST", "HEAD"])
def tracking_webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Receive one post. 200: stored; 400: not authentic; 401: secret missing; 413: too large; 503: try again later."""
    one = PROVIDERS.get(provider)
    if one is None or not webhook_settings.is_configured(one):
        return HttpResponse(status=404)
    if request.method == "HEAD":
        return HttpResponse()  # some providers check the address by HEAD
    if one.webhook.asks_for_secret and webhook_settings.webhook_secret(one) and "Authorization" not in request.headers:
        # SNS sends the secret only after a 401.
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="Warta"'})
    if _length(request) > one.webhook.most_bytes:
        return _refused(provider, "too large", status=413)
    try:
        events = _own_events(request, one) if one.webhook.parse else _events(request, one)
    except sns.TemporaryFetchError:
        return _refused(provider, "certificate not reached", status=503)
    except UNREADABLE_ERRORS as error:
        # Never log the error's text: it may contain the address with the secret, or the body (T-45).
        return _refused(provider, type(error).__name__)
    provider_events.receive(events, provider=provider, now=timezone.now())
    return HttpResponse()


def _length(request: HttpRequest) -> int:
    announced = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(announced) if announced.isdecimal() and len(announced) < 12 else sys.maxsize


def _refused(provider: str, reason: str, *, status: int = 400) -> HttpResponse:
    logger.warning("provider event refused", extra={"provider": provider, "reason": reason})
    return HttpResponse(status=status)


def _events(request: HttpRequest, provider: Provider) -> list[AnymailTrackingEvent]:
    """The events of a post, after its signature was checked. Raises one of UNREADABLE_ERRORS."""
    view = _view(request, provider)
    view.run_validators(request)
    signatures.check_signature(request, provider, now=timezone.now())
    events: list[AnymailTrackingEvent] = view.parse_events(request)
    return events


def _view(request: HttpRequest, provider: Provider):  # type: ignore[no-untyped-def]  # Anymail has no types
    """A new view for each post, because Anymail's views keep state."""
    secret, webhook = webhook_settings.webhook_secret(provider), provider.webhook
    arguments: dict[str, object] = {"webhook_secret": [secret] if secret else []}
    if webhook.key_argument and (key := webhook_settings.signing_key(provider)):
        arguments[webhook.key_argument] = key
    if webhook.view_url:
        arguments["webhook_url"] = import_string(webhook.view_url)(request)
    return import_string(webhook.view)(**arguments)


def _own_events(request: HttpRequest, provider: Provider) -> list[AnymailTrackingEvent]:
    """The events of a post that Warta authenticates itself. Raises one of UNREADABLE_ERRORS."""
    if (secret := webhook_settings.webhook_secret(provider)) and not signatures.has_valid_secret(request, secret):
        raise Invalid("the basic authentication is missing or wrong")
    events: list[AnymailTrackingEvent] = import_string(provider.webhook.parse)(request)
    return events
