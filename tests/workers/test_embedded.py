"""Embedded mode's forks: what stays apart, the limits of tasks in threads, and one stop flag a worker."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_python(code, folder):
    """In a process of its own, so that Celery is not imported into this one."""
    environment = {"PATH": "/usr/bin:/bin", "VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "newsletter.settings"}
    setup = "import django; django.setup()\nfrom workers import celery, embedded\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + textwrap.dedent(code)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_sending_shares_its_process_with_neither_pages_nor_foreign_bytes(tmp_path):
    lines = run_python(
        """
        programs = embedded.programs(granian_options=[], worker_options=[], prompt_threads=4)
        for one in programs[1:]:
            arguments = one.function.args[0]
            print(one.name, arguments[arguments.index("-Q") + 1], arguments[arguments.index("-c") + 1])
        print(programs[0].name, programs[0].function.args[0])
        """,
        tmp_path,
    )

    assert lines == ["prompt prompt 4", "bulk bulk 2", "fetch fetch 2", "web ['workers.hits:application']"]


def test_a_task_over_its_time_limit_is_found(tmp_path):
    lines = run_python(
        """
        import time
        limits, send = embedded.TimeLimits(), celery.app.tasks["send"]
        limits._add(task_id="a", task=send)
        print(repr(limits.overdue(time.monotonic())))
        print(limits.overdue(time.monotonic() + send.time_limit + 1))
        limits._remove(task_id="a")
        print(repr(limits.overdue(time.monotonic() + send.time_limit + 1)))
        """,
        tmp_path,
    )

    assert lines == ["''", "send", "''"]


def test_a_worker_that_stops_does_not_stop_the_others(tmp_path):
    lines = run_python(
        """
        import os
        fork = os.fork()
        if fork == 0:
            celery.make_stop_flag()
            celery._signal_pool_to_stop()
            os._exit(0 if celery.is_stopping() else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]), celery.is_stopping())
        """,
        tmp_path,
    )

    assert lines == ["0 False"]


def test_a_worker_ends_with_its_clock(tmp_path):
    lines = run_python(
        """
        import signal, threading, time
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        clock = threading.Thread(target=time.sleep, args=(0.1,), name="Beat")
        clock.start()
        celery.end_worker_with(clock)
        print(ended.wait(10))
        """,
        tmp_path,
    )

    assert lines == ["True"]


def test_a_worker_of_threads_settles_the_spools_of_killed_ones(tmp_path):
    lines = run_python(
        """
        from types import SimpleNamespace
        from unittest.mock import Mock
        from celery.concurrency.thread import TaskPool
        from celery import signals
        started = []
        celery._start_settle_thread = lambda: started.append(1)
        consumer = Mock(controller=SimpleNamespace(pool_cls=TaskPool, beat=None))
        signals.worker_ready.send(sender=consumer)
        signals.worker_ready.send(sender=consumer)
        print(len(started))
        """,
        tmp_path,
    )

    assert lines == ["1"]
