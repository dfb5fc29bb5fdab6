"""Tracking as most projects do it: a Django view that inserts a row and answers with the picture."""

from __future__ import annotations

# First, because it sets Django up, which the models need.
from newsletter.wsgi import application

# isort: split
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from subscribers import tokens
from workers import supervisor
from workers.models import Event

__all__ = ["application", "urlpatterns"]
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"


@login_not_required
def pixel(request: HttpRequest, token: str) -> HttpResponse:
    issue, subscription = tokens.read_hit(token)
    agent = request.headers.get("User-Agent", "")[:200]
    Event.objects.create(issue=issue, subscription=subscription, kind="opened", occurred_at=timezone.now(), agent=agent)
    return HttpResponse(GIF, content_type="image/gif", headers={"Cache-Control": "no-store"})


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [path("t/<str:token>.gif", pixel), path("healthz", health)]

supervisor.die_with_supervised_parent()
