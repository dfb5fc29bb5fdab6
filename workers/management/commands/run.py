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
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from workers import health
from workers.demo import removal
from workers.supervisor import Program, Supervisor

WEB_WORKERS = 2
WEB_THREADS = min(16, 2 * (os.cpu_count() or 1) + 1)
"""Requests that one web process works on at once; a page may wait for a mail server or another site."""
BACKPRESSURE = 128
"""Requests that one web process has taken in; more wait in the backlog of the socket."""
PROMPT_THREADS = 4


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
        with single_instance(settings.VAR_DIR):
            if prepare:
                self.prepare()
            Supervisor(
                service_processes(host, port),
                environment=os.environ,
                say=self.say,
                is_ready=lambda: is_answering(host, port),
                when_ready=self.welcome,
            ).run()
        self.say("Stopped.")

    def prepare(self) -> None:
        """Each step does nothing where nothing is left to do, so that a second start is quick."""
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


def service_processes(host: str, port: int) -> list[Program]:
    python = sys.executable
    worker = (python, "-m", "celery", "--quiet", "-A", "workers.celery", "worker", "--loglevel", "WARNING")
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    bulk = ("-n", "bulk@%h", "-Q", "bulk,fetch", "-P", "prefork", "-c", str(settings.SEND_SLOTS))
    prompt = ("-n", "prompt@%h", "-Q", "prompt", "-P", "threads", "-c", str(PROMPT_THREADS), "-B")
    return [
        Program("web", (python, "-m", "granian", *granian_options(host, port), "workers.hits:application")),
        Program("prompt", (*worker, *alone, *prompt), second_signal=signal.SIGQUIT, waits=True),
        Program("bulk", (*worker, *alone, *bulk), second_signal=signal.SIGQUIT, waits=True),
        Program("drain", (python, str(settings.BASE_DIR / "manage.py"), "drain"), waits=True),
    ]


def granian_options(host: str, port: int) -> list[str]:
    options = {
        "interface": "wsgi",
        "host": host,
        "port": port,
        "workers": WEB_WORKERS,
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
def single_instance(folder: Path) -> Iterator[None]:
    """One `run` for each VAR_DIR: two clocks and two brokers in one folder would be in each other's way."""
    with os.fdopen(os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o640), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"Warta already runs in {folder}. Stop it, or set another VAR_DIR.") from None
        yield


def is_answering(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/healthz", headers={"Host": settings.SITE_HOST})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
