"""Load this host's hit spool into the database, for as long as the process lives."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils import timezone

from workers.tracking import loader

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Loads recorded pixel and link hits into the database, every second, until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="load what is there, print how many, and end")
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="pause between two looks")

    def handle(self, *args: Any, once: bool, every: float, **options: Any) -> None:
        with single_instance(Path(settings.TRACKING_SPOOL)):
            if once:
                self.stdout.write(f"{loader.load_spool(now=timezone.now())} hits loaded")
            else:
                self.keep_draining(every)

    def keep_draining(self, pause_s: float) -> None:
        stop = threading.Event()
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, lambda *_: stop.set())
        while not stop.wait(pause_s):
            drain_or_log()
        drain_or_log()


def drain_or_log() -> None:
    """The outermost loop: a database that is away for a while must not end it."""
    try:
        close_old_connections()
        if loaded := loader.load_spool(now=timezone.now()):
            logger.debug("hits loaded", extra={"hits": loaded})
    except Exception:
        logger.exception("hits could not be loaded; trying again")


@contextmanager
def single_instance(folder: Path) -> Iterator[None]:
    """One drain for each spool folder. Raises CommandError when there is another."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    with os.fdopen(os.open(folder / "drain.lock", os.O_RDWR | os.O_CREAT, 0o640), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"Another drain already loads {folder}. Stop it first.", returncode=1) from None
        yield
