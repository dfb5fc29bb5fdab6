"""Celery tasks. Each reads ids, calls one function and returns a count.

Tasks ignore unknown keywords: a newer release may have sent them during an upgrade.
"""

from __future__ import annotations

from django.utils import timezone

from newsletter import articles
from subscribers import signup
from workers import health, provider_events
from workers.celery import Queue, app, is_stopping
from workers.notifications import draft_ready, outbox
from workers.operations import retention
from workers.reporting import issue_figures
from workers.routes.base import boottime
from workers.sending import lifecycle, slow_checks
from workers.sending.late_start import ClockWatch

_clock_watch = ClockWatch()


@app.task(name="admit")
def admit(**_: object) -> int:
    return signup.admit_due(now=timezone.now())


@app.task(name="notify")
def notify(**_: object) -> int:
    return outbox.send_due(now=timezone.now())


@app.task(name="begin")
def begin(**_: object) -> int:
    now = timezone.now()
    begun = wake_senders(lifecycle.begin_due(now=now, jumped_from=_clock_watch.jumped_from(now=now, tick=boottime())))
    lifecycle.freeze_scheduled(now=now)  # after the due issues, which must not wait for it
    return begun


@app.task(name="dispatch")
def dispatch(**_: object) -> int:
    return wake_senders(lifecycle.dispatch(now=timezone.now()))


@app.task(name="send", queue=Queue.BULK, soft_time_limit=170, time_limit=180)
def send(*, issue_id: int, **_: object) -> int:
    """The limits are longer than all timeouts of a silent provider, so that its breaker opens before the task is ended."""
    return lifecycle.send(issue_id, is_stopping=is_stopping)


@app.task(name="look")
def look(**_: object) -> int:
    """Queue the checks that are due. A second message for the same issue does nothing."""
    waiting = slow_checks.due_issues(now=timezone.now())
    for issue_id in waiting:
        check.apply_async(kwargs={"issue_id": issue_id}, expires=2)
    return len(waiting)


@app.task(name="check", queue=Queue.FETCH, soft_time_limit=100, time_limit=110)
def check(*, issue_id: int, **_: object) -> int:
    return slow_checks.check(issue_id, now=timezone.now())


@app.task(name="beat")
def beat(**_: object) -> None:
    health.record_heartbeat(now=timezone.now())


@app.task(name="recover")
def recover(**_: object) -> int:
    return lifecycle.recover(now=timezone.now()) + provider_events.apply_released(now=timezone.now())


@app.task(name="recount")
def recount(**_: object) -> int:
    return issue_figures.recount(now=timezone.now())


@app.task(name="collect", queue=Queue.FETCH, soft_time_limit=240, time_limit=300)
def collect(**_: object) -> int:
    """Read pasted addresses first, because an editor waits for them, then due sources."""
    return articles.read_due_candidates(now=timezone.now()) + articles.collect_due(now=timezone.now())


@app.task(name="prepare")
def prepare(**_: object) -> int:
    return draft_ready.prepare_due(now=timezone.now())


@app.task(name="forget")
def forget(**_: object) -> int:
    return retention.apply_rules(now=timezone.now())


def wake_senders(issue_ids: list[int]) -> int:
    """Queue one `send` per entry. A surplus one finds nothing to claim and ends."""
    for issue_id in issue_ids:
        send.apply_async(kwargs={"issue_id": issue_id}, expires=60)
    return len(issue_ids)
