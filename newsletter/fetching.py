"""The one outbound HTTP client: safe against addresses that lead inside, bounded in size and time.

A name is resolved once, every address it has is checked, and the connection goes to a checked address, with the name
in Host and SNI only; the same again on each redirect. Proxies of the environment are not used. Embedded mode may
reach exactly its own demo site and pictures.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit

import urllib3
from django.conf import settings
from django.utils.translation import gettext as _
from urllib3.connection import HTTPConnection, HTTPSConnection

MEGABYTE = 1024 * 1024
MOST_REDIRECTS = 3
MOST_ADDRESSES = 4
PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
OWN_PATHS = ("/demo/", "/media/")

DENIED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers (RFC 6598)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata service of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""Everything else is mapped, NAT64, link-local, site-local, unique-local, multicast or unassigned."""


class Refused(Exception):
    """Asking again will not help; the message tells a person why."""


class Gone(Refused):
    """The page is not there (any more)."""


class KeptOut(Refused):
    """The page is there, but not for programs, or not without a login."""


class TryLater(Exception):
    """It may work in a while; the message tells a person what happened."""

    after_s: float = 0
    """The pause that the site asks for (Retry-After); 0 if it named none."""


@dataclass(frozen=True)
class Limits:
    most_bytes: int = 5 * MEGABYTE
    """Of the body, counted after decompression."""
    connect_s: float = 3
    total_s: float = 10
    """From the first look-up to the last byte, all redirects included."""


PAGE = Limits()
IMAGE = Limits(most_bytes=10 * MEGABYTE)
LINK = Limits(total_s=6)


@dataclass(frozen=True)
class Fetched:
    url: str
    """Where the last redirect led."""
    body: bytes = b""
    content_type: str = ""
    charset: str = ""
    language: str = ""
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False


@dataclass(frozen=True)
class _Target:
    url: str
    scheme: str
    host: str
    port: int
    path: str
    is_own: bool


def fetch(url: str, *, limits: Limits = PAGE, etag: str = "", last_modified: str = "") -> Fetched:
    """Get `url`, following at most three redirects. Raises Refused or TryLater with words for people.

    With `etag` or `last_modified` of an earlier answer, `not_modified` may come back instead of a body.
    """
    deadline = time.monotonic() + limits.total_s
    return _follow(url, "GET", _headers(etag, last_modified), limits=limits, deadline=deadline)


def try_link(url: str, *, limits: Limits = LINK) -> str:
    """Whether `url` answers, without reading what; returns where its redirects lead. Raises Refused or TryLater.

    Asks with HEAD, and with GET where HEAD fails: not every site knows it.
    """
    deadline = time.monotonic() + limits.total_s
    headers = _headers("", "")
    try:
        return _follow(url, "HEAD", headers, limits=limits, deadline=deadline, is_read=False).url
    except (Refused, TryLater):
        if time.monotonic() >= deadline:
            raise
    return _follow(url, "GET", headers, limits=limits, deadline=deadline, is_read=False).url


def _follow(
    url: str, method: str, headers: dict[str, str], *, limits: Limits, deadline: float, is_read: bool = True
) -> Fetched:
    target = _target(url)
    for _hop in range(MOST_REDIRECTS + 1):
        answer = _ask(target, method, headers, limits=limits, deadline=deadline, is_read=is_read)
        if isinstance(answer, Fetched):
            return answer
        if target.scheme == "https" and answer.scheme != "https":
            raise Refused(_("This address leads from a secure page to an insecure one. Use the secure address."))
        target = answer
    raise Refused(_("This address leads on from page to page without an end. Check it in a browser."))


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


# --- which addresses are allowed -------------------------------------------------------------------------------------


def _target(url: str) -> _Target:
    """Take `url` apart once, and refuse every form that another reader of it might take apart differently."""
    wrong = Refused(_("This is not a web address we can read. It starts with https:// and names a site."))
    if not url or len(url) > 4000 or re.search(r"[\x00-\x20\x7f\\]", url):
        raise wrong
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    if scheme not in PORTS or not host or "%" in parts.netloc:
        raise wrong
    if parts.username is not None or parts.password is not None:
        raise Refused(_("This address holds a name or password. Use the address without it."))
    host = _ascii(host)
    port = PORTS[scheme] if port is None else port
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else ""
    is_own = _is_own(scheme, host, port, path)
    if not is_own and port not in PORTS.values():
        raise Refused(_("This address names an unusual port. Only ordinary web addresses can be read."))
    return _Target(url, scheme, host, port, path + query, is_own)


