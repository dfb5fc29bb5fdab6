"""The four processes of embedded mode: forks of `run` that share the memory of all imported modules.

- `web` serves pages, pixels and clicks (granian and one worker).
- `prompt` runs ticks and single mails, and in threads the clock (Celery beat) and the drain.
- `bulk` sends issues, one claim a thread, SEND_SLOTS threads.
- `fetch` reads pages, feeds and pictures of other sites.

Each may be killed at any time: state is in the database and the spools, and the supervisor forks it again. Only `run`
imports this module. Outside embedded mode the same work is divided as deploy/ does it.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from celery import signals
from celery.beat import EmbeddedService
from celery.concurrency import thread as _thread_pool  # noqa: F401 (imported here so that the forks share it)
from django.conf import settings
from django.db import connections
from django.urls import get_resolver
from granian import cli as granian_cli

from workers import celery, hits, tasks  # noqa: F401 (the same)
from workers.supervisor import Program
from workers.tracking import drain

logger = logging.getLogger(__name__)

FETCH_THREADS = 2
"""Two, so that the check of an issue's links does not wait for the collection of articles."""
DRAIN_PAUSE_S = 1.0
CHECK_INTERVAL_S = 1.0

# Parameters of glibc's mallopt(3). By default it makes up to eight arenas a core for threads and rarely gives them back.
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
ARENAS = 2
TRIM_THRESHOLD_BYTES = 128 * 1024


def programs(*, granian_options: Sequence[str], worker_options: Sequence[str], prompt_threads: int) -> list[Program]:
    worker = partial(_worker_arguments, worker_options)
    prompt = worker(queue="prompt", threads=prompt_threads)
    bulk = worker(queue="bulk", threads=settings.SEND_SLOTS)
    fetch = worker(queue="fetch", threads=FETCH_THREADS)
    return [
        Program("web", function=partial(serve, [*granian_options, "workers.hits:application"])),
        _worker_program("prompt", partial(run_prompt, prompt)),
        _worker_program("bulk", partial(run_limited, bulk)),
        _worker_program("fetch", partial(run_limited, fetch)),
    ]


def _worker_program(name: str, function: Callable[[], None]) -> Program:
    return Program(name, function=function, second_signal=signal.SIGQUIT, waits=True)


def _worker_arguments(options: Sequence[str], *, queue: str, threads: int) -> list[str]:
    return ["--quiet", "worker", *options, "-n", f"{queue}@%h", "-Q", queue, "-P", "threads", "-c", str(threads)]


def preload() -> None:
    """Import what the forks need, so that they share it, and leave nothing open that a fork must not share."""
    celery.app.loader.import_default_modules()
    celery.app.finalize()
    # Loads the modules of all pages.
    get_resolver().url_patterns  # noqa: B018
    # Two processes on one database connection would read each other's answers.
    connections.close_all()
    gc.collect()
    # The collector would write to each object it visits, and so copy the page that the object lies on.
    gc.freeze()


# --- what the forks run ----------------------------------------------------------------------------------------------


def serve(arguments: Sequence[str]) -> None:
    _limit_arenas()
    granian_cli.cli(list(arguments), prog_name="granian")


def run_limited(arguments: Sequence[str]) -> None:
    """A worker whose tasks have time limits, which Celery does not enforce for threads."""
    TimeLimits().start()
    _run_worker(arguments)


def run_prompt(arguments: Sequence[str]) -> None:
    """The worker of ticks and single mails, with the clock and the drain in threads."""
    stop = threading.Event()
    clock: Any = EmbeddedService(celery.app, thread=True, schedule_filename=celery.app.conf.beat_schedule_filename)
    loading = threading.Thread(target=_drain, args=(stop,), name="drain", daemon=True)
    clock.start()
    loading.start()
    for thread in (clock, loading):
        celery.end_worker_with(thread)
    try:
        _run_worker(arguments)
    finally:
        stop.set()
        clock.stop()
        loading.join()


def _run_worker(arguments: Sequence[str]) -> None:
    _limit_arenas()
    celery.make_stop_flag()
    celery.app.worker_main(list(arguments))


def _drain(stop: threading.Event) -> None:
    with drain.single_instance(Path(settings.TRACKING_SPOOL)):
        drain.drain_until(stop, pause_s=DRAIN_PAUSE_S)


def _limit_arenas() -> None:
    """Make malloc return memory sooner. Does nothing with another C library than glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)


class TimeLimits:
    """Kills this process when a task exceeds its time limit, as the prefork pool kills its child.

    The supervisor starts the process again. What the task left unfinished is taken up like after any other crash.
    """

    def __init__(self) -> None:
        self._deadlines: dict[str, tuple[str, float]] = {}

    def start(self) -> None:
        signals.task_prerun.connect(self._add, weak=False)
        signals.task_postrun.connect(self._remove, weak=False)
        threading.Thread(target=self._watch, name="time limits", daemon=True).start()

    def _add(self, task_id: str, task: Any, **_: object) -> None:
        limit_s = task.time_limit or celery.app.conf.task_time_limit
        self._deadlines[task_id] = (task.name, time.monotonic() + limit_s)

    def _remove(self, task_id: str, **_: object) -> None:
        self._deadlines.pop(task_id, None)

    def _watch(self) -> None:
        while not (name := self.overdue(time.monotonic())):
            time.sleep(CHECK_INTERVAL_S)
        logger.error("a task exceeded its time limit; its worker is killed and started again", extra={"task": name})
        os.kill(os.getpid(), signal.SIGKILL)

    def overdue(self, moment: float) -> str:
        """The name of a task whose time limit is over, or ""."""
        return next((name for name, deadline in list(self._deadlines.values()) if moment > deadline), "")
