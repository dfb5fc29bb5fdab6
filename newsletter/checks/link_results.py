"""What workers found when they looked: articles that changed or are gone, and links that lead nowhere (E19)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import content
from newsletter.articles import article_changes
from newsletter.blocks.findings import Defect
from newsletter.checks import link_checker
from newsletter.models import Issue


def find_gone_articles(changes: Iterable[article_changes.ArticleChange]) -> Iterator[Defect]:
    for change in changes:
        if change.kind == "gone":
            message = _("The page of “%(title)s” is gone: remove the block, or decide to tell it anyway.")
            title = change.then.title or change.now.title
            yield Defect(message % {"title": title[:80]}, change.block, None, change.language)


def find_changed_articles(changes: Iterable[article_changes.ArticleChange]) -> Iterator[Defect]:
    said = {
        "retitled": _("The article has a new headline: “%(title)s”."),
        "reworded": _("The article “%(title)s” has a new summary."),
        "moved": _("The article “%(title)s” has a new address."),
    }
    for change in changes:
        if change.kind in said:
            message = said[change.kind] % {"title": change.now.title[:80]}
            yield Defect(message, change.block, None, change.language)


def find_unreachable_articles(changes: Iterable[article_changes.ArticleChange], *, now: datetime) -> Iterator[Defect]:
    for change in changes:
        if change.kind == "unreachable":
            message = _("The page of “%(title)s” could not be read again. %(age)s")
            figures = {"title": change.now.title[:80], "age": describe_age(change.looked_at, now=now)}
            yield Defect(message % figures, change.block, None, change.language)


def find_dead_links(
    issue: Issue, document: content.Document, languages: Iterable[str], *, now: datetime
) -> Iterator[Defect]:
    """Links that did not answer when they were tried, and how many have not been tried yet."""
    known = link_checker.latest_results(issue)
    untried: set[str] = set()
    for link in link_checker.document_links(document):
        if link.language not in languages or not link_checker.is_checkable(link.url):
            continue
        answer = known.get(link.url)
        if answer is None:
            untried.add(link.url)
        elif not answer.is_fine:
            yield _dead(link, answer, now=now)
    if untried:
        message = ngettext(
            "%(count)s link has not been tried yet.", "%(count)s links have not been tried yet.", len(untried)
        )
        yield Defect(message % {"count": len(untried)}, None, "suggests", None, is_pending=True)


def _dead(link: link_checker.DocumentLink, answer: link_checker.LinkResult, *, now: datetime) -> Defect:
    figures = {"label": (link.label or link.url)[:80], "age": describe_age(answer.at, now=now)}
    if answer.keeps_out:
        message = _("The link “%(label)s” leads to a site that keeps programs out. Open it once yourself. %(age)s")
        return Defect(message % figures, link.block, "suggests", link.language, about=link.url)
    message = _("The link “%(label)s” does not work: %(reason)s %(age)s")
    return Defect(message % {**figures, "reason": _(answer.reason)}, link.block, None, link.language, about=link.url)


def describe_all_answered(issue: Issue, document: content.Document, *, now: datetime) -> str:
    """In words for when all is well: how many links answered, and how long ago."""
    known = link_checker.latest_results(issue)
    moments = {link.url: known[link.url].at for link in link_checker.document_links(document) if link.url in known}
    if not moments:
        return _("There is no link to try.")
    message = ngettext("The %(count)s link answers. %(age)s", "All %(count)s links answer. %(age)s", len(moments))
    return message % {"count": len(moments), "age": describe_age(min(moments.values()), now=now)}


def describe_age(moment: datetime | None, *, now: datetime) -> str:
    """ "Checked 2 minutes ago."; the moment a worker looked."""
    if moment is None:
        return ""
    if (now - moment).total_seconds() < 60:
        return _("Checked just now.")
    return _("Checked %(span)s ago.") % {"span": timesince(moment, now, depth=1).replace("\xa0", " ")}
