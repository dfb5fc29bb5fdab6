"""The slow look at an issue: its articles are read again and its links tried, by a worker, and what that found is kept.

A page or a clock asks (`ask`), a worker takes the look (`take`), and the checks read what it found (`answers`). What is
kept is in English, as msgids, and is said in the language of whoever reads it.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pydantic
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import translation

from newsletter import content
from newsletter.articles import article_changes
from newsletter.fetching import address_guard, http_client
from newsletter.models import Article, ArticleState, Issue, IssueStatus, LinkLook
from newsletter.rendering import links as addresses
from newsletter.rendering import richtext

logger = logging.getLogger(__name__)

RECHECK_AFTER = timedelta(minutes=10)
"""A page asks again by itself after this long; an answer that was good is believed as long."""
RECHECK_ARTICLES_AFTER = timedelta(minutes=2)
RECHECK_OWN_SITE_AFTER = timedelta(minutes=1)
"""Once an issue is scheduled, links to the publisher's own site are tried again."""
RESULTS_KEPT_FOR = timedelta(days=1)
FRESH_FOR = timedelta(minutes=15)
"""No issue begins on an older look, unless the look does not come."""
CHECK_AHEAD = timedelta(minutes=5)
"""How long before an issue goes out it is looked at once more."""
MAX_WAIT = timedelta(seconds=60)
"""How long an issue that is due waits for the look."""
REQUEST_EXPIRES_AFTER = timedelta(hours=1)
"""Nobody waits for an older question any more."""

HOSTS_AT_ONCE = 8
PAUSE_S = 0.2
"""Between two links of the same site."""
MAX_SECONDS = 25.0
"""No link is tried later than this; what is left waits for the next look."""
ACCESS_DENIED = "(keeps out)"
"""Kept instead of a reason, where a site answers people only."""


class DocumentLink(NamedTuple):
    """A link as it stands in a document."""

    url: str
    block: str
    language: str
    label: str


@dataclass(frozen=True)
class LinkResult:
    """What a link said when it was tried."""

    is_fine: bool
    at: datetime
    reason: str = ""
    """Why it is not fine, as an English msgid."""
    to: str = ""
    """Where it leads in the end, if that is elsewhere."""

    @property
    def keeps_out(self) -> bool:
        """The page may well be there for people."""
        return self.reason == ACCESS_DENIED


# --- asking ----------------------------------------------------------------------------------------------------------


def request_check(issue: Issue, *, now: datetime) -> None:
    """Want a look; a tick has a worker take it."""
    Issue.objects.filter(pk=issue.pk).update(look_asked_at=now)
    issue.look_asked_at = now


def request_url_check(issue: Issue, url: str, *, now: datetime) -> None:
    """Want this address tried, which a link of an issue that is out may come to lead to; unless it just was."""
    known = latest_results(issue).get(url)
    if known is not None and now - known.at < RECHECK_AFTER or is_url_pending(issue, url, now=now):
        return
    stored = Issue.objects.filter(pk=issue.pk).values_list("look", flat=True).first() or {}
    issue.look = {**stored, "asked": url}
    Issue.objects.filter(pk=issue.pk).update(look=issue.look)
    request_check(issue, now=now)


def is_url_pending(issue: Issue, url: str, *, now: datetime) -> bool:
    """Whether a worker is still to try it."""
    return (issue.look or {}).get("asked") == url and is_pending(issue, now=now)


def is_pending(issue: Issue, *, now: datetime) -> bool:
    """Whether somebody asked, not too long ago, and no look was begun since."""
    asked, looked = issue.look_asked_at, issue.looked_at
    return asked is not None and (looked is None or looked < asked) and now - asked < REQUEST_EXPIRES_AFTER


def is_due(issue: Issue, *, now: datetime) -> bool:
    """Whether a page that shows the issue should ask by itself."""
    moments = [moment for moment in (issue.look_asked_at, issue.looked_at) if moment is not None]
    return not moments or now - max(moments) >= RECHECK_AFTER


def pending_issues(*, now: datetime) -> QuerySet[Issue]:
    """Issues that somebody asked for and nobody has looked at since, the longest waiting first."""
    asked = Issue.objects.filter(look_asked_at__gt=now - REQUEST_EXPIRES_AFTER, deleted_at__isnull=True)
    return asked.filter(Q(looked_at__isnull=True) | Q(looked_at__lt=F("look_asked_at"))).order_by("look_asked_at")


