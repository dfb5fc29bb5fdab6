"""What the composer offers to put into an issue: articles in bands with the reason of each, and saved blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from newsletter.media import library
from newsletter.models import Article, ArticleState, CandidateState, Issue, IssueStatus, SavedBlock
from newsletter.studio.articles import article_list

MAX_ARTICLES = 60
"""Articles looked at; a search finds the others."""
MAX_IN_GROUP = 25
MAX_CANDIDATES = 10
_ADDRESS = re.compile(r"https?://\S+|(www\.)?([a-z0-9-]+\.)+[a-z]{2,}/\S*", re.IGNORECASE)


@dataclass(frozen=True)
class Offer:
    """An article, and in words why it stands where it does."""

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
    """What was searched for."""
    address: str
    """The same, where it is the address of a page."""
    groups: list[OfferGroup]
    left_out: list[article_list.CandidateRow]
    """Addresses that became no article, with the reason."""
    saved: list[SavedBlock]


def build(issue: Issue, words: str = "") -> Tray:
    """The articles that are not in the issue already; those nobody has told yet come first."""
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
    bands = [
        OfferGroup(key, title, [offer for at, offer in offers if at == key][:MAX_IN_GROUP])
        for key, title in titles.items()
    ]
    left_out = article_list.candidates_without_article(newsletter).filter(state=CandidateState.SKIPPED)[:MAX_CANDIDATES]
    return Tray(
        words,
        address,
        [band for band in bands if band.offers],
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
    """What was typed, if that is the address of a page rather than words to look for."""
    return words if _ADDRESS.fullmatch(words.strip()) else ""
