"""Reads of articles, for lists and rows."""

from __future__ import annotations

import re

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from newsletter.articles.article_data import absolute_url, canonical_url, clean_text
from newsletter.articles.url_reader import normalize_typed_url
from newsletter.models import Article, Candidate, Issue, Newsletter

MIN_PICTURE_WIDTH = 600
"""Pixels across a mail; a picture narrower than this is blown up or leaves a gap."""
MAX_ASPECT_RATIO, MIN_ASPECT_RATIO = 2.5, 0.75
"""Width by height at which a picture is a strip, or pushes the text off the screen."""
REASON_PLACEHOLDERS = ((r"\d+", "%(words)d"), (r"\d+", "%(size)d"), (r"PDF|ZIP|Office|RTF", "%(kind)s"))
"""What may be filled into a stored reason, and what that is called in its msgid."""


def search(text: str = "", *, newsletter: Newsletter | None = None, language: str = "") -> QuerySet[Article]:
    """Articles with all words of `text` in title, summary, section, author or address; newest first.

    With `newsletter`, only those from its own sources or added by address.
    """
    found = Article.objects.all()
    if newsletter is not None:
        asked = Candidate.objects.filter(article=OuterRef("pk"))
        own = Q(source__url__in=newsletter.sources.values("url")) | Exists(asked.filter(newsletter=newsletter))
        found = found.filter(own | (Q(source__isnull=True) & ~Exists(asked)))
    if language:
        found = found.filter(language=language)
    for word in clean_text(text, most=200).split()[:8]:
        found = found.filter(
            Q(title__icontains=word)
            | Q(summary__icontains=word)
            | Q(section__icontains=word)
            | Q(author__icontains=word)
            | Q(url__icontains=word)
        )
    return found.order_by("-published_at", "-pk")


def issues_using(article: Article) -> QuerySet[Issue]:
    """The issues that tell this article, newest first."""
    return article.issues.select_related("newsletter").order_by("-created_at", "-pk")


def find_by_url(url: str) -> Article | None:
    """The article we know at this address, if we do."""
    return Article.objects.filter(url=canonical_url(absolute_url(normalize_typed_url(url)))).first()


def describe_picture_problem(article: Article) -> str:
    """What is wrong with the article's picture for a mail, in words; "" if nothing is, or if it has none."""
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
    """A stored reason in the language of whoever reads it: reasons are kept in English, as msgids."""
    for pattern, name in REASON_PLACEHOLDERS:
        if (found := re.search(pattern, reason)) and (said := _(reason.replace(found[0], name, 1))):
            filled = said.replace(name, found[0])
            if filled != reason:
                return filled
    return _(reason) if reason else ""
