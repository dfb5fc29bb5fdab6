"""Reasons why a page gives no article, or no value for a field, in sentences with a remedy.

Reasons are stored in English, as msgids: a changed sentence needs its old translation as well.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from newsletter.articles.article_data import ArticleData, count_words

MIN_WORDS = 60
MAX_NOTICE_WORDS = 2 * MIN_WORDS
"""Words that may surround a notice that the page does not exist."""
MIN_LINKS = 5
FRONT_PAGE_PATH = re.compile(r"/?([a-z]{2}([-_][A-Za-z]{2})?/?|(index|home|default)(\.\w+)?/?)?")
DOCUMENT_SIGNATURES = ((b"%PDF-", "PDF"), (b"PK\x03\x04", "ZIP"), (b"\xd0\xcf\x11\xe0", "Office"), (b"{\\rtf", "RTF"))
IMAGE_SIGNATURES = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"BM", b"<svg", b"II*\x00", b"MM\x00*")
BOT_CHECK_TITLE = re.compile(
    r"just a moment|attention required|checking your browser|are you (a )?(human|robot)|access (to this page )?(is |has been )?denied"
    r"|pardon our interruption|verify (that )?you are (a )?human|security check|ddos|robot check|unusual traffic",
    re.IGNORECASE,
)
BOT_CHECK_XPATH = "//*[contains(@id, 'challenge-') or contains(@class, 'cf-') or contains(@class, 'captcha') or contains(@id, 'captcha')]"
NOT_FOUND_TITLE = re.compile(
    r"\b404\b|(page|article|site) (was |is |could )?not (be )?found|no longer (available|exists)|tidak (di)?temukan|nicht gefunden"
    r"|introuvable|no encontrad[ao]|não encontrad[ao]|non trovata|niet gevonden|не найдена|页面不存在|見つかりません",
    re.IGNORECASE,
)
LOGIN_TITLE = re.compile(
    r"^(log ?in|sign ?in|log ?on|masuk|anmelden|login|connexion|se connecter|iniciar sesión|entrar|accedi|inloggen|войти|登录|ログイン)\b",
    re.IGNORECASE,
)


def explain_file(body: bytes) -> str:
    """Why bytes are a file and not a page; "" if they may be a page."""
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    document = next((name for mark, name in DOCUMENT_SIGNATURES if start.startswith(mark)), "")
    if document:
        return _("This is a %(kind)s file rather than a page. Paste the address of the page that offers it.") % {
            "kind": document
        }
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    if start.startswith(IMAGE_SIGNATURES) or is_webp or start[4:12] in {b"ftypavif", b"ftypheic"}:
        return _("This is a picture rather than a page. Paste the address of the article that shows it.")
    if start[4:8] == b"ftyp" or start[:4] in {b"OggS", b"RIFF", b"fLaC"} or start[:3] == b"ID3":
        return _("This is a video or sound rather than a page. Paste the address of the page that plays it.")
    return ""


def explain_empty_fields(article: ArticleData) -> dict[str, str]:
    """For each empty field, where its value was looked for."""
    reasons = {
        "title": _("No headline in JSON-LD, OpenGraph, <h1> or <title>."),
        "summary": _("No description in JSON-LD, OpenGraph or <meta>, and no paragraph long enough to stand for one."),
        "author": _("No author in JSON-LD or <meta>, and no byline."),
        "section": _("No section in JSON-LD or <meta>."),
        "language": _("Neither the page nor the server says which language it is in."),
        "image_url": _("No picture in JSON-LD, OpenGraph or the text."),
        "published_at": _("No date in JSON-LD, <meta>, <time>, the address or near the headline."),
        "alternates": _("The page names no version in another language (hreflang)."),
    }
    return {name: reason for name, reason in reasons.items() if not getattr(article, name)}


def explain_no_article(
    tree: Any, article: ArticleData, *, url: str, text: str, is_marked: bool, is_scripted: bool
) -> str:
    """Why the page is not an article; "" if it is one, or if its metadata declares it to be one and it has a headline."""
    count = count_words(text)
    title = " ".join(tree.xpath("//title/text()")[:1]).strip()
    if "\ufffd" in article.title or text.count("\ufffd") * 50 > len(text):
        return _("This page is not written in the letters it claims, so it cannot be read. Tell whoever runs the site.")
    if count < MAX_NOTICE_WORDS and (
        BOT_CHECK_TITLE.search(title) or (count < MIN_WORDS and not is_marked and tree.xpath(BOT_CHECK_XPATH))
    ):
        return _("This site asks visitors to prove that they are people. Ask whoever runs it to let this server in.")
    if count < MAX_NOTICE_WORDS and not is_marked and NOT_FOUND_TITLE.search(f"{title} {article.title}"):
        return _("The site says that this page does not exist (any more). Check the address in a browser.")
    if is_marked and article.title:
        return ""
    return _why_unmarked(tree, article, url=url, count=count, is_scripted=is_scripted)


def _why_unmarked(tree: Any, article: ArticleData, *, url: str, count: int, is_scripted: bool) -> str:
    """The same for a page that does not declare its type."""
    if (count < MIN_WORDS or not article.title) and is_scripted and _all_words(tree) < MIN_WORDS:
        return _(
            "This page shows its text only by script, so there is nothing to read. Use a page with the text in it."
        )
    if not article.title:
        return _("This page has no headline. Paste the address of an article.")
    place = urlsplit(url)
    if FRONT_PAGE_PATH.fullmatch(place.path) and not place.query:
        return _("This is the front page of a site rather than an article. Paste the address of one article.")
    if tree.xpath("//input[@type='password']") and (count < MIN_WORDS or LOGIN_TITLE.match(article.title)):
        return _("This page asks for a login. Paste the address of a page that everybody can read.")
    if _lists_articles(tree, count=count):
        return _("This page lists articles. Paste the address of one article.")
    if count < (MIN_WORDS // 2 if article.published_at else MIN_WORDS):
        return _(
            "This page has too little text for an article: %(words)d words. Paste the address of a longer one."
        ) % {"words": count}
    return ""


def _lists_articles(tree: Any, *, count: int) -> bool:
    titles = tree.xpath("//article//h2/a | //article//h3/a | //main//h2/a | //main//h3/a")
    return len(titles) >= MIN_LINKS and count < 5 * MIN_WORDS


def _all_words(tree: Any) -> int:
    return sum(count_words(str(text)) for text in tree.xpath("//body//text()[not(ancestor::noscript)]")[:2000])
