"""The only outbound HTTP client. It refuses private addresses and limits size and time.

Every connection goes to an IP address checked by `address_guard`; the host name is used for Host and SNI only.
Redirects are checked in the same way. Proxies from the environment are not used.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import urljoin

import urllib3
from django.conf import settings
from django.utils.translation import gettext as _
from urllib3.connection import HTTPConnection, HTTPSConnection

from newsletter.fetching import address_guard
from newsletter.fetching.address_guard import PermanentFetchError as PermanentFetchError
from newsletter.fetching.address_guard import TemporaryFetchError as TemporaryFetchError

MEGABYTE = 1024 * 1024
MAX_REDIRECTS = 3
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
ACCEPTED_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})


class PageGone(PermanentFetchError):
    """The page does not exist, or no longer."""


class AccessDenied(PermanentFetchError):
    """The page exists, but not for programs, or only after login."""


@dataclass(frozen=True)
class FetchLimits:
    most_bytes: int = 5 * MEGABYTE
    """Limit of the body after decompression."""
    connect_s: float = 3
    total_s: float = 10
    """Seconds from the first DNS query to the last byte, including redirects."""


PAGE_LIMITS = FetchLimits()
IMAGE_LIMITS = FetchLimits(most_bytes=10 * MEGABYTE)
LINK_LIMITS = FetchLimits(total_s=6)


@dataclass(frozen=True)
class FetchResult:
    url: str
    """The URL after the last redirect."""
    body: bytes = b""
    content_type: str = ""
    charset: str = ""
    language: str = ""
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False


def fetch(url: str, *, limits: FetchLimits = PAGE_LIMITS, etag: str = "", last_modified: str = "") -> FetchResult:
    """Get `url` and follow at most three redirects. Raises PermanentFetchError or TemporaryFetchError with a message
    for people.

    With the `etag` or `last_modified` of an earlier response, the result may be `not_modified` without a body.
    """
    deadline = time.monotonic() + limits.total_s
    return _follow(url, "GET", _headers(etag, last_modified), limits=limits, deadline=deadline)


def check_link(url: str, *, limits: FetchLimits = LINK_LIMITS) -> str:
    """Check that `url` answers, without reading the body. Returns the URL after redirects.

    Sends HEAD, then GET if HEAD fails, because not every site supports HEAD. Raises PermanentFetchError or
    TemporaryFetchError.
    """
    deadline = time.monotonic() + limits.total_s
    headers = _headers("", "")
    try:
        return _follow(url, "HEAD", headers, limits=limits, deadline=deadline, is_read=False).url
    except (PermanentFetchError, TemporaryFetchError):
        if time.monotonic() >= deadline:
            raise
    return _follow(url, "GET", headers, limits=limits, deadline=deadline, is_read=False).url


def _follow(
    url: str, method: str, headers: dict[str, str], *, limits: FetchLimits, deadline: float, is_read: bool = True
) -> FetchResult:
    target = address_guard.parse_target(url)
    for _hop in range(MAX_REDIRECTS + 1):
        answer = _request(target, method, headers, limits=limits, deadline=deadline, is_read=is_read)
        if isinstance(answer, FetchResult):
            return answer
        if target.scheme == "https" and answer.scheme != "https":
            raise PermanentFetchError(
                _("This address leads from a secure page to an insecure one. Use the secure address.")
            )
        target = answer
    raise PermanentFetchError(_("This address leads on from page to page without an end. Check it in a browser."))


def _headers(etag: str, last_modified: str) -> dict[str, str]:
    headers = {
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,application/feed+json,image/*,*/*;q=0.5",
        "Accept-Encoding": "gzip, deflate",
        "Accept-Language": "id, en;q=0.8",
        "Connection": "close",
        "User-Agent": f"Warta (+{settings.SITE_URL}/)",
    }
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    return headers


# --- one request -----------------------------------------------------------------------------------------------------


def _request(
    target: address_guard.FetchTarget,
    method: str,
    headers: dict[str, str],
    *,
    limits: FetchLimits,
    deadline: float,
    is_read: bool,
) -> FetchResult | address_guard.FetchTarget:
    """Send one request. Returns the response, or the target of a redirect."""
    addresses = address_guard.resolve(target, deadline=deadline)
    try:
        with _connection(target, addresses, limits=limits, deadline=deadline) as connection:
            host = f"[{target.host}]" if ":" in target.host else target.host
            host_header = host if target.port == address_guard.DEFAULT_PORTS[target.scheme] else f"{host}:{target.port}"
            connection.request(method, target.path, headers={"Host": host_header, **headers}, preload_content=False)
            with contextlib.closing(connection.getresponse()) as response:
                return _build_result(target, response, limits=limits, deadline=deadline, is_read=is_read)
    except ssl.SSLCertVerificationError as error:
        raise PermanentFetchError(
            _("The site's certificate is not valid, so we cannot be sure it is that site. Tell whoever runs it.")
        ) from error
    except urllib3.exceptions.DecodeError as error:
        raise PermanentFetchError(
            _("The site sent something that cannot be unpacked. Try another page of it.")
        ) from error
    except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError) as error:
        if time.monotonic() >= deadline:
            raise _timeout_error() from error
        raise TemporaryFetchError(_("The site did not answer, or broke off in the middle. Try again later.")) from error


@contextlib.contextmanager
def _connection(
    target: address_guard.FetchTarget, addresses: list[str], *, limits: FetchLimits, deadline: float
) -> Iterator[HTTPConnection | HTTPSConnection]:
    """Connect to the first address that answers. A timer shuts the socket down at the deadline, in any state."""
    connection = _connect(target, addresses, limits=limits, deadline=deadline)
    line = connection.sock
    seconds = max(deadline - time.monotonic(), 0.05)
    if line is not None:
        line.settimeout(seconds)
    watchdog = threading.Timer(seconds, _shut_down, [line])
    watchdog.daemon = True
    watchdog.start()
    try:
        yield connection
    finally:
        watchdog.cancel()
        connection.close()


def _connect(
    target: address_guard.FetchTarget, addresses: list[str], *, limits: FetchLimits, deadline: float
) -> HTTPConnection:
    failure: Exception | None = None
    for address in addresses:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise _timeout_error()
        connection = _make_connection(target, address, timeout=min(limits.connect_s, seconds))
        try:
            connection.connect()
        except ssl.SSLCertVerificationError:
            connection.close()
            raise
        except (OSError, urllib3.exceptions.HTTPError) as error:
            connection.close()
            failure = error
        else:
            return connection
    raise TemporaryFetchError(_("The site cannot be reached just now. Try again later.")) from failure


def _make_connection(target: address_guard.FetchTarget, address: str, *, timeout: float) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=timeout)
    return HTTPSConnection(
        address,
        target.port,
        timeout=timeout,
        server_hostname=target.host,
        assert_hostname=target.host,
        ssl_context=_ssl_context(),
    )


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shut_down(line: socket.socket | None) -> None:
    """Wake a thread that waits for a byte. A plain socket shutdown: that of TLS would wait for the peer."""
    if line is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(line, socket.SHUT_RDWR)


def _build_result(
    target: address_guard.FetchTarget,
    response: urllib3.response.BaseHTTPResponse,
    *,
    limits: FetchLimits,
    deadline: float,
    is_read: bool,
) -> FetchResult | address_guard.FetchTarget:
    if response.status in REDIRECT_STATUSES:
        return address_guard.parse_target(_redirect_url(target.url, response.headers.get("Location", "")))
    result = FetchResult(
        target.url,
        etag=response.headers.get("ETag", "")[:200],
        last_modified=response.headers.get("Last-Modified", "")[:60],
    )
    if response.status == 304:
        return replace(result, not_modified=True)
    if not is_read and 200 <= response.status < 300:
        return result
    _raise_for_status(response.status, retry_after=response.headers.get("Retry-After", ""))
    content_type = response.headers.get("Content-Type", "")
    match = re.search(r"charset\s*=\s*[\"']?([\w:.-]{2,30})", content_type, re.IGNORECASE)
    return replace(
        result,
        body=_body(response, limits=limits, deadline=deadline),
        content_type=content_type.partition(";")[0].strip().lower(),
        charset=match[1] if match else "",
        language=response.headers.get("Content-Language", "")[:40],
    )


def _redirect_url(url: str, place: str) -> str:
    """The URL of a Location header. Its bytes are decoded as Latin-1 by http.client; raw UTF-8 is decoded again."""
    with contextlib.suppress(UnicodeError):
        place = place.encode("latin-1").decode("utf-8")
    try:
        return urljoin(url, place.strip()).partition("#")[0] if place.strip() else ""
    except ValueError:
        return ""


def _raise_for_status(status: int, *, retry_after: str = "") -> None:
    if status in {404, 410}:
        raise PageGone(_("There is no page at this address (any more). Check it in a browser."))
    if status == 429 or status >= 500:
        overloaded = TemporaryFetchError(_("The site is overloaded or broken just now. Try again later."))
        overloaded.after_s = _retry_after_s(retry_after)
        raise overloaded
    if status in {401, 402, 403, 407, 451}:
        raise AccessDenied(
            _(
                "The site does not let us read this page. It may need a login or keep programs out: ask whoever runs it to let this server in."
            )
        )
    if status != 200:
        raise PermanentFetchError(_("The site gave no page at this address. Check it in a browser."))


def _retry_after_s(retry_after: str) -> float:
    """Retry-After in seconds: a number, or a date (RFC 9110 section 10.2.3); 0 for any other value."""
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0


def _body(response: urllib3.response.BaseHTTPResponse, *, limits: FetchLimits, deadline: float) -> bytes:
    """Read and decompress the whole body. Stops as soon as it exceeds the size or time limit."""
    too_large = PermanentFetchError(
        _("This is larger than %(size)d MB, so it is not read.") % {"size": limits.most_bytes // MEGABYTE}
    )
    if response.headers.get("Content-Encoding", "").strip().lower() not in ACCEPTED_ENCODINGS:
        raise PermanentFetchError(_("The site sent something that cannot be unpacked. Try another page of it."))
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:18]) > limits.most_bytes:
        raise too_large
    body = bytearray()
    for piece in response.stream(16 * 1024, decode_content=True):
        body += piece
        if len(body) > limits.most_bytes:
            raise too_large
        if time.monotonic() >= deadline:
            raise _timeout_error()
    if time.monotonic() >= deadline:  # a body that ended because the socket was shut down at the deadline
        raise _timeout_error()
    return bytes(body)


def _timeout_error() -> TemporaryFetchError:
    return TemporaryFetchError(_("The site took too long to answer. Try again later."))
