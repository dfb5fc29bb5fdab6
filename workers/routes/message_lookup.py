"""Ask a provider whether it has a message, by the token of each copy.

A message that the provider lists was accepted. One that it does not list may appear later, because its lists lag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import requests

from workers.routes import base

TIMEOUT_S = 4.0
MAX_PAGES = 20
PAGE_SIZE = 300
MAX_SINGLE_LOOK_UPS = 60
METADATA_KEY = "warta"


class LookUpClient(Protocol):
    """The route whose provider is queried."""

    address: base.RouteUrl

    def api_url(self) -> str: ...


LookUpFunction = Callable[[LookUpClient, str, Sequence[str], datetime, float], base.LookUpResult]


def look_up_mailgun(
    route: LookUpClient, mark: str, tokens: Sequence[str], since: datetime, until: float
) -> base.LookUpResult:
    """Search the events by tag; each has the variables of its copy."""
    url = f"{route.api_url()}{route.address.host}/events"
    query = {
        "tags": mark,
        "event": "accepted OR rejected",
        "begin": f"{since.timestamp():.0f}",
        "ascending": "yes",
        "limit": str(PAGE_SIZE),
    }
    wanted, found = set(tokens), dict[str, base.SendOutcome]()
    for page in _pages(url, query, auth=("api", route.address.user)):
        for event in page:
            token = str((event.get("user-variables") or {}).get(METADATA_KEY, ""))
            if token in wanted:
                found[token] = "refused" if event.get("event") == "rejected" else "accepted"
        if len(found) == len(wanted) or len(page) < PAGE_SIZE:
            return base.LookUpResult(found)
        if base.boottime() > until:
            break
    return base.LookUpResult(found, is_complete=False)


def _pages(url: str, query: dict[str, str] | None, *, auth: tuple[str, str]) -> Iterator[list[dict[str, Any]]]:
    with requests.Session() as session:
        for _page in range(MAX_PAGES):
            said = _get(session, url, query, auth=auth)
            items = said.get("items")
            yield [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
            url, query = str((said.get("paging") or {}).get("next", "")), None
            if not url:
                return


def look_up_mailjet(
    route: LookUpClient, mark: str, tokens: Sequence[str], since: datetime, until: float
) -> base.LookUpResult:
    """Search the messages by CustomID, one request a reader."""
    url = f"{route.api_url().replace('/v3.1/', '/v3/')}REST/message"
    login = (route.address.user, route.address.password)

    def has(session: requests.Session, token: str) -> bool:
        return bool(_get(session, url, {"CustomID": token}, auth=login).get("Count"))

    return _one_by_one(tokens, has, until)


def look_up_postmark(
    route: LookUpClient, mark: str, tokens: Sequence[str], since: datetime, until: float
) -> base.LookUpResult:
    """Search the outbound messages by metadata, one request a reader."""
    url = f"{route.api_url()}messages/outbound"
    headers = {"X-Postmark-Server-Token": route.address.user, "Accept": "application/json"}

    def has(session: requests.Session, token: str) -> bool:
        query = {"count": "1", "offset": "0", f"metadata_{METADATA_KEY}": token}
        return bool(_get(session, url, query, headers=headers).get("TotalCount"))

    return _one_by_one(tokens, has, until)


def _one_by_one(tokens: Sequence[str], has: Callable[[requests.Session, str], bool], until: float) -> base.LookUpResult:
    found = dict[str, base.SendOutcome]()
    with requests.Session() as session:
        for place, token in enumerate(tokens):
            if place == MAX_SINGLE_LOOK_UPS or (place and base.boottime() > until):
                return base.LookUpResult(found, is_complete=False)
            if has(session, token):
                found[token] = "accepted"
    return base.LookUpResult(found)


def _get(session: requests.Session, url: str, query: dict[str, str] | None, **options: Any) -> dict[str, Any]:
    try:
        response = session.get(url, params=query, timeout=TIMEOUT_S, **options)
        said = response.json() if response.status_code == 200 else None
    except (requests.RequestException, ValueError):
        raise base.RouteUnavailable("The provider cannot be asked now.") from None
    if not isinstance(said, dict):
        raise base.RouteUnavailable(f"The provider does not tell: {response.status_code}")
    return said
