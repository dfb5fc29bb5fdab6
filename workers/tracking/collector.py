"""The WSGI entry of the web process: pixels and clicks are answered here, everything else by Django.

A hit is appended to a spool file of this process before it is answered, so what was acknowledged is recorded, whatever
dies next. `manage.py drain` loads the files. Targets come from `Link` rows and nowhere else: no open redirect.
"""

from __future__ import annotations

# First, because it sets Django up, which the models need.
from newsletter.wsgi import application as django_application

# isort: split
import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, close_old_connections
from django.utils.encoding import iri_to_uri

from newsletter.models import Issue, Link, Tracking
from newsletter.web import client_address
from subscribers import tokens
from subscribers.signup import limits
from workers import spool, supervisor
from workers.tracking import loader

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
ResponseBody = Iterable[bytes]

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
GIF_HEADERS = [
    ("Content-Type", "image/gif"),
    ("Content-Length", str(len(GIF))),
    ("Cache-Control", "no-store, private"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex"),
]
REDIRECT_HEADERS = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", "0"),
    ("Cache-Control", "no-store, private"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex"),
]
MAX_CACHED_ISSUES = 200
SYNC_INTERVAL_S = 0.15
ROTATE_BYTES = 16 << 20
ROTATE_AFTER_S = 60.0
MAX_PATH_BYTES = 300


# --- where links lead ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinkTargets:
    tracking: str
    urls: dict[int, str]
    read_at: float


@dataclass
class LinkTargetCache:
    """Targets by (issue, number), read again every few seconds, so that an amended link takes hold."""

    issues: dict[int, LinkTargets] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, issue: int) -> LinkTargets | None:
        """None only when the database does not answer and the issue was never read."""
        known = self.issues.get(issue)
        if known is not None and time.monotonic() - known.read_at < loader.TARGETS_MAX_AGE_S:
            return known
        # One thread reads; the others go on with what is known, or wait if nothing is.
        if not self.lock.acquire(blocking=known is None):
            return known
        try:
            again = self.issues.get(issue)
            if again is not None and again is not known:
                return again
            return self._read(issue, known)
        finally:
            self.lock.release()

    def _read(self, issue: int, known: LinkTargets | None) -> LinkTargets | None:
        close_old_connections()
        targets: LinkTargets | None
        try:
            targets = read_targets(issue)
        except DatabaseError:
            logger.exception("link targets could not be read", extra={"issue": issue})
            targets = known and LinkTargets(known.tracking, known.urls, time.monotonic())
        finally:
            close_old_connections()
        if targets is not None:
            if len(self.issues) >= MAX_CACHED_ISSUES:
                self.issues.pop(next(iter(self.issues)), None)
            self.issues[issue] = targets
        return targets


def read_targets(issue: int) -> LinkTargets:
    """Links work on after their issue was deleted; then nothing is counted."""
    mode = Issue.objects.filter(pk=issue).values_list("newsletter__tracking", flat=True).first()
    urls = {link.number: url for link in Link.objects.filter(issue_key=issue) if (url := safe_location(link.target))}
    return LinkTargets(mode or Tracking.OFF, urls, time.monotonic())


def safe_location(url: str) -> str:
    """`url` as it may stand in a Location header; empty if it is not plainly http or https with a host."""
    if any(ord(character) <= 32 or ord(character) == 127 for character in url) or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode() if not (parts.hostname or "").isascii() else parts.netloc
        port = f":{parts.port}" if parts.port and host != parts.netloc else ""
    except ValueError:  # UnicodeError of idna is one
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return ""
    return iri_to_uri(urlunsplit((parts.scheme, host + port, parts.path, parts.query, parts.fragment)))


# --- the spool of this process ---------------------------------------------------------------------------------------


