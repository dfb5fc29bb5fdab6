"""Refuse URLs that lead into private networks, in any notation; resolve host names to checked IP addresses.

A host name is resolved once, and all its addresses are checked. Embedded mode may also reach its own demo site and
media. `http_client` connects to these addresses only, and repeats the check for each redirect.
"""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

MAX_IP_ADDRESSES = 4
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_PATHS = ("/demo/", "/media/")

DENIED_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space of carriers (RFC 6598)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of cloud providers
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
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All other IPv6 addresses are mapped, NAT64, link-local, site-local, unique-local, multicast or unassigned."""


class PermanentFetchError(Exception):
    """The request will fail again. The message is shown to people."""


class TemporaryFetchError(Exception):
    """The request may succeed later. The message is shown to people."""

    after_s: float = 0
    """Seconds to wait, from Retry-After; 0 if the site sent none."""


@dataclass(frozen=True)
class FetchTarget:
    url: str
    scheme: str
    host: str
    port: int
    path: str
    is_own: bool


def parse_target(url: str) -> FetchTarget:
    """Parse `url` once, and refuse every notation that another parser might read differently."""
    invalid = PermanentFetchError(_("This is not a web address we can read. It starts with https:// and names a site."))
    if not url or len(url) > 4000 or re.search(r"[\x00-\x20\x7f\\]", url):
        raise invalid
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        raise invalid from None
    if scheme not in DEFAULT_PORTS or not host or "%" in parts.netloc:
        raise invalid
    if parts.username is not None or parts.password is not None:
        raise PermanentFetchError(_("This address holds a name or password. Use the address without it."))
    host = _ascii(host)
    port = DEFAULT_PORTS[scheme] if port is None else port
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else ""
    is_own = _is_own(scheme, host, port, path)
    if not is_own and port not in DEFAULT_PORTS.values():
        raise PermanentFetchError(_("This address names an unusual port. Only ordinary web addresses can be read."))
    return FetchTarget(url, scheme, host, port, path + query, is_own)


def _ascii(host: str) -> str:
    """The host name in ASCII. Numeric notations other than a plain IP address (decimal, octal, hex) are refused."""
    invalid = PermanentFetchError(_("This address names no site. Check it in a browser."))
    if ":" in host:
        return host
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise invalid from None
    last = name.rstrip(".").rpartition(".")[2]
    if re.fullmatch(r"\d+|0x[0-9a-f]*", last):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise invalid from None
    if not re.fullmatch(r"[a-z0-9_.-]{1,253}", name):
        raise invalid
    return name


def _is_own(scheme: str, host: str, port: int, path: str) -> bool:
    """Whether the URL is that of the demo site or the media of an embedded installation."""
    if not settings.EMBEDDED:
        return False
    site = urlsplit(settings.SITE_URL)
    same = (scheme, host, port) == (site.scheme, site.hostname, site.port or DEFAULT_PORTS[site.scheme])
    clear = unquote(unquote(path))
    return same and clear.startswith(OWN_PATHS) and ".." not in clear.split("/") and "\\" not in clear


def is_public_ip(address: str) -> bool:
    """Whether an IP address is public."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id or ip not in GLOBAL_IPV6):
        return False
    return not any(ip in network for network in DENIED_NETWORKS if network.version == ip.version)


def resolve(target: FetchTarget, *, deadline: float) -> list[str]:
    """The checked addresses of the host. If one address is private, all are refused."""
    # Resolved once: the connection goes to these addresses, so a second DNS answer (rebinding) has no effect.
    addresses = _look_up_addresses(target.host, target.port, seconds=max(deadline - time.monotonic(), 0.1))
    if target.is_own:
        allowed = all(ipaddress.ip_address(address).is_loopback for address in addresses)
    else:
        allowed = all(is_public_ip(address) for address in addresses)
    if not allowed:
        raise PermanentFetchError(
            _("This address leads into a private network, so it is not read. Use the public address.")
        )
    return addresses[:MAX_IP_ADDRESSES]


def _look_up_addresses(host: str, port: int, *, seconds: float) -> list[str]:
    """All addresses of `host`. getaddrinfo has no timeout, so it runs in a thread."""
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
        raise TemporaryFetchError(_("The site's name could not be looked up in time. Try again later.")) from None
    if isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN:
        raise TemporaryFetchError(_("The site's name could not be looked up just now. Try again later.")) from answer
    if isinstance(answer, Exception) or not answer:
        raise PermanentFetchError(_("There is no site of this name. Check the address for typing mistakes."))
    return answer
