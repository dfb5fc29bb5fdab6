"""The Celery app. A message only wakes: all state is in the database, and every tick finds what a lost message meant.

Only worker processes import this. Ids travel, never addresses; JSON only; no ETA, because schedules are rows.
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
from typing import Any
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

# It warns of pickle under root; nothing but JSON is accepted here, and deploy/ runs workers as a user of their own.
warnings.filterwarnings("ignore", category=SecurityWarning)


class Queue(StrEnum):
    PROMPT = "prompt"
    """Ticks and single mails: never waits behind a running issue."""
    BULK = "bulk"
    FETCH = "fetch"


class FolderChannel(filesystem.Channel):
    """kombu's channel of files, with whole messages only: both ways are one rename in one file system."""

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        name, folder = uuid4(), Path(self.data_folder_out)
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text(dumps(payload))
        unfinished.rename(folder / f"{time.time_ns():020d}_{name}.{queue}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for file in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                ours = file.rename(Path(self.processed_folder) / file.name)
                payload = loads(ours.read_text())
                ours.unlink()
                return payload
        raise Empty


class FolderTransport(filesystem.Transport):
    Channel = FolderChannel
    polling_interval = 0.1

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Look up more often than the worker asks, so that it notices sooner that it is to stop."""
        super().drain_events(connection, timeout=min(timeout or 0.5, 0.5))


TRANSPORT_ALIASES["filesystem"] = f"{__name__}:FolderTransport"


def broker_url() -> str:
    """kombu warns about a URL without a host, even where there is none to name."""
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
"""One byte shared with the pool's processes, which the signals of the worker do not reach."""


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
    """The clock is a child of its worker, which does not look after it: a broker that refuses it once ends it for good."""
    clock = getattr(getattr(sender, "controller", None), "beat", None)
    if clock is not None and not _is_beat_watched.is_set():
        _is_beat_watched.set()
        threading.Thread(target=_watch_beat, args=(clock,), name="watch the clock", daemon=True).start()


_is_beat_watched = threading.Event()


def _watch_beat(clock: Any) -> None:
    """Without a clock nothing would ever begin: end the worker too, for whoever started it starts it again."""
    while clock.is_alive():
        time.sleep(BEAT_CHECK_INTERVAL_S)
    if not is_stopping():
        logger.error("the clock has ended; its worker ends as well, to be started again with a new one")
        os.kill(os.getpid(), signal.SIGTERM)


@signals.worker_ready.connect
def _init_thread_worker(sender: Any = None, **_: object) -> None:
    if "prefork" not in str(getattr(sender, "pool_cls", "prefork")):
        _start_settle_thread()


def _start_settle_thread() -> None:
    threading.Thread(target=_settle_loop, name="settle", daemon=True).start()


def _settle_loop() -> None:
    """Read what fallen senders of this host left in their spools: at the start, then now and again."""
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