def request_upcoming_checks(*, now: datetime) -> int:
    """Ask once for every issue that goes out in the next minutes. Returns for how many."""
    soon = Issue.objects.filter(
        status=IssueStatus.SCHEDULED, scheduled_at__lte=now + CHECK_AHEAD, scheduled_at__gt=now, deleted_at__isnull=True
    )
    old = Q(look_asked_at__isnull=True) | Q(look_asked_at__lt=F("scheduled_at") - CHECK_AHEAD)
    return soon.filter(old).update(look_asked_at=now)


def may_start_sending(issue: Issue, *, now: datetime) -> bool:
    """Whether a due issue needs to wait for a look no longer: there is a fresh one, or it does not come.

    Asks for one where nobody has.
    """
    asked, looked = issue.look_asked_at, issue.looked_at
    if looked is not None and now - looked <= FRESH_FOR and looked >= issue.edited_at:
        return True
    if not any(is_checkable(link.url) for link in document_links(content.parse(issue.content))):
        return True
    is_open = asked is not None and now - asked <= FRESH_FOR and (looked is None or looked < asked)
    if asked is None or not is_open:
        request_check(issue, now=now)
        return False
    return now - asked >= MAX_WAIT


# --- looking ---------------------------------------------------------------------------------------------------------


def run_check(issue: Issue, *, now: datetime) -> int:
    """Read the issue's articles again, try its links, and keep what they said. Returns how many links are not fine.

    For workers: it can take half a minute. Links that were fine a short while ago are not asked again. Of an issue that
    is out only the address that somebody asked about is tried.
    """
    if issue.started_at is not None:
        return _take_one(issue, (issue.look or {}).get("asked", ""), now=now)
    try:
        document = content.parse(issue.content)
    except pydantic.ValidationError:
        document = content.Document()
    else:
        article_changes.refresh_articles(issue, now=now, max_age=RECHECK_ARTICLES_AFTER)
    urls = list(dict.fromkeys(link.url for link in document_links(document) if is_checkable(link.url)))
    known = _known(issue, urls, now=now)
    asked = _try_all([url for url in urls if url not in known], now=now)
    _remember(asked, now=now)
    found = {url: answer for url in urls if (answer := asked.get(url) or known.get(url))}
    store_results(issue, {"links": {url: _written(answer) for url, answer in found.items()}}, now=now)
    failed = sum(not answer.is_fine for answer in found.values())
    logger.info("links tried", extra={"issue": issue.pk, "links": len(urls), "asked": len(asked), "failed": failed})
    return failed


def _take_one(issue: Issue, url: str, *, now: datetime) -> int:
    asked = _try_all([url], now=now) if is_checkable(url) else {}
    _remember(asked, now=now)
    found = {**(issue.look or {}).get("links", {}), **{one: _written(answer) for one, answer in asked.items()}}
    store_results(issue, {"links": found}, now=now)
    return sum(not answer.is_fine for answer in asked.values())


def store_results(issue: Issue, found: Mapping[str, Any], *, now: datetime) -> None:
    """Put `found` into the issue's look, beside what else it holds, as seen at `now`."""
    stored = Issue.objects.filter(pk=issue.pk).values_list("look", flat=True).first() or {}
    issue.look, issue.looked_at = {**stored, **found}, now
    Issue.objects.filter(pk=issue.pk).update(look=issue.look, looked_at=now)


def latest_results(issue: Issue) -> dict[str, LinkResult]:
    """What the links said at the last look, by address."""
    return {url: _read(said) for url, said in (issue.look or {}).get("links", {}).items()}


def _written(answer: LinkResult) -> dict[str, Any]:
    return {"fine": answer.is_fine, "why": answer.reason, "to": answer.to, "at": answer.at.isoformat()}


def _read(said: Mapping[str, Any]) -> LinkResult:
    return LinkResult(
        is_fine=bool(said["fine"]), reason=said["why"], to=said.get("to", ""), at=datetime.fromisoformat(said["at"])
    )


def _known(issue: Issue, urls: list[str], *, now: datetime) -> dict[str, LinkResult]:
    """Answers that need not be asked for again: good ones of the last minutes, and articles just read."""
    before = latest_results(issue)
    rows = LinkLook.objects.filter(hash__in=map(_hash, urls), is_fine=True, looked_at__gt=now - RECHECK_AFTER)
    known = {row.url: LinkResult(True, row.looked_at, to=_led_to(before.get(row.url))) for row in rows}
    read = Article.objects.filter(
        url__in=urls, state=ArticleState.LIVE, look_error="", looked_at__gt=now - RECHECK_AFTER
    )
    known |= {article.url: LinkResult(True, article.looked_at) for article in read if article.looked_at}
    if issue.status != IssueStatus.SCHEDULED:
        return known
    own = own_hosts(issue)
    return {
        url: said
        for url, said in known.items()
        if addresses.host(url) not in own or now - said.at < RECHECK_OWN_SITE_AFTER
    }


