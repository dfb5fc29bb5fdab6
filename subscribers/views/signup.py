"""The hosted sign-up page, and the one endpoint of every box."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from newsletter.languages import reader_words
from newsletter.models import Newsletter
from newsletter.web import client_address, page_language
from subscribers import signup
from subscribers.models import (
    SignupForm,
    SignupRequest,
)
from subscribers.signup import limits
from subscribers.views import forms, responses

logger = logging.getLogger(__name__)


@login_not_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    form = signup.hosted_form()
    return _render_page(request, form, language=_page_language(request, form))


def _page_language(request: HttpRequest, form: SignupForm | None, preferred: str = "") -> str:
    return responses.language_for(request, preferred, signup.offered_newsletters(form) if form else None)


def _render_page(
    request: HttpRequest, form: SignupForm | None, *, language: str, status: int = 200, **shown: Any
) -> HttpResponse:
    """The page with the box; `shown` is what the visitor had typed, and what is wrong with it."""
    newsletters = list(signup.offered_newsletters(form)) if form else []
    with responses.speak(language, newsletters[0] if newsletters else None):
        here = shown.pop("page_url", "") or f"{settings.SITE_URL}{reverse('signup')}"
        context = {
            "newsletter": newsletters[0] if newsletters else Newsletter.objects.first(),
            "newsletters": newsletters,
            "latest": responses.latest_issues(newsletters, language),
            "box": form and signup.box_context(form, language=language, page_url=here, hosted=True, **shown),
        }
        return responses.render_page(
            request,
            "signup",
            context,
            language=language,
            languages=page_language.offered_languages(newsletters) or None,
            status=status,
        )


@csrf_exempt
@login_not_required
@require_http_methods([*responses.SAFE_METHODS, "POST"])
def submit(request: HttpRequest, form: str) -> HttpResponse:
    """The one endpoint of every box; GET shows its page. Its answer never depends on the address's state (T-01)."""
    box_form = get_object_or_404(SignupForm, slug=form, is_active=True)
    if request.method != "POST":
        return _render_page(request, box_form, language=_page_language(request, box_form))
    origin = request.headers.get("Origin", "")
    if origin and not _may_post(request, box_form, origin):
        response = _refuse_origin(request, box_form)
    else:
        response = _handle_submission(request, box_form, is_foreign=bool(origin) and not _is_ours(request, origin))
    if origin and origin in box_form.allowed_origins:
        response["Access-Control-Allow-Origin"] = origin
    patch_vary_headers(response, ["Origin", "Accept"])
    response["Cache-Control"] = "no-store"
    return response


def _is_ours(request: HttpRequest, origin: str) -> bool:
    return origin in {settings.SITE_URL, f"{request.scheme}://{request.get_host()}"}


def _may_post(request: HttpRequest, form: SignupForm, origin: str) -> bool:
    return _is_ours(request, origin) or origin in form.allowed_origins


def _handle_submission(request: HttpRequest, form: SignupForm, *, is_foreign: bool) -> HttpResponse:
    now = timezone.now()
    sent = forms.SignupBoxForm(request.POST, form=form)
    language = _page_language(request, form, request.POST.get("language", ""))
    with responses.speak(language, next(iter(sent.offered), None)):
        address = client_address.get_client_address(request)
        if limits.is_network_over_limit(limits.network_prefix(address), now=now) or limits.is_form_over_limit(
            form, now=now
        ):
            logger.warning("sign-ups limited", extra={"form": form.pk})
            return _respond_invalid(request, sent, {"busy": _too_many_message()}, language=language, status=429)
        try:
            trap = sent.is_robot(origin_is_foreign=is_foreign, now=now)
        except limits.ExpiredStamp:
            return _respond_invalid(request, sent, {"busy": _open_too_long_message()}, language=language, status=422)
        if not sent.is_valid():
            return _respond_invalid(request, sent, sent.messages, language=language, status=422)
        return _respond_accepted(request, _accept(request, sent, language=language, trap=trap, now=now))


def _too_many_message() -> str:
    return _("Many people are signing up from your network right now. Please try again in ten minutes.")


def _open_too_long_message() -> str:
    return _("This page was open for a long time. Please press the button again.")


def _accept(
    request: HttpRequest, sent: forms.SignupBoxForm, *, language: str, trap: bool, now: datetime
) -> SignupRequest:
    texts = signup.agreed_texts(
        sent.chosen, language=language, shown=sent.ids("text"), measured=sent.ids("measurement"), now=now
    )
    return signup.accept(
        sent.form,
        email=sent.cleaned_data["email"],
        newsletters=sent.chosen,
        language=language,
        page_url=sent.cleaned_data["page"],
        consent_texts=texts,
        ip=client_address.get_client_address(request),
        user_agent=request.headers.get("User-Agent", ""),
        trap=trap,
        now=now,
    )


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _respond_accepted(request: HttpRequest, accepted: SignupRequest) -> HttpResponse:
    address = reverse("check-inbox", args=[accepted.public_id])
    if not _wants_json(request):
        return responses.SeeOther(address)
    return JsonResponse(
        {"status": "check_inbox", "url": settings.SITE_URL + address, **describe_confirmation_mail(accepted)}
    )


def describe_confirmation_mail(accepted: SignupRequest) -> dict[str, str]:
    """Sender and subject of the mail that is on its way, to the letter."""
    newsletter = accepted.newsletters.order_by("pk").first()
    if newsletter is None:
        raise Http404("This sign-up asks for no newsletter")
    return {
        "sender": f"{newsletter.from_name} <{newsletter.from_email}>",
        "subject": signup.confirmation_subject(newsletter, accepted.language),
        "email": accepted.email,
    }


def confirmation_language(accepted: SignupRequest) -> str:
    """The language of that mail's words."""
    newsletter = accepted.newsletters.order_by("pk").first()
    return reader_words.words_language(accepted.language, newsletter.fixed_words_language if newsletter else "")


def _respond_invalid(
    request: HttpRequest, sent: forms.SignupBoxForm, errors: dict[str, str], *, language: str, status: int
) -> HttpResponse:
    """The box once more, with what was typed and what is wrong."""
    if _wants_json(request):
        return JsonResponse({"status": "invalid" if status == 422 else "busy", "errors": errors}, status=status)
    return _render_page(
        request,
        sent.form,
        language=language,
        status=status,
        page_url=str(sent.posted.get("page", "")),
        email=str(sent.posted.get("email", ""))[:320],
        chosen=[newsletter.pk for newsletter in sent.chosen],
        measured=sent.ids("measurement"),
        errors=errors,
    )


def _refuse_origin(request: HttpRequest, form: SignupForm) -> HttpResponse:
    language = _page_language(request, form, request.POST.get("language", ""))
    if _wants_json(request):
        return JsonResponse({"status": "refused"}, status=403)
    return responses.render_lost(request, language=language, kind="origin", status=403)
