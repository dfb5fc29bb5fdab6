"""The Celery app. A message only wakes a worker: all state is in the database, so a lost message costs one tick.

Only worker processes import this. Messages are JSON and hold ids, never addresses. No task has an ETA: times of sending
are rows in the database.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import signal
import threading
import time
import warnings
from enum import StrEnum
from pathlib import Path
from queue import Empty
from typing import Any, Protocol
from uuid import uuid4

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from kombu import Queue as Channel
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")

from django.conf import settings

from workers import schedule, supervisor

logger = logging.getLogger(__name__)

SETTLE_INTERVAL_S = 15.0
BEAT_CHECK_INTERVAL_S = 1.0

# Celery warns of pickle when it runs as root. Only JSON is accepted here, and deploy/ runs workers as their own user.
warnings.filterwarnings("ignore", category=SecurityWarning)


class Queue(StrEnum):
    PROMPT = "prompt"
    """Ticks and single mails. They never wait for an issue that is being sent."""
    BULK = "bulk"
    FETCH = "fetch"


class FolderChannel(filesystem.Channel):
    """kombu's filesystem channel, without partly written messages: each message is put and taken by one rename."""

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        name, folder = uuid4(), Path(self.data_folder_out)
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text(dumps(payload))
        unfinished.rename(folder / f"{time.time_ns():020d}_{name}.{queue}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for file in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            with contextlib.suppress(FileNotFoundError):  # another worker took it first
                taken = file.rename(Path(self.processed_folder) / file.name)
                payload = loads(taken.read_text())
                taken.unlink()
                return payload
        raise Empty


class FolderTransport(filesystem.Transport):
    Channel = FolderChannel
    polling_interval = 0.1

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Return after half a second at most, so that the worker soon notices that it should stop."""
        super().drain_events(connection, timeout=min(timeout or 0.5, 0.5))


TRANSPORT_ALIASES["filesystem"] = f"{__name__}:FolderTransport"


def broker_url() -> str:
    """BROKER_URL, with a host where kombu would warn that there is none."""
    return "filesystem://localhost/" if settings.BROKER_URL.startswith("filesystem:") else settings.BROKER_URL


def transport_options(url: str) -> dict[str, Any]:
    if url.startswith("filesystem:"):
        folders = {name: settings.BROKER_DIR / name for name in ("messages", "control", "taken")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        return {
            "data_folder_in": str(folders["messages"]),
            "data_folder_out": str(folders["messages"]),
            "control_folder": str(folders["control"]),
            "processed_folder": str(folders["taken"]),
            "polling_interval": 0.1,
        }
    if url.startswith(("redis:", "rediss:")):
        return {"visibility_timeout": 600}
    return {}


app = Celery("warta", include=["workers.tasks"])
app.conf.update(
    broker_url=broker_url(),
    broker_transport_options=transport_options(settings.BROKER_URL),
    broker_connection_retry_on_startup=True,
    task_queues=[Channel(name) for name in Queue],
    task_default_queue=Queue.PROMPT,
    task_create_missing_queues=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_soft_time_limit=45,
    task_time_limit=60,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=3.0,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    beat_schedule=schedule.beat_schedule(),
    beat_schedule_filename=str(settings.VAR_DIR / "beat-schedule"),
    timezone=settings.TIME_ZONE,
    enable_utc=True,
)


# --- what each worker process does besides its tasks -----------------------------------------------------------------

_stop_flag = mmap.mmap(-1, 1)
"""One byte shared with the pool's processes, which the worker's signals do not reach."""


def make_stop_flag() -> None:
    """Give this worker a flag of its own. A fork of `run` would otherwise share one with the other workers."""
    global _stop_flag
    _stop_flag = mmap.mmap(-1, 1)


def is_stopping() -> bool:
    return _stop_flag[0] == 1


@signals.worker_shutting_down.connect
def _signal_pool_to_stop(**_: object) -> None:
    _stop_flag[0] = 1


@signals.worker_process_init.connect
def _init_pool_process(**_: object) -> None:
    supervisor.die_with_supervised_parent()
    _start_settle_thread()


@signals.beat_embedded_init.connect
def _init_beat_process(**_: object) -> None:
    supervisor.die_with_supervised_parent()


@signals.worker_ready.connect
def _start_beat_watcher(sender: Any = None, **_: object) -> None:
    """Watch the clock of a worker started with `-B`: Celery does not notice when the clock's process has ended."""
    clock = getattr(getattr(sender, "controller", None), "beat", None)
    if clock is not None and not _is_beat_watched.is_set():  # the signal is sent again after a reconnection
        _is_beat_watched.set()
        end_worker_with(clock)


_is_beat_watched = threading.Event()


class Watchable(Protocol):
    """A thread or process."""

    name: str

    def is_alive(self) -> bool: ...


def end_worker_with(part: Watchable) -> None:
    """End this worker when `part` ends. Its supervisor then starts both again."""
    threading.Thread(target=_watch, args=(part,), name=f"watch {part.name}", daemon=True).start()


def _watch(part: Watchable) -> None:
    while part.is_alive():
        time.sleep(BEAT_CHECK_INTERVAL_S)
    if not is_stopping():
        logger.error("%s has ended; its worker ends as well and is started again with a new one", part.name.lower())
        os.kill(os.getpid(), signal.SIGTERM)


@signals.worker_ready.connect
def _init_thread_worker(sender: Any = None, **_: object) -> None:
    """Settle spools in a worker of threads, too; a prefork worker does it in each process of its pool."""
    pool = getattr(getattr(sender, "controller", None), "pool_cls", "prefork")
    if "prefork" not in str(pool) and not _is_settling.is_set():  # the signal is sent again after a reconnection
        _is_settling.set()
        _start_settle_thread()


_is_settling = threading.Event()


def _start_settle_thread() -> None:
    threading.Thread(target=_settle_loop, name="settle", daemon=True).start()


def _settle_loop() -> None:
    """Settle the spools of dead senders of this host, at the start and every SETTLE_INTERVAL_S."""
    from django.db import close_old_connections
    from django.utils import timezone

    from workers.sending import lifecycle

    while not is_stopping():
        try:
            close_old_connections()
            lifecycle.settle_orphaned(now=timezone.now())
        except Exception:
            logger.exception("spools of this host could not be settled; trying again")
        finally:
            close_old_connections()
        time.sleep(SETTLE_INTERVAL_S)
