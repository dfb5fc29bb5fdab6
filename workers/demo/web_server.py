"""The demo site while it is collected: the server that runs already, or one of our own for as long as it takes."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.management import call_command

from newsletter.fetching import http_client

PROBE_LIMITS = http_client.FetchLimits(connect_s=2, total_s=5)


class PortInUse(Exception):
    """Something else answers at our address; the message says what to do."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def ensure_running() -> Iterator[bool]:
    """Pages below `/demo/` answer inside this block; True if a server of our own gives the answers."""
    if _is_running():
        yield False
        return
    site = urlsplit(settings.SITE_URL)
    port = site.port or 80
    _collect_static()
    from django.core.wsgi import get_wsgi_application

    try:
        server = make_server(site.hostname or "", port, get_wsgi_application(), _Server, _QuietHandler)
    except OSError as error:
        raise PortInUse(f"Port {port} is taken by another program. Stop it, or choose another: PORT=8001") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield True
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _is_running() -> bool:
    try:
        return b"<rss" in http_client.fetch(f"{settings.SITE_URL}/demo/feed.xml", limits=PROBE_LIMITS).body
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        return False


def _collect_static() -> None:
    """Pages name their stylesheets by digest, so those must have been collected."""
    if not settings.TESTING and not (settings.STATIC_ROOT / "staticfiles.json").exists():
        call_command("collectstatic", interactive=False, verbosity=0)
