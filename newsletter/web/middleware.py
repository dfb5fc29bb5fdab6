"""Which language a page speaks, which addresses are none, and what is logged when a page fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

from newsletter.web.logs import without_tokens

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
LANGUAGES = tuple(code for code, _ in settings.LANGUAGES)


def activate_language(get_response: GetResponse) -> GetResponse:
    """`?lang=` wins, then the editor's own language, then Accept-Language, then the first of LANGUAGES."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with translation.override(_wanted(request)):
            response = get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or LANGUAGES[0])
        patch_vary_headers(response, ["Accept-Language"])
        return response

    return middleware


def _wanted(request: HttpRequest) -> str:
    asked = request.GET.get("lang", "")
    if asked in LANGUAGES:
        return asked
    if request.path.startswith("/studio/") and request.user.is_authenticated:
        return request.user.language  # elsewhere the session stays unread, so that no reader's page touches a cookie
    for accepted in request.headers.get("Accept-Language", "").split(","):
        code = accepted.partition(";")[0].strip().lower().partition("-")[0]
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]


def allow_unsubscribe_on_any_host(get_response: GetResponse) -> GetResponse:
    """A one-click unsubscription counts whatever Host a mail service or a proxy writes (RFC 8058; S-15)."""
    own = urlsplit(settings.SITE_URL).netloc

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path.startswith("/u/"):
            request.META["HTTP_HOST"] = own
        return get_response(request)

    return middleware


def refuse_nul(get_response: GetResponse) -> GetResponse:
    """No parameter of ours holds a NUL, and PostgreSQL fails on one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in a parameter")
        return get_response(request)

    return middleware


def log_failures(get_response: GetResponse) -> GetResponse:
    """One line for each answer of 500 and above, its path without tokens."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code >= 500 and not getattr(response, "is_an_answer", False):
            logger.error(
                "page failed",
                extra={"status": response.status_code, "path": without_tokens(request.path), "method": request.method},
            )
        return response

    return middleware


class LoginByDefaultMiddleware(LoginRequiredMiddleware):
    """Every view asks for a login unless it is marked public; on a public one the session is not even looked at.

    Django looks first and asks for the mark afterwards, and then answers a dead session cookie with Set-Cookie, which
    a one-click unsubscribe must not do (RFC 8058).
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)
