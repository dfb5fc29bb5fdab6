"""Addresses that may become articles: pasted by people, named by feeds, or the same article in another language.

A `Candidate` is waiting (a worker reads it soon), taken (it is an article), or skipped: left out, and why; or, with an
article, set aside by an editor.
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
"""How long one address may take while a person waits: its page, and what is left for its picture."""
MAX_PASTED = 100
"""Addresses in one paste."""
CLAIM_TIMEOUT = timedelta(minutes=5)
"""How long a reading worker has before another one tries; also the pause before a twin is tried again."""
TRANSLATION_RETRY_FOR = timedelta(hours=1)
MAX_READ = 60
MAX_SECONDS = 40


class _NoPage(NotAnArticle):
    """There is no article, but a page of this title."""

    def __init__(self, reason: str, title: str) -> None:
        super().__init__(reason)
        self.title = title


@dataclass
class PasteResult:
    """What became of pasted lines."""

    waiting: list[str] = field(default_factory=list)
    """Addresses that will be read."""
    known: list[Article] = field(default_factory=list)
    """Articles that were here already."""
    wrong: list[str] = field(default_factory=list)
    """Lines that are no web address, and addresses too many."""


# --- one, while somebody waits ---------------------------------------------------------------------------------------


def add_by_url(
    url: str, *, newsletter: Newsletter, now: datetime, editor: Editor | None = None, anyway: bool = False
) -> Article:
    """The article at `url`, stored with its picture. Raises NoArticle with words for people.

    `newsletter` gives the language where the page names none. With `anyway` a page that looks like no article is taken
    as long as it has a headline. Its versions in the newsletter's other languages are read by a worker.
    """
    ends = time.monotonic() + ADD_TIMEOUT_S
    found = _found(url)
    page = found.page
    if found.kind == "feed":
        raise NotAnArticle(_("This is a feed rather than an article. Connect it as a source."))
    if page is None or (found.reason and not (anyway and page.article.title)):
        raise _NoPage(found.reason, page.article.title if page else "")
    article, _outcome = upsert(page.article, source=None, now=now, language=newsletter.default_language)
    article = fetch_picture(article, ends=ends)
    _take(article, newsletter, url=article.url, editor=editor, now=now)
    enqueue_translations([article], newsletter=newsletter, now=now)
    return article


def _found(url: str) -> UrlContent:
    try:
        return read_url(url, limits=replace(http_client.PAGE_LIMITS, total_s=ADD_TIMEOUT_S))
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
        raise NotAnArticle(str(error)) from error


def _take(article: Article, newsletter: Newsletter, *, url: str, editor: Editor | None, now: datetime) -> Candidate:
    """Write down that the newsletter has the article; one that was set aside is brought back."""
    taken = {"state": CandidateState.TAKEN, "article": article, "reason": "", "done_at": now, "title": article.title}
    candidate, _created = Candidate.objects.update_or_create(
        newsletter=newsletter, url=url, defaults=taken, create_defaults={**taken, "asked_by": editor, "created_at": now}
    )
    Candidate.objects.filter(newsletter=newsletter, article=article, state=CandidateState.SKIPPED).update(
        state=CandidateState.TAKEN, reason=""
    )
    return candidate


# --- many, read by a worker ------------------------------------------------------------------------------------------


def enqueue_pasted(text: str, *, newsletter: Newsletter, editor: Editor | None, now: datetime) -> PasteResult:
    """Put addresses, one a line, in line for a worker; those we have already are taken at once."""
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
            _take(article, newsletter, url=url, editor=editor, now=now)
            pasted.known.append(article)
        else:
            enqueue(url, newsletter=newsletter, editor=editor, now=now)
            pasted.waiting.append(url)
    return pasted


def enqueue(
    url: str, *, newsletter: Newsletter, editor: Editor | None, now: datetime, source: Source | None = None
) -> Candidate:
    """Let a worker read `url` soon, also if it was left out before."""
    again = {"state": CandidateState.WAITING, "reason": "", "done_at": None}
    candidate, _created = Candidate.objects.update_or_create(
        newsletter=newsletter,
        url=url,
        defaults=again,
        create_defaults={**again, "asked_by": editor, "source": source, "created_at": now},
    )
    return candidate


def retry(candidates: Iterable[Candidate], *, now: datetime) -> int:
    """Put addresses that gave no article in line once more; how many there were."""
    left_out = Candidate.objects.filter(
        pk__in=[one.pk for one in candidates], state=CandidateState.SKIPPED, article__isnull=True
    )
    return left_out.update(state=CandidateState.WAITING, reason="", done_at=None, created_at=now)


def read_due_candidates(*, now: datetime) -> int:
    """Read the addresses that wait, oldest first; how many became articles.

    Two workers share the work: an address is read by whoever writes down the time, and by another one five minutes
    later if nothing came of it.
    """
    ends, taken = time.monotonic() + MAX_SECONDS, 0
    due = Q(done_at__isnull=True) | Q(done_at__lte=now - CLAIM_TIMEOUT)
    waiting = Candidate.objects.filter(due, state=CandidateState.WAITING).order_by("created_at", "pk")
    for candidate in waiting.select_related("newsletter", "asked_by", "source")[:MAX_READ]:
        if time.monotonic() >= ends:
            break
        if Candidate.objects.filter(due, pk=candidate.pk, state=CandidateState.WAITING).update(done_at=now):
            taken += _read(candidate, now=now)
    return taken


def _read(candidate: Candidate, *, now: datetime) -> bool:
    """Read one address that waits; whether it is an article. Reasons are kept in English, as msgids."""
    is_twin = candidate.asked_by_id is None
    with translation.override("en"):
        try:
            article = add_by_url(candidate.url, newsletter=candidate.newsletter, now=now, editor=candidate.asked_by)
        except NotAnArticle as error:
            if not is_twin:
                skip(candidate, str(error), title=getattr(error, "title", ""), now=now)
            elif (
                not isinstance(error.__cause__, http_client.TemporaryFetchError)
                or candidate.created_at <= now - TRANSLATION_RETRY_FOR
            ):
                candidate.delete()  # nobody asked for it, so nobody is told
            return False
    if is_twin and candidate.source is not None and article.source_id is None:
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
    """Let a worker read the versions of these articles in the newsletter's other languages, where we do not have them."""
    twins = {
        url
        for article in stored
        for language, url in article.alternates.items()
        if language in newsletter.languages and language != article.language
    }
    known = set(Article.objects.filter(url__in=twins).values_list("url", flat=True))
    known |= set(Candidate.objects.filter(newsletter=newsletter, url__in=twins).values_list("url", flat=True))
    waiting = [
        Candidate(newsletter=newsletter, url=url, source=source, created_at=now) for url in sorted(twins - known)
    ]
    Candidate.objects.bulk_create(waiting, ignore_conflicts=True)


# --- setting aside ---------------------------------------------------------------------------------------------------


def set_aside(article: Article, *, newsletter: Newsletter, editor: Editor | None, now: datetime) -> None:
    """Take an article out of what is offered to the newsletter, until somebody brings it back."""
    aside = {"state": CandidateState.SKIPPED, "article": article, "reason": "", "asked_by": editor, "done_at": now}
    if not Candidate.objects.filter(newsletter=newsletter, article=article).update(**aside):
        Candidate.objects.update_or_create(
            newsletter=newsletter,
            url=article.url,
            defaults=aside,
            create_defaults={**aside, "title": article.title, "created_at": now},
        )


def bring_back(article: Article, *, newsletter: Newsletter) -> None:
    """Offer an article again that was set aside."""
    Candidate.objects.filter(newsletter=newsletter, article=article, state=CandidateState.SKIPPED).update(
        state=CandidateState.TAKEN, reason=""
    )
