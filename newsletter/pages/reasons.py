"""Why a page gives no article, or nothing for a field, in sentences with a remedy."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from newsletter.articledata import ArticleData

FEWEST_WORDS = 60


def why_empty(article: ArticleData) -> dict[str, str]:
    """For each field that nothing on the page gave, where it was looked for."""
    reasons = {
        "title": _("No headline in JSON-LD, OpenGraph, <h1> or <title>."),
        "summary": _("No description in JSON-LD, OpenGraph or <meta>, and no paragraph long enough to stand for one."),
        "author": _("No author in JSON-LD or <meta>, and no byline."),
        "section": _("No section in JSON-LD or <meta>."),
        "language": _("Neither the page nor the server says which language it is in."),
        "image_url": _("No picture in JSON-LD, OpenGraph or the text."),
        "published_at": _("No date in JSON-LD, <meta>, <time> or near the headline."),
        "alternates": _("The page names no version in another language (hreflang)."),
    }
    return {name: reason for name, reason in reasons.items() if not getattr(article, name)}


def why_none(tree: Any, article: ArticleData, *, url: str, text: str, is_marked: bool, meta: dict[str, str]) -> str:
    words = len(text.split())
    if not article.title and not is_marked:
        if _is_filled_by_script(tree):
            return _(
                "This page shows its text only by script, so there is nothing to read. Use a page with the text in it."
            )
        return _("This page has no headline.")
    if is_marked:
        return ""
    if words < FEWEST_WORDS and _is_filled_by_script(tree):
        return _(
            "This page shows its text only by script, so there is nothing to read. Use a page with the text in it."
        )
    if urlsplit(url).path in {"", "/"} or meta.get("og:type", "").lower() == "website" and words < 2 * FEWEST_WORDS:
        return _("This is the front page of a site rather than an article. Paste the address of one article.")
    if tree.xpath("//input[@type='password']"):
        return _("This page asks for a login. Paste the address of a page that everybody can read.")
    if words < FEWEST_WORDS:
        return _("This page has too little text for an article: %(words)d words.") % {"words": words}
    if len(tree.xpath("//article//h2/a | //article//h3/a | //main//h2/a | //main//h3/a")) >= 5 and words < 300:
        return _("This page lists articles. Paste the address of one article.")
    return ""


def _is_filled_by_script(tree: Any) -> bool:
    """Almost no words of its own, but scripts, or an empty place for them to fill."""
    visible = tree.xpath(
        "//body//text()[not(ancestor::script or ancestor::style or ancestor::noscript or ancestor::template)]"
    )
    words = sum(len(str(text).split()) for text in visible)
    return words < FEWEST_WORDS and bool(
        tree.xpath("//script[@src] | //body//script | //*[@id='root' or @id='app' or @id='__next']")
    )
