"""Is this process alive, and is the service able to do its work? For load balancers and for people who watch."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

HEARTBEAT_CACHE_KEY = "worker-heartbeat"
HEARTBEAT_MAX_AGE = timedelta(seconds=60)


def record_heartbeat(*, now: datetime) -> None:
    """A worker did a tick. Kept in the shared cache, so that any web host sees it."""
    cache.set(HEARTBEAT_CACHE_KEY, now.timestamp(), timeout=None)


def find_failures(*, now: datetime) -> dict[str, str]:
    """What keeps the service from working, by part; empty when all is well. No message names a host or a secret."""
    try:
        if has_pending_migrations():
            return {"database": "migrations are pending; run manage.py migrate"}
        last = cache.get(HEARTBEAT_CACHE_KEY)
    except DatabaseError:
        return {"database": "it does not answer"}
    if last is None or now.timestamp() - float(last) > HEARTBEAT_MAX_AGE.total_seconds():
        return {"workers": "no worker has done a tick within the last minute"}
    return {}


def has_pending_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@login_not_required
@never_cache
def liveness(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
def readiness(request: HttpRequest) -> HttpResponse:
    wrong = find_failures(now=timezone.now())
    response = JsonResponse({"ready": not wrong, "failings": wrong}, status=503 if wrong else 200)
    # Asked every few seconds, and a "no" is an answer, not a fault: neither Django nor our middleware need log it.
    response._has_been_logged = response.is_an_answer = True  # type: ignore[attr-defined]
    return response
