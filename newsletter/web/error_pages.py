"""Error pages: not found, forbidden, broken. They never show a traceback and always suggest a next step."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "errors/403.html", status=403)


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without valid CSRF token: usually a page that was open too long, or disabled cookies."""
    return render(request, "errors/form_expired.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "errors/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "errors/500.html", status=500)
