"""The caught mail: everything that would have been sent, as it would have been sent. Only on and from this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from workers.routes import mailbox

View = Callable[..., HttpResponse]

PER_PAGE = 50
SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
MESSAGE_CSP = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    f"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
)


def local_only(view: View) -> View:
    """404 unless mail is caught here and the visitor sits at this machine, without a proxy in between."""

    @login_not_required
    @never_cache
    @require_safe
    @wraps(view)
    def shown(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        if not settings.EMBEDDED or not _is_loopback(request):
            raise Http404
        return view(request, *args, **kwargs)

    return shown


def _is_loopback(request: HttpRequest) -> bool:
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _read_or_404(name: str) -> mailbox.OpenedMessage:
    try:
        return mailbox.open_message(name)
    except mailbox.NoSuchMessage:
        raise Http404 from None


@local_only
def message_list(request: HttpRequest) -> HttpResponse:
    """Newest first; `?to=` keeps those to addresses that contain it."""
    to = request.GET.get("to", "").strip()
    page = request.GET.get("page", "1")
    number = max(1, min(int(page), 10_000)) if page.isdecimal() else 1
    found = mailbox.messages(limit=PER_PAGE + 1, offset=(number - 1) * PER_PAGE, to=to)
    context = {
        "mails": found[:PER_PAGE],
        "to": to,
        "older": number + 1 if len(found) > PER_PAGE else 0,
        "newer": number - 1,
    }
    return render(request, "mailbox/list.html", context)


@local_only
def message_detail(request: HttpRequest, name: str) -> HttpResponse:
    context = {"mail": _read_or_404(name), "sandbox": SANDBOX}
    return render(request, "mailbox/message.html", context)


@local_only
@xframe_options_sameorigin
def message_html(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML part by itself, with a policy that allows nothing but its pictures and styles."""
    opened = _read_or_404(name)
    if not opened.html:
        raise Http404
    # Its links are to open in place of the whole page, not inside the frame.
    framed = opened.html.replace("<head>", '<head><base target="_top">', 1)
    response = HttpResponse(framed)
    response["Content-Security-Policy"] = MESSAGE_CSP
    response["Referrer-Policy"] = "no-referrer"
    return response


@local_only
def download_message(request: HttpRequest, name: str) -> HttpResponse:
    """The very bytes that would have been sent."""
    opened = _read_or_404(name)
    response = HttpResponse(opened.source, content_type="message/rfc822")
    response["Content-Disposition"] = f'attachment; filename="{opened.caught.name}"'
    return response
