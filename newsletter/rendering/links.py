"""The link book: numbers the links of an issue while its blocks are composed, and says what each one points to in the mail.

A tracked link carries its number and one token per reader, never its target: the redirect looks the target up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from newsletter.rendering import slots

ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})
SERVICE_PATHS = ("/archive/", "/u/", "/p/", "/c/", "/l/", "/t/", "/privacy/", "/subscribe/")
_NEVER_IN_A_URL = re.compile(r"[\s\x00-\x20\x7f<>\"\\^`{|}" + slots.OPEN + slots.CLOSE + "]")


class NumberedLink(NamedTuple):
    number: int
    url: str
    block: str
    label: str


def host(url: str) -> str:
    """The host of an address without "www."; "" where it has none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.").rstrip(".")
    except ValueError:
        return ""


def is_safe_url(url: str) -> bool:
    """Whether `url` may stand in a mail: http, https or mailto, with a host, and nothing that breaks out."""
    if not url or len(url) > 2000 or _NEVER_IN_A_URL.search(url):
        return False
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
        parts.port  # noqa: B018 (raises on a wrong port)
    except ValueError:
        return False
    if parts.scheme.lower() not in ALLOWED_SCHEMES:
        return False
    if parts.scheme.lower() == "mailto":
        return "@" in parts.path
    return has_host and parts.username is None and parts.password is None


def percent_encode(url: str) -> str:
    """`url` with blanks and quotes percent-encoded, as browsers do for people who paste such addresses."""
    return re.sub(r"[ \"<>\\^`{|}]", lambda found: f"%{ord(found[0]):02X}", url.strip())


class LinkBook:
    """Same block and URL, same number, in HTML and text alike. Our own service pages, mailto: and # are never numbered."""

    def __init__(
        self,
        site_url: str,
        *,
        tracked: bool = False,
        first: int = 1,
        own: frozenset[str] = frozenset(),
        amended: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self._site_url = site_url.rstrip("/")
        self._tracked = tracked
        self._first = first
        self._own = own
        self._amended = amended or {}
        self._links: dict[tuple[str, str], NumberedLink] = {}

    @property
    def links(self) -> tuple[NumberedLink, ...]:
        return tuple(self._links.values())

    def href(self, url: str, *, block: str, label: str) -> str:
        """What to write into the mail for `url`: a tracked link, or the address itself; "" if it is not safe."""
        url = percent_encode(url)
        if not is_safe_url(url):
            return ""
        if self._is_service(url):
            return url
        link = self._links.get((block, url))
        if link is None:
            link = NumberedLink(self._first + len(self._links), url, block, " ".join(label.split())[:300])
            self._links[block, url] = link
        if self._tracked:
            return f"{self._site_url}/l/{link.number}/{slots.format_slot('hit')}"
        return self._amended.get((block, url), url)

    def _is_service(self, url: str) -> bool:
        if url.startswith("mailto:") or url in self._own:
            return True
        rest = url.removeprefix(self._site_url)
        return rest != url and rest.startswith(SERVICE_PATHS)
