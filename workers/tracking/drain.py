"""The loop that loads this host's hit spool into the database."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from django.db import close_old_connections
from django.utils import timezone

from workers.tracking import loader

logger = logging.getLogger(__name__)


class AlreadyDraining(Exception):
    """Another process loads this spool folder."""


@contextmanager
def single_instance(folder: Path) -> Iterator[None]:
    """Hold the lock of a spool folder: two loaders would count hits twice. Raises AlreadyDraining."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    with os.fdopen(os.open(folder / "drain.lock", os.O_RDWR | os.O_CREAT, 0o640), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyDraining(f"Another drain already loads {folder}. Stop it first.") from None
        yield


def drain_until(stop: Event, *, pause_s: float) -> None:
    """Load new hits every `pause_s` seconds until `stop` is set, and once more after that."""
    while not stop.wait(pause_s):
        _drain_or_log()
    _drain_or_log()


def _drain_or_log() -> None:
    """Load new hits. Errors are only logged: the loop must survive a database that does not answer for a while."""
    try:
        close_old_connections()
        if loaded := loader.load_spool(now=timezone.now()):
            logger.debug("hits loaded", extra={"hits": loaded})
    except Exception:
        logger.exception("hits could not be loaded; trying again")
