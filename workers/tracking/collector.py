"""The WSGI application of the web process: it answers pixels and clicks; Django answers everything else.

A hit is appended to a spool file of this process before it is answered, so an acknowledged hit survives `kill -9`.
`manage.py drain` loads the files. Redirect targets come from `Link` rows only, so there is no open redirect.
"""

from __future__ import annotations

# This import comes first: it sets up Django, which the models need.
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
"""Seconds between two fsyncs: what a power failure may lose."""
ROTATE_BYTES = 16 << 20
ROTATE_AFTER_S = 60.0
MAX_PATH_BYTES = 300


# --- link targets ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinkTargets:
    tracking: str
    urls: dict[int, str]
    read_at: float


@dataclass
class LinkTargetCache:
    """Link targets by issue, reread every TARGETS_MAX_AGE_S, so that an amended link takes effect."""

    issues: dict[int, LinkTargets] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, issue: int) -> LinkTargets | None:
        """Return the targets of an issue. None only if the database does not answer and the issue was never read."""
        known = self.issues.get(issue)
        if known is not None and time.monotonic() - known.read_at < loader.TARGETS_MAX_AGE_S:
            return known
        # One thread reads. The others use the old targets, or wait if there are none.
        if not self.lock.acquire(blocking=known is None):
            return known
        try:
            current = self.issues.get(issue)
            if current is not None and current is not known:
                return current
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
    """Read the targets of an issue. Links of a deleted issue still work; their hits are not recorded."""
    mode = Issue.objects.filter(pk=issue).values_list("newsletter__tracking", flat=True).first()
    urls = {link.number: url for link in Link.objects.filter(issue_key=issue) if (url := safe_location(link.target))}
    return LinkTargets(mode or Tracking.OFF, urls, time.monotonic())


def safe_location(url: str) -> str:
    """Return `url` in a form that is safe in a Location header; "" unless it is http or https with a host."""
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
    """One spool file at a time, with a `flock` while this process writes to it.

    The kernel releases the lock when the process ends, even by `kill -9`. The loader deletes only files without a lock.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.descriptor = -1
        self.pid = 0
        self.opened_at = 0.0
        self.size = 0
        self.is_dirty = False

    def append(self, payload: bytes) -> None:
        """Write one record. Raises OSError if the disk is full."""
        record = spool.encode_record(payload)
        with self.lock:
            if self.descriptor < 0 or self.pid != os.getpid():
                self._open()
            if os.write(self.descriptor, record) != len(record):
                # Readers stop at an incomplete record, so nothing may follow it in this file.
                self._close()
                raise OSError("hit record was written in part")
            self.size += len(record)
            self.is_dirty = True

    def _open(self) -> None:
        # After a fork the child has the parent's descriptor and lock but no thread: it opens a file of its own.
        if self.pid != os.getpid():
            self.pid = os.getpid()
            threading.Thread(target=self._keep, args=(self.pid,), name="hit-spool", daemon=True).start()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        name = f"{time.time_ns():020d}-{self.pid}"
        # Created under another name and locked before the rename: the loader never sees a `.hits` file without its lock
        # and would otherwise delete it as closed.
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
        """Thread: fsync and rotate the file every SYNC_INTERVAL_S until the process ends or forks."""
        while self.pid == pid:
            time.sleep(SYNC_INTERVAL_S)
            try:
                self.sync()
            except OSError:
                logger.exception("hit spool could not be synced")

    def sync(self) -> None:
        """fsync the file, and close it if it is large or old; the next `append` opens a new one."""
        with self.lock:
            if self.descriptor < 0:
                return
            # fsync runs on a duplicate, outside the lock, so that requests do not wait for the disk.
            duplicate, is_dirty, self.is_dirty = os.dup(self.descriptor), self.is_dirty, False
            if self.size > ROTATE_BYTES or (self.size and time.monotonic() - self.opened_at > ROTATE_AFTER_S):
                self._close()
        try:
            if is_dirty:
                os.fsync(duplicate)
        finally:
            os.close(duplicate)


# --- the application -------------------------------------------------------------------------------------------------


class Application:
    """WSGI: /t/… is the pixel, /l/… a click, everything else goes to `fallback`."""

    def __init__(self, fallback: Callable[[Environ, StartResponse], ResponseBody]) -> None:
        self.fallback = fallback
        self.targets = LinkTargetCache()
        self.spool: HitSpool | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> ResponseBody:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/t/"):
            return self.pixel(path, environ, start_response)
        if path.startswith("/l/"):
            return self.click(path, environ, start_response)
        return self.fallback(environ, start_response)

    def pixel(self, path: str, environ: Environ, start_response: StartResponse) -> ResponseBody:
        """Answer with the same picture for every token, valid or not."""
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"} or not path.endswith(".gif"):
            return self.fallback(environ, start_response)
        if method == "GET":
            with contextlib.suppress(tokens.InvalidToken):
                issue, subscription = tokens.read_hit(path[3:-4])
                targets = self.targets.get(issue)
                if targets is not None and targets.tracking != Tracking.OFF:
                    self.record(loader.OPENED, issue, 0, subscription, environ)
        start_response("200 OK", GIF_HEADERS)
        return [GIF] if method == "GET" else [b""]

    def click(self, path: str, environ: Environ, start_response: StartResponse) -> ResponseBody:
        """Redirect to the link's target. Unknown links and invalid tokens get Django's 404."""
        number, _, token = path[3:].strip("/").partition("/")
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"} or not number.isdecimal() or len(path) > MAX_PATH_BYTES:
            return self.fallback(environ, start_response)
        try:
            issue, subscription = tokens.read_hit(token)
        except tokens.InvalidToken:
            return self.fallback(environ, start_response)
        targets = self.targets.get(issue)
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
        """Write the hit to the spool before the answer. With a full disk the hit is lost, but the reader is redirected."""
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
            self.open_spool().append(hit.pack())
        except OSError:
            logger.exception("hit could not be recorded", extra={"issue": issue})

    def open_spool(self) -> HitSpool:
        if self.spool is None:
            self.spool = HitSpool(Path(settings.TRACKING_SPOOL))
        return self.spool


def client_network(environ: Environ) -> str:
    address = client_address.get_client_address(WSGIRequest(environ))
    return limits.network_prefix(address) if address else ""


def respond_unavailable(start_response: StartResponse) -> ResponseBody:
    """Answer 503: the database does not respond and the issue's targets are not cached."""
    body = b"Mohon coba lagi sebentar lagi. / Please try again in a moment.\n"
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), ("Retry-After", "10")]
    start_response("503 Service Unavailable", headers)
    return [body]


supervisor.die_with_supervised_parent()
application = Application(django_application)
