"""What happens by itself, how often and why. Beat only wakes; every task finds its due work in the database."""

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
    """A time of day instead of a steady beat; `every` then only says when a missed one is too old."""


PERIODIC_TASKS = (
    PeriodicTask("admit sign-ups", "admit", timedelta(seconds=1), "a visitor waits for the confirmation mail"),
    PeriodicTask("send notices", "notify", timedelta(seconds=1), "a visitor waits for the confirmation mail"),
    PeriodicTask("begin due issues", "begin", timedelta(seconds=1), "an issue leaves at its minute, not after it"),
    PeriodicTask("wake senders", "dispatch", timedelta(seconds=1), "free slots take waiting batches, whatever was lost"),
    PeriodicTask("look at issues", "look", timedelta(seconds=1), "an editor waits for the links, or an issue for its begin"),
    PeriodicTask("beat", "beat", timedelta(seconds=5), "/readyz tells whether workers do their ticks"),
    PeriodicTask("recover", "recover", timedelta(seconds=15), "lost leases, deferred readers and the end of an issue"),
    PeriodicTask("recount", "recount", timedelta(seconds=15), "the progress page and the reports follow the hits"),
    PeriodicTask("collect articles", "collect", timedelta(minutes=1), "new articles are there when an editor looks"),
    PeriodicTask("prepare drafts", "prepare", timedelta(minutes=1), "the draft is there at the minute the settings promise"),
    PeriodicTask(
        "forget", "forget", timedelta(days=1), "what need not be kept goes, while few people read",
        at=crontab(hour="2", minute="30"),
    ),
)  # fmt: skip


def beat_schedule() -> dict[str, dict[str, Any]]:
    """The beat table. Each message dies after one period, so that hours without a worker pile nothing up."""
    return {
        entry.name: {
            "task": entry.task,
            "schedule": entry.at or entry.every,
            "options": {"expires": entry.every.total_seconds()},
        }
        for entry in PERIODIC_TASKS
    }
