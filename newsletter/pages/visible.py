"""The HTML itself, read like a person would: heading, byline, date, running text and its first picture."""

from __future__ import annotations

import re
from typing import Any

from newsletter.articledata import date_in_words, moment, plain, web_address
from newsletter.pages.markup import Said, first_meta, first_text, language
from newsletter.pages.metatags import PUBLISHED, SECTIONS, UPDATED, without_site

ASIDE = frozenset({"nav", "footer", "aside", "form", "header", "script", "style", "noscript", "template", "figure"})
BYLINE = re.compile(
    r"^\s*(?:oleh|by|penulis|ditulis oleh|written by|author|reporter)\s*[:：]?\s+(.{2,80})$", re.IGNORECASE
)
PERSON = re.compile(r"[A-ZÀ-Ž][\w.'’-]*(\s+[A-ZÀ-Ž][\w.'’-]*){1,7}")


def said(tree: Any, meta: dict[str, str]) -> Said:
    headline = heading(tree)
    image, alt = _first_picture(tree)
    return {
        "title": headline or without_site(first_text(tree, "//title"), meta.get("og:site_name", ""), is_title=True),
        "summary": meta.get("description") or meta.get("dc.description") or _first_paragraph(tree),
        "author": _byline(tree),
        "published": first_meta(meta, PUBLISHED) or _time_element(tree) or _date_near_heading(tree),
        "updated": first_meta(meta, UPDATED),
        "language": language(tree) or meta.get("content-language") or meta.get("language", ""),
        "section": first_meta(meta, SECTIONS) or first_text(tree, "//*[@itemprop='articleSection']"),
        "image": image,
        "image_alt": alt,
        "url": next(iter(tree.xpath("//link[translate(@rel, 'CANOIL', 'canoil')='canonical']/@href")), ""),
    }


def heading(tree: Any) -> str:
    """The one <h1> of the article; a logo in an <h1> beside it does not count."""
    return first_text(tree, "//article//h1 | //main//h1") or first_text(tree, "//h1[not(ancestor::header)] | //h1")


def _first_picture(tree: Any) -> tuple[str, str]:
    """The first picture of the article that is large enough to mean something."""
    for image in tree.xpath("//article//img | //main//img")[:20] or tree.xpath("//figure//img")[:5]:
        width = image.get("width") or "300"
        source = image.get("data-src") or image.get("src") or ""
        if source and not source.startswith("data:") and (not width.isdecimal() or int(width[:6]) >= 200):
            return source, image.get("alt") or ""
    return "", ""


def paragraphs(tree: Any) -> list[Any]:
    """Paragraphs of running text: inside the article if there is one, outside navigation and forms anyway."""
    for path in ("//*[@itemprop='articleBody']//p", "//article//p", "//main//p", "//body//p"):
        found = [p for p in tree.xpath(path)[:2000] if not any(parent.tag in ASIDE for parent in p.iterancestors())]
        if found:
            return found
    bare = tree.xpath("//body//div[not(.//div) and not(.//table)]")[:2000]  # old pages: text straight in <div>
    return [div for div in bare if len(" ".join(div.itertext()).split()) >= 12]


def _first_paragraph(tree: Any) -> str:
    texts = (" ".join(" ".join(paragraph.itertext()).split()) for paragraph in paragraphs(tree))
    headline = heading(tree) or first_text(tree, "//title")
    return next((text for text in texts if len(text) >= 60 and text not in headline), "")


def _byline(tree: Any) -> str:
    marked = first_text(
        tree, "//*[@rel='author'] | //*[@itemprop='author']//*[@itemprop='name'] | //*[@itemprop='author']"
    )
    if marked:
        return _person(marked)
    for text in tree.xpath(
        "//*[contains(@class, 'author') or contains(@class, 'byline') or contains(@class, 'penulis')]"
    )[:5]:
        words = " ".join(" ".join(text.itertext()).split())
        if 2 < len(words) <= 80:
            return _person(words)
    lines = (
        " ".join(" ".join(element.itertext()).split()) for element in tree.xpath("//p | //span | //div[not(*)]")[:400]
    )
    return next((_person(line) for line in lines if BYLINE.match(line)), "") or _name_before_date(tree)


def _name_before_date(tree: Any) -> str:
    """Pages without any markup: a line that looks like a name, right before the line with the date."""
    lines = _lines_after_heading(tree)
    for before, line in zip(lines, lines[1:], strict=False):
        words = before.split()
        half = len(words) // 2
        if date_in_words(line) and PERSON.fullmatch(before):
            return " ".join(words[:half] if words[:half] == words[half:] else words)
    return ""


def _lines_after_heading(tree: Any) -> list[str]:
    after = tree.xpath("(//h1)[1]/following::text()[normalize-space()][not(ancestor::script or ancestor::style)]")[:12]
    return [" ".join(str(text).split()) for text in after]


def _person(words: str) -> str:
    found = BYLINE.match(words)
    name = re.split(r"\s*[|·•]\s*|\s+[-–]\s+", found[1] if found else words)[0].strip(" ,.:")
    return "" if "@" in name or date_in_words(name) else name


def _time_element(tree: Any) -> str:
    for path in ("//*[@itemprop='datePublished']", "//article//time", "//main//time", "//time"):
        for element in tree.xpath(path)[:3]:
            said = element.get("datetime") or element.get("content") or " ".join(element.itertext())
            if moment(said) is not None:
                return str(said)
    return ""


def _date_near_heading(tree: Any) -> str:
    """A date in words in the first lines after the heading, as readers see it."""
    return next((line for line in _lines_after_heading(tree) if len(line) <= 200 and date_in_words(line)), "")


def alt_of(tree: Any, image: str, *, base: str) -> str:
    for element in tree.iterfind(".//img[@alt]"):
        if web_address(element.get("src") or "", base=base) == image:
            return plain(element.get("alt"), most=300)
    return ""


def text(tree: Any) -> str:
    return " ".join(" ".join(" ".join(paragraph.itertext()) for paragraph in paragraphs(tree)).split())
