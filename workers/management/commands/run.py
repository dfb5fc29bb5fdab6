"""Start the whole service on this machine: web, workers with the clock, and the drain."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from workers import health
from workers.demo import removal
from workers.supervisor import Program, Supervisor, die_with_parent

WEB_WORKERS = 2
WEB_THREADS = min(16, 2 * (os.cpu_count() or 1) + 1)
"""Requests that one web process answers at once. More than one a core, because a page may wait for a mail server."""
BACKPRESSURE = 128
"""Requests that one web process accepts; more wait in the backlog of the socket."""
PROMPT_THREADS = 4
FETCH_PROCESSES = 2
WORKER_OPTIONS = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")


class Command(BaseCommand):
    help = "Starts the web server, the workers and the drain; starts again what falls; stops all on Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help=f"default {settings.PORT}, from PORT")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; loopback unless you say so")
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="first bring the database up to date, collect static files and, in embedded mode, make demo data",
        )

    def handle(self, *args: Any, port: int, host: str, prepare: bool, **options: Any) -> None:
        if port != settings.PORT:
            restart_with_port(port)
        check_port_free(host, port)
        with single_instance(settings.VAR_DIR) as lock:
            if prepare:
                self.prepare_in_fork()
            Supervisor(
                programs(host, port),
                environment=os.environ,
                say=self.say,
                is_ready=lambda: is_answering(host, port),
                when_ready=self.welcome,
                close_in_fork=lock.close,
            ).run()
        self.say("Stopped.")

    def prepare_in_fork(self) -> None:
        """In a process of its own: demo data take 100 MB, which this process would keep. Exits with its code."""
        connections.close_all()
        self.stdout.flush()
        parent, fork = os.getpid(), os.fork()
        if fork == 0:
            die_with_parent(parent=parent)
            self.prepare()
            sys.exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
        if code:
            raise SystemExit(code if code > 0 else 1)

    def prepare(self) -> None:
        """Migrate, collect static files and make demo data; each only if it is needed, so that a second start is quick."""
        if health.has_pending_migrations():
            self.say("Bringing the database up to date …")
            call_command("migrate", verbosity=0)
        if is_static_stale():
            self.say("Collecting style sheets, scripts and icons …")
            call_command("collectstatic", interactive=False, verbosity=0)
        if settings.EMBEDDED and not (settings.VAR_DIR / removal.OPT_OUT_FILE).exists():
            call_command("seed_demo", stdout=self.stdout)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def welcome(self) -> None:
        pages = [("Sign-up page", "/"), ("Studio", "/studio/")]
        if settings.EMBEDDED:
            pages += [("Demo site", "/demo/"), ("Caught mail", "/mailbox/")]
        self.say("Warta is running. Ctrl-C stops it.")
        for name, path in pages:
            self.say(f"  {name:<13} {settings.SITE_URL}{path}")


def is_static_stale() -> bool:
    """Whether a source of static files is newer than the manifest of those collected."""
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not manifest.exists():
        return True
    collected_at = manifest.stat().st_mtime
    found = (Path(storage.path(name)) for finder in get_finders() for name, storage in finder.list([]))
    return any(file.stat().st_mtime > collected_at for file in found)


def programs(host: str, port: int) -> list[Program]:
    """The processes to run: four forks in embedded mode, else those of deploy/.

    macOS ends a fork that uses its frameworks, so forks are made on Linux only.
    """
    if not (settings.EMBEDDED and sys.platform.startswith("linux")):
        return service_processes(host, port)
    from workers import embedded  # imports Celery, which no other command may load

    embedded.preload()
    return embedded.programs(
        granian_options=granian_options(host, port, workers=1),
        worker_options=WORKER_OPTIONS,
        prompt_threads=PROMPT_THREADS,
    )


def service_processes(host: str, port: int) -> list[Program]:
    """The processes of deploy/, as commands."""
    python = sys.executable
    worker = (python, "-m", "celery", "--quiet", "-A", "workers.celery", "worker", *WORKER_OPTIONS)
    bulk = ("-n", "bulk@%h", "-Q", "bulk", "-P", "prefork", "-c", str(settings.SEND_SLOTS))
    fetch = ("-n", "fetch@%h", "-Q", "fetch", "-P", "prefork", "-c", str(FETCH_PROCESSES))
    prompt = ("-n", "prompt@%h", "-Q", "prompt", "-P", "threads", "-c", str(PROMPT_THREADS), "-B")
    return [
        Program("web", (python, "-m", "granian", *granian_options(host, port), "workers.hits:application")),
        Program("prompt", (*worker, *prompt), second_signal=signal.SIGQUIT, waits=True),
        Program("bulk", (*worker, *bulk), second_signal=signal.SIGQUIT, waits=True),
        Program("fetch", (*worker, *fetch), second_signal=signal.SIGQUIT, waits=True),
        Program("drain", (python, str(settings.BASE_DIR / "manage.py"), "drain"), waits=True),
    ]


def granian_options(host: str, port: int, *, workers: int = WEB_WORKERS) -> list[str]:
    options = {
        "interface": "wsgi",
        "host": host,
        "port": port,
        "workers": workers,
        "blocking-threads": WEB_THREADS,
        "backpressure": BACKPRESSURE,
        "workers-kill-timeout": 5,
        "log-level": "warning",
    }
    return [
        "--respawn-failed-workers",
        *[word for name, value in options.items() for word in (f"--{name}", str(value))],
    ]


def restart_with_port(port: int) -> None:
    """The settings were read with another port; read them again with this one."""
    os.environ["PORT"] = str(port)
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 (our own command line)


def check_port_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                remedy = f"Stop the program that uses it, or choose another: PORT={port + 1} make run"
                raise CommandError(f"Port {port} is taken. {remedy}") from None
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


@contextmanager
def single_instance(folder: Path) -> Iterator[IO[str]]:
    """Hold the lock of a VAR_DIR: two clocks in one folder would wake every task twice. Raises CommandError."""
    with os.fdopen(os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o640), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"Warta already runs in {folder}. Stop it, or set another VAR_DIR.") from None
        yield lock


def is_answering(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/healthz", headers={"Host": settings.SITE_HOST})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
