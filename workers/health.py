"""Liveness and readiness endpoints, for load balancers and monitoring."""

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
    """Store the time of a worker's tick in the shared cache, where every web host can read it."""
    cache.set(HEARTBEAT_CACHE_KEY, now.timestamp(), timeout=None)


def find_failures(*, now: datetime) -> dict[str, str]:
    """Return the failing parts with a message each; {} if the service is ready. No message names a host or a secret."""
    try:
        if has_pending_migrations():
            return {"database": "migrations are pending; run manage.py migrate"}
        last = cache.get(HEARTBEAT_CACHE_KEY)
    except DatabaseError:
        return {"database": "the database does not answer"}
    if last is None or now.timestamp() - float(last) > HEARTBEAT_MAX_AGE.total_seconds():
        return {"workers": "no worker has done a tick within the last minute"}
    return {}


def has_pending_migrations() -> bool:
    """Return True if `manage.py migrate` would do something."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@login_not_required
@never_cache
def liveness(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process runs. Reads no database."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
def readiness(request: HttpRequest) -> HttpResponse:
    """Answer 200 if `find_failures` finds none, else 503 with the failing parts."""
    failures = find_failures(now=timezone.now())
    response = JsonResponse({"ready": not failures, "failings": failures}, status=503 if failures else 200)
    # Monitoring requests this every few seconds. A 503 is a normal answer here, so Django and the middleware do not log it.
    response._has_been_logged = response.is_an_answer = True  # type: ignore[attr-defined]
    return response
