"""The tray of the composer: articles to add, in groups, and saved blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from newsletter.media import library
from newsletter.models import Article, ArticleState, CandidateState, Issue, IssueStatus, SavedBlock
from newsletter.studio.articles import article_list

MAX_ARTICLES = 60
"""Only the newest articles are listed; the search finds older ones."""
MAX_IN_GROUP = 25
MAX_CANDIDATES = 10
_ADDRESS = re.compile(r"https?://\S+|(www\.)?([a-z0-9-]+\.)+[a-z]{2,}/\S*", re.IGNORECASE)


@dataclass(frozen=True)
class Offer:
    """An article in the tray, with the reason for its group as a phrase."""

    article: Article
    at: datetime
    languages: list[str]
    used_in: Issue | None
    reason: str = ""


@dataclass(frozen=True)
class OfferGroup:
    key: str
    """new, older, used or aside."""
    title: str
    offers: list[Offer]


@dataclass(frozen=True)
class Tray:
    words: str
    """The search words."""
    address: str
    """The search words if they are the URL of a page, else ""."""
    groups: list[OfferGroup]
    left_out: list[article_list.CandidateRow]
    """URLs that did not become an article, with the reason."""
    saved: list[SavedBlock]


def build(issue: Issue, words: str = "") -> Tray:
    """Build the tray of articles that are not in the issue. Unused articles come first."""
    words = " ".join(words.split())[:200]
    address = parse_url(words)
    newsletter = issue.newsletter
    last = newsletter.issues.filter(status=IssueStatus.SENT, audience={}).order_by("-sent_at").first()
    found = article_list.for_newsletter(newsletter, address or words)
    rows = article_list.build_rows(found.filter(state=ArticleState.LIVE).exclude(issues=issue)[:MAX_ARTICLES], issue)
    offers = [
        (_group_key(row, last), Offer(row.article, row.at, row.languages, row.used_in, _reason(row))) for row in rows
    ]
    titles = {
        "new": _("New since #%(number)s") % {"number": last.number} if last else "",
        "older": _("Older"),
        "used": _("Already used"),
        "aside": _("Set aside"),
    }
    groups = [
        OfferGroup(key, title, [offer for at, offer in offers if at == key][:MAX_IN_GROUP])
        for key, title in titles.items()
    ]
    left_out = article_list.candidates_without_article(newsletter).filter(state=CandidateState.SKIPPED)[:MAX_CANDIDATES]
    return Tray(
        words,
        address,
        [group for group in groups if group.offers],
        [] if words else article_list.describe_candidates(left_out),
        list(library.saved_blocks(newsletter)),
    )


def _group_key(row: article_list.ArticleRow, last: Issue | None) -> str:
    if row.state == "skipped":
        return "aside"
    if row.used_in:
        return "used"
    return "older" if last and last.sent_at and row.at <= last.sent_at else "new"


def _reason(row: article_list.ArticleRow) -> str:
    if row.state == "skipped":
        return _("Set aside by %(name)s") % {"name": row.by} if row.by else _("Set aside")
    return _("Added by %(name)s") % {"name": row.by} if row.by else ""


def parse_url(words: str) -> str:
    """Return `words` if they are the URL of a page, else ""."""
    return words if _ADDRESS.fullmatch(words.strip()) else ""