def _led_to(answer: LinkResult | None) -> str:
    return answer.to if answer else ""


def _remember(asked: Mapping[str, LinkResult], *, now: datetime) -> None:
    rows = [
        LinkLook(hash=_hash(url), url=url, is_fine=said.is_fine, reason=said.reason[:300], looked_at=said.at)
        for url, said in asked.items()
    ]
    LinkLook.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["hash"], update_fields=["is_fine", "reason", "looked_at"]
    )
    LinkLook.objects.filter(looked_at__lt=now - RESULTS_KEPT_FOR).delete()


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


# --- trying links ----------------------------------------------------------------------------------------------------


def _try_all(urls: Iterable[str], *, now: datetime) -> dict[str, LinkResult]:
    """Sites beside each other, the links of one site in turn; what the time does not suffice for is left out."""
    by_host: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        by_host[addresses.host(url)].append(url)
    until = time.monotonic() + MAX_SECONDS
    found: dict[str, LinkResult] = {}
    with ThreadPoolExecutor(max_workers=HOSTS_AT_ONCE) as pool:
        for said in pool.map(lambda urls: _try_host(urls, until=until, now=now), by_host.values()):
            found |= said
    return found


def _try_host(urls: list[str], *, until: float, now: datetime) -> dict[str, LinkResult]:
    """One site's links. Once two in turn get no answer, the others are taken to get none either."""
    found: dict[str, LinkResult] = {}
    silent = 0
    with translation.override("en"):
        for place, url in enumerate(urls):
            if time.monotonic() >= until:
                break
            if place:
                time.sleep(PAUSE_S)
            found[url], is_silent = _try(url, now=now)
            silent = silent + 1 if is_silent else 0
            if silent == 2:
                return found | dict.fromkeys(urls[place + 1 :], found[url])
    return found


def _try(url: str, *, now: datetime) -> tuple[LinkResult, bool]:
    """The answer, and whether the site was silent or overloaded."""
    try:
        to = http_client.check_link(url)
    except http_client.AccessDenied:
        return LinkResult(False, now, ACCESS_DENIED), False
    except http_client.PermanentFetchError as refused:
        return LinkResult(False, now, str(refused)), False
    except http_client.TemporaryFetchError as later:
        return LinkResult(False, now, str(later)), True
    return LinkResult(True, now, to="" if to == url else to), False


def is_checkable(url: str) -> bool:
    """Whether a look tries this link: an address of the web, and no page of this very service."""
    if not url.lower().startswith(("http://", "https://")) or not addresses.is_safe_url(url):
        return False
    rest = url.removeprefix(settings.SITE_URL)
    if rest == url:
        return True
    return (
        rest.startswith(address_guard.OWN_PATHS) if settings.EMBEDDED else not rest.startswith(addresses.SERVICE_PATHS)
    )


def own_hosts(issue: Issue) -> set[str]:
    """Where the publisher itself is at home."""
    return {addresses.host(url) for url in (issue.newsletter.site_url, settings.SITE_URL) if url} - {""}


# --- links of a document ---------------------------------------------------------------------------------------------


def document_links(document: content.Document) -> list[DocumentLink]:
    """Every link an editor set, once for each block and language, in reading order; also what is no proper address."""
    found = [
        DocumentLink(addresses.percent_encode(url), block.id, language, " ".join(label.split()))
        for block in document.blocks
        for language, words in block.words.items()
        for url, label in extract_links(words)
        if url
    ]
    return list({(link.block, link.language, link.url): link for link in reversed(found)}.values())[::-1]


def extract_links(words: content.WordsBase) -> Iterator[tuple[str, str]]:
    """(URL, link text) of one block in one language."""
    own: Any = words
    label = getattr(own, "headline", "") or getattr(own, "label", "") or getattr(own, "image_alt", "")
    for name in words.LINK_FIELDS:
        if url := getattr(own, name):
            yield url, label
    for html in words.rich_texts():
        try:
            yield from richtext.link_targets(richtext.parse(html))
        except richtext.TooComplex:
            continue  # rendering reports it
