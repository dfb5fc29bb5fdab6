"""`/webhooks/<provider>/tracking/`: providers' events, read by Anymail's views. Open only with a secret (T-42)."""

from __future__ import annotations

import logging
from importlib import import_module
from urllib.parse import urlsplit

from anymail.exceptions import AnymailWebhookValidationFailure
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.checks import CheckMessage, Error, register
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

logger = logging.getLogger(__name__)

VIEWS = {
    "mailgun": ("mailgun", "MailgunTrackingWebhookView"),
    "mailjet": ("mailjet", "MailjetTrackingWebhookView"),
    "postmark": ("postmark", "PostmarkTrackingWebhookView"),
    "sendgrid": ("sendgrid", "SendGridTrackingWebhookView"),
    "resend": ("resend", "ResendTrackingWebhookView"),
    "brevo": ("brevo", "BrevoTrackingWebhookView"),
    "mailersend": ("mailersend", "MailerSendTrackingWebhookView"),
    "mandrill": ("mandrill", "MandrillCombinedWebhookView"),
}
"""Amazon SES is not among them: Anymail does not check the signature of its messages (T-41)."""


@csrf_exempt
@login_not_required
@require_http_methods(["POST", "HEAD"])
def tracking(request: HttpRequest, provider: str) -> HttpResponse:
    """Anymail checks the secret and the provider's signature, then sends its signal to `workers.feedback`."""
    if provider not in VIEWS or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return HttpResponse(status=404)
    module, name = VIEWS[provider]
    view = getattr(import_module(f"anymail.webhooks.{module}"), name)
    try:
        answer: HttpResponse = view.as_view()(request)
    except (AnymailWebhookValidationFailure, ValueError):
        logger.warning("provider event refused", extra={"provider": provider})
        return HttpResponse(status=400)
    return answer


@register()
def events_need_a_secret(app_configs: object, **_: object) -> list[CheckMessage]:
    """A provider whose events nobody can vouch for would let anybody suppress our readers."""
    kinds = {urlsplit(route).scheme for route in settings.MAIL_ROUTES}
    providers = sorted(kinds & {*VIEWS, "ses"})
    if not providers or settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return []
    fact = f"WEBHOOK_SECRET: it is not set, but {', '.join(providers)} reports bounces and complaints."
    remedy = "Set WEBHOOK_SECRET=name:password, and give the provider the same in the webhook's address."
    return [Error(fact, hint=remedy, id="workers.E001")]
