"""`import_articles URL…` stores articles. `--explain` prints what a page or feed contains, and stores nothing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import articles
from newsletter.articles import feed_parser
from newsletter.articles.article_data import ArticleData
from newsletter.fetching import http_client
from newsletter.models import Newsletter

SHOWN_FIELDS = ("url", "title", "summary", "author", "published_at", "language", "section", "image_url", "alternates")
MAX_BYTES = 20 * 1024 * 1024


class Command(BaseCommand):
    help = (
        "Read article pages, feeds or sitemaps and store their articles. With --explain: store nothing, "
        "and print one JSON object that says what was found, and why a field is empty."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("urls", nargs="*", metavar="URL", help="address of an article, a feed or a sitemap")
        parser.add_argument("--newsletter", metavar="SLUG", help="whose source a feed becomes (default: the first)")
        parser.add_argument("--explain", action="store_true", help="print what is found as JSON; store nothing")
        parser.add_argument("--file", type=Path, metavar="FILE", help="with --explain: read this file, not the network")
        parser.add_argument("--url", metavar="URL", help="with --file: the address the file was saved from")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["explain"]:
            self._explain(options)
            return
        if options["file"] or options["url"]:
            raise CommandError(_("--file and --url can only be used with --explain."), returncode=2)
        if not options["urls"]:
            raise CommandError(_("Name at least one address of an article, a feed or a sitemap."), returncode=2)
        failed = self._store_all(options["urls"], newsletter=_newsletter(options["newsletter"]))
        if failed:
            raise CommandError(_("%(count)d of the addresses gave no article.") % {"count": failed})

    # --- explain ---------------------------------------------------------------------------------------------------------

    def _explain(self, options: dict[str, Any]) -> None:
        """Always print one JSON object. If the address cannot be read, the command also fails."""
        failure: Exception | None = None
        try:
            content = self._read(options)
        except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
            content, failure = articles.UrlContent("none", options["urls"][0], reason=str(error)), error
        self.stdout.write(json.dumps(explain(content), ensure_ascii=False, indent=2, default=str))
        if failure is not None:
            raise CommandError(str(failure)) from failure

    def _read(self, options: dict[str, Any]) -> articles.UrlContent:
        file, urls = options["file"], options["urls"]
        if file is not None:
            if not options["url"] or urls:
                raise CommandError(_("--file needs --url, the address the file was saved from."), returncode=2)
            return articles.classify(_read_saved_page(file, url=options["url"]))
        if len(urls) != 1 or options["url"]:
            raise CommandError(_("--explain takes one address, or --file with --url."), returncode=2)
        return articles.read_url(urls[0])

    # --- store -----------------------------------------------------------------------------------------------------------

    def _store_all(self, urls: list[str], *, newsletter: Newsletter) -> int:
        failed = 0
        for url in urls:
            try:
                self.stdout.write(_store_one(url, newsletter=newsletter, now=timezone.now()))
            except articles.NotAnArticle as error:
                failed += 1
                self.stderr.write(f"{url}: {error}")
        return failed


def _newsletter(slug: str | None) -> Newsletter:
    newsletter = Newsletter.objects.filter(slug=slug).first() if slug else Newsletter.objects.first()
    if newsletter is None and slug:
        raise CommandError(_("There is no newsletter called %(slug)s.") % {"slug": slug}, returncode=2)
    if newsletter is None:
        raise CommandError(_("There is no newsletter yet. Create one in the studio first."), returncode=2)
    return newsletter


def _store_one(url: str, *, newsletter: Newsletter, now: datetime) -> str:
    """Store what is at `url` and return a line with the result. Raises NotAnArticle."""
    try:
        content = articles.read_url(url)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
        raise articles.NotAnArticle(str(error)) from error
    if content.kind != "feed":
        return f"{url}: {articles.add_by_url(url, newsletter=newsletter, now=now).title}"
    outcome = articles.collect(articles.connect_source(url, newsletter=newsletter), now=now)
    if outcome.error:
        raise articles.NotAnArticle(articles.translate_reason(outcome.error))
    counts = {"new": outcome.new, "changed": outcome.changed, "same": outcome.same}
    return f"{url}: " + _("%(new)d new, %(changed)d changed, %(same)d known") % counts


def _read_saved_page(file: Path, *, url: str) -> http_client.FetchResult:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise CommandError(_("%(file)s is too large.") % {"file": file}, returncode=2)
        return http_client.FetchResult(url, body=file.read_bytes())
    except OSError as error:
        raise CommandError(
            _("%(file)s cannot be read: %(reason)s.") % {"file": file, "reason": error.strerror}, returncode=2
        ) from error


def explain(content: articles.UrlContent) -> dict[str, Any]:
    """The content as plain JSON values."""
    if content.kind == "feed" and content.feed is not None:
        return _explain_feed(content.feed, url=content.url)
    article = content.page.article if content.page else ArticleData(url=content.url)
    why = (
        dict(article.why)
        if content.page
        else {name: _("Nothing could be read.") for name in SHOWN_FIELDS if name != "url"}
    )
    if content.reason:
        why = {"kind": content.reason, **why}
    feeds_named = {"feeds": content.page.feeds} if content.page and content.page.feeds else {}
    return {"kind": content.kind, **_shown(article), **feeds_named, "why": why}


def _shown(article: ArticleData) -> dict[str, Any]:
    values = asdict(article)
    if article.published_at is not None:
        values["published_at"] = article.published_at.isoformat()
    return {name: values[name] for name in SHOWN_FIELDS}


def _explain_feed(feed: feed_parser.ParsedFeed, *, url: str) -> dict[str, Any]:
    why = {} if feed.title else {"title": _("The feed has no title.")}
    if not feed.items:
        why["items"] = _("The feed lists other sitemaps.") if feed.sitemaps else _("The feed has no entries.")
    items = [{"guid": item.guid, **_shown(item), "why": _why_item(item)} for item in feed.items]
    about = {"url": url, "title": feed.title, "language": feed.language, "site_url": feed.site_url}
    return {"kind": "feed", **about, "items": items, "sitemaps": feed.sitemaps, "why": why}


def _why_item(item: ArticleData) -> dict[str, str]:
    return {name: _("The feed does not say.") for name in SHOWN_FIELDS if not getattr(item, name)}