class HitSpool:
    """One file at a time, locked while it is ours; a file nobody holds a lock on is closed, even after kill -9."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.descriptor = -1
        self.pid = 0
        self.opened_at = 0.0
        self.size = 0
        self.is_dirty = False

    def append(self, payload: bytes) -> None:
        record = spool.encode_record(payload)
        with self.lock:
            if self.descriptor < 0 or self.pid != os.getpid():
                self._open()
            if os.write(self.descriptor, record) != len(record):  # a full disk: nothing may follow a torn record
                self._close()
                raise OSError("hit record was written in part")
            self.size += len(record)
            self.is_dirty = True

    def _open(self) -> None:
        if self.pid != os.getpid():
            self.pid = os.getpid()
            threading.Thread(target=self._keep, args=(self.pid,), name="hit-spool", daemon=True).start()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        name = f"{time.time_ns():020d}-{self.pid}"
        unlocked = self.folder / f"{name}.new"
        self.descriptor = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        unlocked.rename(self.folder / f"{name}{loader.HIT_FILE_SUFFIX}")
        self.opened_at, self.size, self.is_dirty = time.monotonic(), 0, False

    def _close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1

    def _keep(self, pid: int) -> None:
        """Sync what was written and change to a new file from time to time, as long as the process lives."""
        while self.pid == pid:
            time.sleep(SYNC_INTERVAL_S)
            try:
                self.sync()
            except OSError:
                logger.exception("hit spool could not be synced")

    def sync(self) -> None:
        with self.lock:
            if self.descriptor < 0:
                return
            ours, dirty, self.is_dirty = os.dup(self.descriptor), self.is_dirty, False
            if self.size > ROTATE_BYTES or (self.size and time.monotonic() - self.opened_at > ROTATE_AFTER_S):
                self._close()
        try:
            if dirty:
                os.fsync(ours)
        finally:
            os.close(ours)


# --- the application -------------------------------------------------------------------------------------------------


class Application:
    def __init__(self, fallback: Callable[[Environ, StartResponse], ResponseBody]) -> None:
        self.fallback = fallback
        self.book = LinkTargetCache()
        self.spool: HitSpool | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> ResponseBody:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/t/"):
            return self.pixel(path, environ, start_response)
        if path.startswith("/l/"):
            return self.click(path, environ, start_response)
        return self.fallback(environ, start_response)

    def pixel(self, path: str, environ: Environ, start_response: StartResponse) -> ResponseBody:
        """Always the same picture, whether or not the token is ours."""
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"} or not path.endswith(".gif"):
            return self.fallback(environ, start_response)
        if method == "GET":
            with contextlib.suppress(tokens.InvalidToken):
                issue, subscription = tokens.read_hit(path[3:-4])
                targets = self.book.get(issue)
                if targets is not None and targets.tracking != Tracking.OFF:
                    self.record(loader.OPENED, issue, 0, subscription, environ)
        start_response("200 OK", GIF_HEADERS)
        return [GIF] if method == "GET" else [b""]

    def click(self, path: str, environ: Environ, start_response: StartResponse) -> ResponseBody:
        number, _, token = path[3:].strip("/").partition("/")
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"} or not number.isdecimal() or len(path) > MAX_PATH_BYTES:
            return self.fallback(environ, start_response)
        try:
            issue, subscription = tokens.read_hit(token)
        except tokens.InvalidToken:
            return self.fallback(environ, start_response)
        targets = self.book.get(issue)
        if targets is None:
            return respond_unavailable(start_response)
        target = targets.urls.get(int(number))
        if target is None:
            return self.fallback(environ, start_response)
        if method == "GET" and targets.tracking != Tracking.OFF:
            self.record(loader.CLICKED, issue, int(number), subscription, environ)
        start_response("302 Found", [("Location", target), *REDIRECT_HEADERS])
        return [b""]

    def record(self, kind: str, issue: int, link: int, subscription: int, environ: Environ) -> None:
        """Write the hit down before it is answered. A full disk costs the figure, never the reader's click."""
        agent = environ.get("HTTP_USER_AGENT", "")[: loader.MAX_AGENT_BYTES]
        individual = bool(subscription)
        hit = loader.Hit(
            kind=kind,
            issue=issue,
            link=link,
            subscription=subscription,
            occurred_at=datetime.now(UTC),
            agent_class=loader.classify_agent(agent),
            agent=agent if individual else "",
            network=client_network(environ) if individual else "",
        )
        try:
            self.own_spool().append(hit.pack())
        except OSError:
            logger.exception("hit could not be recorded", extra={"issue": issue})

    def own_spool(self) -> HitSpool:
        if self.spool is None:
            self.spool = HitSpool(Path(settings.TRACKING_SPOOL))
        return self.spool


def client_network(environ: Environ) -> str:
    address = client_address.get_client_address(WSGIRequest(environ))
    return limits.network_prefix(address) if address else ""


def respond_unavailable(start_response: StartResponse) -> ResponseBody:
    """The database does not answer, and we have not seen this issue yet."""
    body = b"Mohon coba lagi sebentar lagi. / Please try again in a moment.\n"
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), ("Retry-After", "10")]
    start_response("503 Service Unavailable", headers)
    return [body]


supervisor.die_with_supervised_parent()
application = Application(django_application)
