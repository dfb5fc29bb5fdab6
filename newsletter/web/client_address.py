"""Where a request came from: the one place that believes X-Forwarded-For, and only from a proxy of ours."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def get_client_address(request: HttpRequest) -> str:
    """The peer's address, or behind our proxies the last one in X-Forwarded-For that is not ours; "" if it is none."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    while forwarded and _is_ours(address):
        address = forwarded.pop()
    return str(parse_ip(address) or "")


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address, an IPv4 one also where it comes mapped into IPv6; None if it is none."""
    try:
        ip = ip_address(text.partition("%")[0])  # a link-local address may name its interface
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _is_ours(address: str) -> bool:
    ip = parse_ip(address)
    return ip is not None and any(ip in ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)