def _ascii(host: str) -> str:
    """The name as the network knows it. Numbers that are no plain IP address (decimal, octal, hex) are refused."""
    wrong = Refused(_("This address names no site. Check it in a browser."))
    if ":" in host:
        return host
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise wrong from None
    last = name.rstrip(".").rpartition(".")[2]
    if re.fullmatch(r"\d+|0x[0-9a-f]*", last):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise wrong from None
    if not re.fullmatch(r"[a-z0-9_.-]{1,253}", name):
        raise wrong
    return name


def _is_own(scheme: str, host: str, port: int, path: str) -> bool:
    """Embedded mode: our own demo site and pictures, on this machine."""
    if not settings.EMBEDDED:
        return False
    site = urlsplit(settings.SITE_URL)
    same = (scheme, host, port) == (site.scheme, site.hostname, site.port or PORTS[site.scheme])
    clear = unquote(unquote(path))
    return same and clear.startswith(OWN_PATHS) and ".." not in clear.split("/") and "\\" not in clear


def is_allowed(address: str) -> bool:
    """Whether an IP address is an ordinary public one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id or ip not in GLOBAL_V6):
        return False
    return not any(ip in network for network in DENIED if network.version == ip.version)


def _addresses(target: _Target, *, deadline: float) -> list[str]:
    """The checked addresses of the target's name; one bad address among good ones spoils them all."""
    found = _resolved(target.host, target.port, seconds=max(deadline - time.monotonic(), 0.1))
    if target.is_own:
        allowed = all(ipaddress.ip_address(address).is_loopback for address in found)
    else:
        allowed = all(is_allowed(address) for address in found)
    if not allowed:
        raise Refused(_("This address leads into a private network, so it is not read. Use the public address."))
    return found[:MOST_ADDRESSES]


def _resolved(host: str, port: int, *, seconds: float) -> list[str]:
    """All addresses of `host`. The system's look-up knows no time-out, so it runs beside us."""
    answers: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TryLater(_("The site's name could not be looked up in time. Try again later.")) from None
    if isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN:
        raise TryLater(_("The site's name could not be looked up just now. Try again later.")) from answer
    if isinstance(answer, Exception) or not answer:
        raise Refused(_("There is no site of this name. Check the address for typing mistakes."))
    return answer


# --- one request -----------------------------------------------------------------------------------------------------


def _ask(
    target: _Target, method: str, headers: dict[str, str], *, limits: Limits, deadline: float, is_read: bool
) -> Fetched | _Target:
    """Send one request; an answer, or the target a redirect leads to."""
    addresses = _addresses(target, deadline=deadline)
    try:
        with _connection(target, addresses, limits=limits, deadline=deadline) as connection:
            host = f"[{target.host}]" if ":" in target.host else target.host
            named = host if target.port == PORTS[target.scheme] else f"{host}:{target.port}"
            connection.request(method, target.path, headers={"Host": named, **headers}, preload_content=False)
            with contextlib.closing(connection.getresponse()) as response:
                return _answer(target, response, limits=limits, deadline=deadline, is_read=is_read)
    except ssl.SSLCertVerificationError as error:
        raise Refused(
            _("The site's certificate is not valid, so we cannot be sure it is that site. Tell whoever runs it.")
        ) from error
    except urllib3.exceptions.DecodeError as error:
        raise Refused(_("The site sent something that cannot be unpacked. Try another page of it.")) from error
    except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError) as error:
        if time.monotonic() >= deadline:
            raise _too_slow() from error
        raise TryLater(_("The site did not answer, or broke off in the middle. Try again later.")) from error


@contextlib.contextmanager
def _connection(
    target: _Target, addresses: list[str], *, limits: Limits, deadline: float
) -> Iterator[HTTPConnection | HTTPSConnection]:
    """A connection to the first address that answers, cut when the time is over, whatever it is doing then."""
    connection = _connected(target, addresses, limits=limits, deadline=deadline)
    line = connection.sock
    left = max(deadline - time.monotonic(), 0.05)
    if line is not None:
        line.settimeout(left)
    watchdog = threading.Timer(left, _cut, [line])
    watchdog.daemon = True
    watchdog.start()
    try:
        yield connection
    finally:
        watchdog.cancel()
        connection.close()


