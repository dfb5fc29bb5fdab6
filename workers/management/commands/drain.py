"""Load this host's hit spool into the database until the process is stopped."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from workers.tracking import drain, loader


class Command(BaseCommand):
    help = "Loads recorded pixel and link hits into the database, every second, until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="load what is there, print how many, and end")
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="pause between two loads")

    def handle(self, *args: Any, once: bool, every: float, **options: Any) -> None:
        try:
            with drain.single_instance(Path(settings.TRACKING_SPOOL)):
                if once:
                    self.stdout.write(f"{loader.load_spool(now=timezone.now())} hits loaded")
                else:
                    drain.drain_until(stop_on_signal(), pause_s=every)
        except drain.AlreadyDraining as error:
            raise CommandError(str(error), returncode=1) from None


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: stop.set())
    return stop
