"""Middleware: the language of a page, NUL in parameters, one-click requests with any Host, failures in the log."""

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
    """Activate the language: `?lang=`, then the editor's language, then Accept-Language, then the first of LANGUAGES."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with translation.override(_requested_language(request)):
            response = get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or LANGUAGES[0])
        patch_vary_headers(response, ["Accept-Language"])
        return response

    return middleware


def _requested_language(request: HttpRequest) -> str:
    requested = request.GET.get("lang", "")
    if requested in LANGUAGES:
        return requested
    if request.path.startswith("/studio/") and request.user.is_authenticated:
        return request.user.language  # elsewhere the session is not read, so that no public page varies on a cookie
    for accepted in request.headers.get("Accept-Language", "").split(","):
        code = accepted.partition(";")[0].strip().lower().partition("-")[0]
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]


def allow_unsubscribe_on_any_host(get_response: GetResponse) -> GetResponse:
    """Accept one-click unsubscribe requests with any Host header, because mail services and proxies change it (RFC
    8058; S-15).
    """
    own = urlsplit(settings.SITE_URL).netloc

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path.startswith("/u/"):
            request.META["HTTP_HOST"] = own
        return get_response(request)

    return middleware


def refuse_nul(get_response: GetResponse) -> GetResponse:
    """Answer 400 to a NUL in a parameter. No parameter needs one, and PostgreSQL fails on it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in a parameter")
        return get_response(request)

    return middleware


def log_failures(get_response: GetResponse) -> GetResponse:
    """Log one line for each response with status 500 and above, with the path without tokens."""

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
    """Require a login for every view that is not marked as public. On public views the session is not read.

    Django's middleware reads the session before it checks the mark, and answers a dead session cookie with Set-Cookie.
    A one-click unsubscribe response must not do that (RFC 8058).
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
