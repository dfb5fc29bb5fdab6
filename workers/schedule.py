"""Periodic tasks: how often each runs and why. Beat only sends messages; each task finds its due work in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery.schedules import crontab


@dataclass(frozen=True)
class PeriodicTask:
    name: str
    task: str
    every: timedelta
    why: str
    at: crontab | None = None
    """A time of day instead of an interval. `every` is then only the age at which an unread message expires."""


PERIODIC_TASKS = (
    PeriodicTask("admit sign-ups", "admit", timedelta(seconds=1), "a visitor waits for the confirmation mail"),
    PeriodicTask("send notices", "notify", timedelta(seconds=1), "a visitor waits for the confirmation mail"),
    PeriodicTask("begin due issues", "begin", timedelta(seconds=1), "an issue starts at its minute, not after it"),
    PeriodicTask("wake senders", "dispatch", timedelta(seconds=1), "free slots take waiting batches, even if a message was lost"),
    PeriodicTask("look at issues", "look", timedelta(seconds=1), "an editor waits for the link check, or an issue for its start"),
    PeriodicTask("beat", "beat", timedelta(seconds=5), "/readyz reports whether workers run their ticks"),
    PeriodicTask("recover", "recover", timedelta(seconds=15), "expired leases, deferred readers and the end of an issue"),
    PeriodicTask("recount", "recount", timedelta(seconds=15), "the progress page and the reports follow the hits"),
    PeriodicTask("collect articles", "collect", timedelta(minutes=1), "new articles are there when an editor looks"),
    PeriodicTask("prepare drafts", "prepare", timedelta(minutes=1), "the draft is there at the minute the settings promise"),
    PeriodicTask(
        "forget", "forget", timedelta(days=1), "expired data are deleted while few people read",
        at=crontab(hour="2", minute="30"),
    ),
)  # fmt: skip


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Celery's `beat_schedule`. Each message expires after one period, so that none pile up while no worker runs."""
    return {
        entry.name: {
            "task": entry.task,
            "schedule": entry.at or entry.every,
            "options": {"expires": entry.every.total_seconds()},
        }
        for entry in PERIODIC_TASKS
    }
