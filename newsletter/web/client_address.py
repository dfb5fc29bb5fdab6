"""The client's IP address. X-Forwarded-For is used only if the peer is listed in TRUSTED_PROXIES."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def get_client_address(request: HttpRequest) -> str:
    """Return the client's address: the peer, or the last address in X-Forwarded-For that is not a trusted proxy. "" if
    invalid.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    while forwarded and _is_trusted_proxy(address):
        address = forwarded.pop()
    return str(parse_ip(address) or "")


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an IP address. IPv4 mapped into IPv6 becomes IPv4. None if invalid."""
    try:
        ip = ip_address(text.partition("%")[0])  # a link-local address may have a zone id (%eth0)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _is_trusted_proxy(address: str) -> bool:
    ip = parse_ip(address)
    return ip is not None and any(ip in ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)
