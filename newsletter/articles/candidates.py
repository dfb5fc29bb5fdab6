"""Addresses that may become articles: pasted by editors, listed by feeds, or translations of an article.

A `Candidate` is waiting (a worker will read it), taken (it is an article), or skipped. A skipped candidate without
article was left out, with a reason; one with an article was skipped by an editor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter.articles.article_data import NotAnArticle, absolute_url, canonical_url
from newsletter.articles.storing import fetch_picture, upsert
from newsletter.articles.url_reader import UrlContent, normalize_typed_url, read_url
from newsletter.fetching import http_client
from newsletter.models import Article, Candidate, CandidateState, Editor, Newsletter, Source

logger = logging.getLogger(__name__)

ADD_TIMEOUT_S = 10.0
"""Time limit for one address while an editor waits: its page, and its picture with the time that is left."""
MAX_PASTED = 100
"""Addresses in one paste."""
CLAIM_TIMEOUT = timedelta(minutes=5)
"""The time after which another worker may read a claimed address; also the pause before a translation is tried again.
"""
TRANSLATION_RETRY_FOR = timedelta(hours=1)
MAX_READ = 60
MAX_SECONDS = 40


class _NoPage(NotAnArticle):
    """There is no article, but a page with this title."""

    def __init__(self, reason: str, title: str) -> None:
        super().__init__(reason)
        self.title = title


@dataclass
class PasteResult:
    """The result of pasting lines."""

    waiting: list[str] = field(default_factory=list)
    """Addresses that a worker will read."""
    known: list[Article] = field(default_factory=list)
    """Articles that are already stored."""
    wrong: list[str] = field(default_factory=list)
    """Lines that are not web addresses, and addresses above the limit."""


# --- one address, in a request ---------------------------------------------------------------------------------------


def add_by_url(
    url: str, *, newsletter: Newsletter, now: datetime, editor: Editor | None = None, anyway: bool = False
) -> Article:
    """Read and store the article at `url` with its picture. Raises NotAnArticle with a message for editors.

    `newsletter` gives the language if the page names none. With `anyway`, a page that does not look like an article is
    taken if it has a headline. A worker reads the versions in the newsletter's other languages.
    """
    ends = time.monotonic() + ADD_TIMEOUT_S
    content = _fetch_content(url)
    page = content.page
    if content.kind == "feed":
        raise NotAnArticle(_("This is a feed rather than an article. Connect it as a source."))
    if page is None or (content.reason and not (anyway and page.article.title)):
        raise _NoPage(content.reason, page.article.title if page else "")
    article, _outcome = upsert(page.article, source=None, now=now, language=newsletter.default_language)
    article = fetch_picture(article, ends=ends)
    _mark_taken(article, newsletter, url=article.url, editor=editor, now=now)
    enqueue_translations([article], newsletter=newsletter, now=now)
    return article


def _fetch_content(url: str) -> UrlContent:
    try:
        return read_url(url, limits=replace(http_client.PAGE_LIMITS, total_s=ADD_TIMEOUT_S))
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
        raise NotAnArticle(str(error)) from error


def _mark_taken(
    article: Article, newsletter: Newsletter, *, url: str, editor: Editor | None, now: datetime
) -> Candidate:
    """Record that the newsletter has the article. This also reverts `set_aside`."""
    taken = {"state": CandidateState.TAKEN, "article": article, "reason": "", "done_at": now, "title": article.title}
    candidate, _created = Candidate.objects.update_or_create(
        newsletter=newsletter, url=url, defaults=taken, create_defaults={**taken, "asked_by": editor, "created_at": now}
    )
    Candidate.objects.filter(newsletter=newsletter, article=article, state=CandidateState.SKIPPED).update(
        state=CandidateState.TAKEN, reason=""
    )
    return candidate


# --- many addresses, read by a worker --------------------------------------------------------------------------------


def enqueue_pasted(text: str, *, newsletter: Newsletter, editor: Editor | None, now: datetime) -> PasteResult:
    """Queue pasted addresses, one per line, for a worker. Articles that are already stored are taken at once."""
    pasted = PasteResult()
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    pasted.wrong = lines[MAX_PASTED:]
    for line in lines[:MAX_PASTED]:
        url = canonical_url(absolute_url(normalize_typed_url(line)))
        if not url or "." not in url.partition("://")[2]:
            pasted.wrong.append(line)
            continue
        article = Article.objects.filter(url=url).first()
        if article is not None:
            _mark_taken(article, newsletter, url=url, editor=editor, now=now)
            pasted.known.append(article)
        else:
            enqueue(url, newsletter=newsletter, editor=editor, now=now)
            pasted.waiting.append(url)
    return pasted


def enqueue(
    url: str, *, newsletter: Newsletter, editor: Editor | None, now: datetime, source: Source | None = None
) -> Candidate:
    """Queue `url` for a worker, also if it was left out before."""
    values = {"state": CandidateState.WAITING, "reason": "", "done_at": None}
    candidate, _created = Candidate.objects.update_or_create(
        newsletter=newsletter,
        url=url,
        defaults=values,
        create_defaults={**values, "asked_by": editor, "source": source, "created_at": now},
    )
    return candidate


def retry(candidates: Iterable[Candidate], *, now: datetime) -> int:
    """Queue addresses again that gave no article. Returns their number."""
    left_out = Candidate.objects.filter(
        pk__in=[candidate.pk for candidate in candidates], state=CandidateState.SKIPPED, article__isnull=True
    )
    return left_out.update(state=CandidateState.WAITING, reason="", done_at=None, created_at=now)


def read_due_candidates(*, now: datetime) -> int:
    """Read the waiting addresses, the oldest first. Returns how many became articles.

    Several workers share the work: the worker whose UPDATE sets the time reads the address. If nothing came of it,
    another worker tries after five minutes.
    """
    ends, taken = time.monotonic() + MAX_SECONDS, 0
    due = Q(done_at__isnull=True) | Q(done_at__lte=now - CLAIM_TIMEOUT)
    waiting = Candidate.objects.filter(due, state=CandidateState.WAITING).order_by("created_at", "pk")
    for candidate in waiting.select_related("newsletter", "asked_by", "source")[:MAX_READ]:
        if time.monotonic() >= ends:
            break
        # The claim: a second worker that selected the same address changes no row, because `done_at` was just set.
        if Candidate.objects.filter(due, pk=candidate.pk, state=CandidateState.WAITING).update(done_at=now):
            taken += _read_candidate(candidate, now=now)
    return taken


def _read_candidate(candidate: Candidate, *, now: datetime) -> bool:
    """Read one waiting address. Returns whether it is an article. Reasons are stored in English, as msgids."""
    is_translation = candidate.asked_by_id is None
    with translation.override("en"):
        try:
            article = add_by_url(candidate.url, newsletter=candidate.newsletter, now=now, editor=candidate.asked_by)
        except NotAnArticle as error:
            if not is_translation:
                skip(candidate, str(error), title=getattr(error, "title", ""), now=now)
            elif (
                not isinstance(error.__cause__, http_client.TemporaryFetchError)
                or candidate.created_at <= now - TRANSLATION_RETRY_FOR
            ):
                candidate.delete()  # a feed listed it, no editor asked for it: no page shows the reason
            return False
    if is_translation and candidate.source is not None and article.source_id is None:
        Article.objects.filter(pk=article.pk).update(source=candidate.source)
    Candidate.objects.filter(pk=candidate.pk).update(
        state=CandidateState.TAKEN, article=article, title=article.title, reason="", done_at=now
    )
    return True


def skip(candidate: Candidate, reason: str, *, title: str, now: datetime) -> None:
    Candidate.objects.filter(pk=candidate.pk).update(
        state=CandidateState.SKIPPED, reason=reason[:300], title=title or candidate.title, done_at=now
    )
    logger.info("address left out", extra={"candidate": candidate.pk})


def enqueue_translations(
    stored: Iterable[Article], *, newsletter: Newsletter, now: datetime, source: Source | None = None
) -> None:
    """Queue the versions of these articles in the newsletter's other languages, unless they are stored."""
    urls = {
        url
        for article in stored
        for language, url in article.alternates.items()
        if language in newsletter.languages and language != article.language
    }
    known = set(Article.objects.filter(url__in=urls).values_list("url", flat=True))
    known |= set(Candidate.objects.filter(newsletter=newsletter, url__in=urls).values_list("url", flat=True))
    waiting = [Candidate(newsletter=newsletter, url=url, source=source, created_at=now) for url in sorted(urls - known)]
    Candidate.objects.bulk_create(waiting, ignore_conflicts=True)


# --- skip and restore ------------------------------------------------------------------------------------------------


def set_aside(article: Article, *, newsletter: Newsletter, editor: Editor | None, now: datetime) -> None:
    """Stop offering an article to the newsletter, until `bring_back`."""
    values = {"state": CandidateState.SKIPPED, "article": article, "reason": "", "asked_by": editor, "done_at": now}
    if not Candidate.objects.filter(newsletter=newsletter, article=article).update(**values):
        Candidate.objects.update_or_create(
            newsletter=newsletter,
            url=article.url,
            defaults=values,
            create_defaults={**values, "title": article.title, "created_at": now},
        )


def bring_back(article: Article, *, newsletter: Newsletter) -> None:
    """Offer a skipped article again."""
    Candidate.objects.filter(newsletter=newsletter, article=article, state=CandidateState.SKIPPED).update(
        state=CandidateState.TAKEN, reason=""
    )