def _connected(target: _Target, addresses: list[str], *, limits: Limits, deadline: float) -> HTTPConnection:
    failure: Exception | None = None
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _too_slow()
        connection = _unconnected(target, address, timeout=min(limits.connect_s, left))
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
    raise TryLater(_("The site cannot be reached just now. Try again later.")) from failure


def _unconnected(target: _Target, address: str, *, timeout: float) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=timeout)
    return HTTPSConnection(
        address,
        target.port,
        timeout=timeout,
        server_hostname=target.host,
        assert_hostname=target.host,
        ssl_context=_trust(),
    )


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _cut(line: socket.socket | None) -> None:
    """Wake a reader that waits for a byte: the plain shutdown, since TLS' own would wait for the other side."""
    if line is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(line, socket.SHUT_RDWR)


def _answer(
    target: _Target, response: urllib3.response.BaseHTTPResponse, *, limits: Limits, deadline: float, is_read: bool
) -> Fetched | _Target:
    if response.status in REDIRECTS:
        return _target(_led_to(target.url, response.headers.get("Location", "")))
    known = Fetched(
        target.url,
        etag=response.headers.get("ETag", "")[:200],
        last_modified=response.headers.get("Last-Modified", "")[:60],
    )
    if response.status == 304:
        return replace(known, not_modified=True)
    if not is_read and 200 <= response.status < 300:
        return known
    _demand_success(response.status, retry_after=response.headers.get("Retry-After", ""))
    content_type = response.headers.get("Content-Type", "")
    found = re.search(r"charset\s*=\s*[\"']?([\w:.-]{2,30})", content_type, re.IGNORECASE)
    return replace(
        known,
        body=_body(response, limits=limits, deadline=deadline),
        content_type=content_type.partition(";")[0].strip().lower(),
        charset=found[1] if found else "",
        language=response.headers.get("Content-Language", "")[:40],
    )


def _led_to(url: str, place: str) -> str:
    """Where a Location header leads. Its bytes arrive as Latin-1; an address in raw UTF-8 is meant as such."""
    with contextlib.suppress(UnicodeError):
        place = place.encode("latin-1").decode("utf-8")
    try:
        return urljoin(url, place.strip()).partition("#")[0] if place.strip() else ""
    except ValueError:
        return ""


def _demand_success(status: int, *, retry_after: str = "") -> None:
    if status in {404, 410}:
        raise Gone(_("There is no page at this address (any more). Check it in a browser."))
    if status == 429 or status >= 500:
        overloaded = TryLater(_("The site is overloaded or broken just now. Try again later."))
        overloaded.after_s = _pause_s(retry_after)
        raise overloaded
    if status in {401, 402, 403, 407, 451}:
        raise KeptOut(
            _(
                "The site does not let us read this page. It may need a login or keep programs out: ask whoever runs it to let this server in."
            )
        )
    if status != 200:
        raise Refused(_("The site gave no page at this address. Check it in a browser."))


def _pause_s(retry_after: str) -> float:
    """Retry-After in seconds from now: a number, or a date (RFC 9110 section 10.2.3); 0 for anything else."""
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0


def _body(response: urllib3.response.BaseHTTPResponse, *, limits: Limits, deadline: float) -> bytes:
    """The whole body, unpacked; stops as soon as it is too much or too slow."""
    too_large = Refused(
        _("This is larger than %(size)d MB, so it is not read.") % {"size": limits.most_bytes // MEGABYTE}
    )
    if response.headers.get("Content-Encoding", "").strip().lower() not in ENCODINGS:
        raise Refused(_("The site sent something that cannot be unpacked. Try another page of it."))
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:18]) > limits.most_bytes:
        raise too_large
    body = bytearray()
    for piece in response.stream(16 * 1024, decode_content=True):
        body += piece
        if len(body) > limits.most_bytes:
            raise too_large
        if time.monotonic() >= deadline:
            raise _too_slow()
    if time.monotonic() >= deadline:  # a body that ended because the line was cut
        raise _too_slow()
    return bytes(body)


def _too_slow() -> TryLater:
    return TryLater(_("The site took too long to answer. Try again later."))
