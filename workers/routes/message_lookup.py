"""Asking a provider whether it has a message, by the token that each copy carries.

What it has, it took; what it does not have yet may still come, because its own lists run late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import requests

from workers.routes import base

TIMEOUT_S = 4.0
MOST_PAGES = 20
PAGE = 300
MOST_ONE_BY_ONE = 60
METADATA = "warta"


class Asked(Protocol):
    """The route whose provider is asked."""

    address: base.Address

    def api_url(self) -> str: ...


Ask = Callable[[Asked, str, Sequence[str], datetime, float], base.Trace]


def mailgun(route: Asked, mark: str, tokens: Sequence[str], since: datetime, until: float) -> base.Trace:
    """Its events by tag; each brings the copy's variables back."""
    url = f"{route.api_url()}{route.address.host}/events"
    query = {
        "tags": mark,
        "event": "accepted OR rejected",
        "begin": f"{since.timestamp():.0f}",
        "ascending": "yes",
        "limit": str(PAGE),
    }
    wanted, found = set(tokens), dict[str, base.Outcome]()
    for page in _pages(url, query, auth=("api", route.address.user)):
        for event in page:
            token = str((event.get("user-variables") or {}).get(METADATA, ""))
            if token in wanted:
                found[token] = "refused" if event.get("event") == "rejected" else "accepted"
        if len(found) == len(wanted) or len(page) < PAGE:
            return base.Trace(found)
        if base.tick() > until:
            break
    return base.Trace(found, is_complete=False)


def _pages(url: str, query: dict[str, str] | None, *, auth: tuple[str, str]) -> Iterator[list[dict[str, Any]]]:
    with requests.Session() as session:
        for _page in range(MOST_PAGES):
            said = _get(session, url, query, auth=auth)
            items = said.get("items")
            yield [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
            url, query = str((said.get("paging") or {}).get("next", "")), None
            if not url:
                return


def mailjet(route: Asked, mark: str, tokens: Sequence[str], since: datetime, until: float) -> base.Trace:
    """Its messages by CustomID, one question a reader."""
    url = f"{route.api_url().replace('/v3.1/', '/v3/')}REST/message"
    login = (route.address.user, route.address.password)

    def has(session: requests.Session, token: str) -> bool:
        return bool(_get(session, url, {"CustomID": token}, auth=login).get("Count"))

    return _one_by_one(tokens, has, until)


def postmark(route: Asked, mark: str, tokens: Sequence[str], since: datetime, until: float) -> base.Trace:
    """Its outbound messages by metadata, one question a reader."""
    url = f"{route.api_url()}messages/outbound"
    headers = {"X-Postmark-Server-Token": route.address.user, "Accept": "application/json"}

    def has(session: requests.Session, token: str) -> bool:
        query = {"count": "1", "offset": "0", f"metadata_{METADATA}": token}
        return bool(_get(session, url, query, headers=headers).get("TotalCount"))

    return _one_by_one(tokens, has, until)


def _one_by_one(tokens: Sequence[str], has: Callable[[requests.Session, str], bool], until: float) -> base.Trace:
    found = dict[str, base.Outcome]()
    with requests.Session() as session:
        for place, token in enumerate(tokens):
            if place == MOST_ONE_BY_ONE or (place and base.tick() > until):
                return base.Trace(found, is_complete=False)
            if has(session, token):
                found[token] = "accepted"
    return base.Trace(found)


def _get(session: requests.Session, url: str, query: dict[str, str] | None, **options: Any) -> dict[str, Any]:
    try:
        response = session.get(url, params=query, timeout=TIMEOUT_S, **options)
        said = response.json() if response.status_code == 200 else None
    except (requests.RequestException, ValueError):
        raise base.TryLater("The provider cannot be asked now.") from None
    if not isinstance(said, dict):
        raise base.TryLater(f"The provider does not tell: {response.status_code}")
    return said


ASK: dict[str, Ask] = {"mailgun": mailgun, "mailjet": mailjet, "postmark": postmark}
API_URLS = {
    "mailgun": "https://api.mailgun.net/v3/",
    "mailjet": "https://api.mailjet.com/v3.1/",
    "postmark": "https://api.postmarkapp.com/",
}
