"""Querysets of articles for lists, and texts for their rows."""

from __future__ import annotations

import re

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from newsletter.articles.article_data import absolute_url, canonical_url, clean_text
from newsletter.articles.url_reader import normalize_typed_url
from newsletter.models import Article, Candidate, Issue, Newsletter

MIN_PICTURE_WIDTH = 600
"""Width of a mail in pixels. A narrower picture would be enlarged or leave a gap."""
MAX_ASPECT_RATIO, MIN_ASPECT_RATIO = 2.5, 0.75
"""Width divided by height. A wider picture is a strip; a taller one pushes the text off the screen."""
REASON_PLACEHOLDERS = ((r"\d+", "%(words)d"), (r"\d+", "%(size)d"), (r"PDF|ZIP|Office|RTF", "%(kind)s"))
"""Values that may be filled into a stored reason, and their placeholders in the msgid."""


def search(text: str = "", *, newsletter: Newsletter | None = None, language: str = "") -> QuerySet[Article]:
    """Articles that have all words of `text` in title, summary, section, author or address, the newest first.

    With `newsletter`, only articles from its own sources or added by address.
    """
    articles = Article.objects.all()
    if newsletter is not None:
        candidates = Candidate.objects.filter(article=OuterRef("pk"))
        own = Q(source__url__in=newsletter.sources.values("url")) | Exists(candidates.filter(newsletter=newsletter))
        articles = articles.filter(own | (Q(source__isnull=True) & ~Exists(candidates)))
    if language:
        articles = articles.filter(language=language)
    for word in clean_text(text, most=200).split()[:8]:
        articles = articles.filter(
            Q(title__icontains=word)
            | Q(summary__icontains=word)
            | Q(section__icontains=word)
            | Q(author__icontains=word)
            | Q(url__icontains=word)
        )
    return articles.order_by("-published_at", "-pk")


def issues_using(article: Article) -> QuerySet[Issue]:
    """Issues that use this article, the newest first."""
    return article.issues.select_related("newsletter").order_by("-created_at", "-pk")


def find_by_url(url: str) -> Article | None:
    """The stored article with this address, or None."""
    return Article.objects.filter(url=canonical_url(absolute_url(normalize_typed_url(url)))).first()


def describe_picture_problem(article: Article) -> str:
    """Why the article's picture is unsuitable for a mail; "" if it is suitable or missing."""
    image = article.image
    if image is None:
        return _("Its picture could not be used.") if article.image_url else ""
    size = {"width": image.width, "height": image.height}
    ratio = image.width / max(image.height, 1)
    if ratio > MAX_ASPECT_RATIO:
        return _("Its picture is a strip: %(width)s × %(height)s pixels. A mail shows it very flat.") % size
    if ratio < MIN_ASPECT_RATIO:
        return _("Its picture is tall: %(width)s × %(height)s pixels. On a phone it fills the screen.") % size
    if image.width < MIN_PICTURE_WIDTH:
        return _("Its picture is small: %(width)s × %(height)s pixels. A mail is 600 wide.") % size
    return ""


def translate_reason(reason: str) -> str:
    """Translate a stored reason. Reasons are stored in English, as msgids."""
    for pattern, name in REASON_PLACEHOLDERS:
        if (match := re.search(pattern, reason)) and (translated := _(reason.replace(match[0], name, 1))):
            filled = translated.replace(name, match[0])
            if filled != reason:
                return filled
    return _(reason) if reason else ""
