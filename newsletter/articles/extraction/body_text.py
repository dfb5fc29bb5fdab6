"""The running text of a page and its pictures, without menus, advertisements and comments."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from newsletter.articles.article_data import absolute_url, clean_text

BOILERPLATE_TAGS = frozenset(
    {"nav", "footer", "aside", "form", "script", "style", "noscript", "template", "dialog", "button"}
)
ALWAYS_BOILERPLATE_TAGS = frozenset({"aside", "footer"})
WRAPPER_TAGS = frozenset({"header", "figure"})
"""Skipped for the running text; bylines and pictures may be inside."""
BOILERPLATE_NAME = re.compile(
    r"(?:^|[\s_-])(?:ads?|adv|advert\w*|sponsor\w*|promo\w*|related|recommend\w*|comments?|respond|disqus|share|sharing|social"
    r"|sidebar|widget|newsletter|subscri\w+|cookies?|consent|teasers?|popular|trending|breadcrumbs?|menu|navigation|terkait"
    r"|baca-?juga|komentar|iklan|kommentare?|werbung|footer|popup)"
    r"(?:[_-](?:list|area|box|block|wrap\w*|container|sections?|items?|links?|bar|buttons?|content|inner|posts?|articles?|news"
    r"|stories|form|meta|title|\d+))*(?=\s|$)",
    re.IGNORECASE,
)
BODY_XPATHS = ("//*[@itemprop='articleBody']", "//article", "//main", "//body")
BLOCK_TAGS = ("div", "td", "section", "article", "blockquote", "li", "dd", "pre", "center", "font", "main", "body")
INLINE_TAGS = frozenset(
    (
        "a",
        "abbr",
        "b",
        "big",
        "br",
        "cite",
        "code",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "mark",
        "q",
        "small",
        "span",
        "strong",
    )
    + ("sub", "sup", "time", "tt", "u", "wbr")
)
IMAGE_SOURCE_ATTRIBUTES = (
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-full-src",
    "src",
    "data-srcset",
    "srcset",
)
GENERIC_IMAGE_NAME = re.compile(
    r"(^|[_.\W])(logos?|icons?|favicon|avatars?|gravatar|placeholder|platzhalter|blank|spacer|pixel|1x1|1px|sprites?"
    r"|buttons?|badge|emoji|loading|loader|share|transparent|author|profile)([_.\W\d]|$)",
    re.IGNORECASE,
)
MEANINGLESS_ALT = re.compile(
    r".{0,80}\.(jpe?g|png|gif|webp|avif)|((article|featured|hero|post|header)[ -]?)?"
    r"(image|img|foto|photo|picture|bild|gambar|untitled|thumbnail|dsc|logo)?[\W\d_]*",
    re.IGNORECASE,
)
MIN_IMAGE_PIXELS = 200
MIN_STANDFIRST_LENGTH = 60
MIN_BODY_LENGTH = 300
MAX_BOILERPLATE_SHARE = 0.4
NEVER_BOILERPLATE_TAGS = frozenset({"html", "body", "main", "article", "p", "h1", "h2"})
Elements = list[Any]


class TextParagraph(NamedTuple):
    element: Any
    text: str


Paragraphs = list[TextParagraph]
TextLengths = dict[Any, int]
"""Number of letters of running text by element. Elements without text are missing."""


def find_boilerplate(tree: Any, heading: Any | None, weights: TextLengths) -> set[Any]:
    """Elements that do not belong to the article, by tag name or by words in class and id.

    Both are guesses. An element that contains the headline, or a large share of the running text, is never boilerplate.
    """
    max_length = MAX_BOILERPLATE_SHARE * weights.get(tree, 0)
    around = set() if heading is None else set(heading.iterancestors())
    guessed = (
        element
        for element in tree.iter()
        if isinstance(element.tag, str)
        and element not in around
        and (
            element.tag in BOILERPLATE_TAGS
            or (element.tag not in NEVER_BOILERPLATE_TAGS and BOILERPLATE_NAME.search(_class_and_id(element)))
        )
    )
    return {
        element
        for element in guessed
        if element.tag in ALWAYS_BOILERPLATE_TAGS or weights.get(element, 0) <= max_length
    }


def measure_text(tree: Any) -> TextLengths:
    weights: TextLengths = {}
    for block in tree.iter(*BLOCK_TAGS, "p"):
        length = len(_own_text(block))
        if length >= MIN_STANDFIRST_LENGTH:
            for element in (block, *block.iterancestors()):
                weights[element] = weights.get(element, 0) + length
    return weights


def _class_and_id(element: Any) -> str:
    return f"{element.get('class') or ''} {element.get('id') or ''}"


def is_inside(element: Any, parts: set[Any]) -> bool:
    return element in parts or any(parent in parts for parent in element.iterancestors())


def find_paragraphs(tree: Any, parts: set[Any], weights: TextLengths) -> Paragraphs:
    """Paragraphs of running text: inside the article element if there is one, never inside `parts` (menus, forms)."""
    parts = parts | {
        item
        for item in tree.iter(*WRAPPER_TAGS)
        if weights.get(item, 0) <= MAX_BOILERPLATE_SHARE * weights.get(tree, 0)
    }
    for path in BODY_XPATHS:
        paragraphs = [
            TextParagraph(p, element_text(p)) for p in tree.xpath(f"{path}//p")[:2000] if not is_inside(p, parts)
        ]
        if sum(len(item.text) for item in paragraphs) >= MIN_BODY_LENGTH:
            return paragraphs
    blocks = [TextParagraph(block, _own_text(block)) for block in list(tree.iter(*BLOCK_TAGS))[:5000]]
    bare = [item for item in blocks if len(item.text) >= MIN_STANDFIRST_LENGTH and not is_inside(item.element, parts)]
    return bare if sum(len(item.text) for item in bare) > sum(len(item.text) for item in paragraphs) else paragraphs


def find_byline_area(heading: Any | None, paragraphs: Paragraphs) -> set[Any]:
    """Elements between headline and text, where bylines are."""
    if heading is None or not paragraphs:
        return set()
    tree = heading.getroottree().getroot()
    order = {element: position for position, element in enumerate(tree.iter())}
    start = order[heading]
    ends = (order[paragraph.element] for paragraph in paragraphs if len(paragraph.text) >= MIN_STANDFIRST_LENGTH)
    end = next((position for position in ends if position > start), start)
    return {element for element, position in order.items() if start < position < end}


def element_text(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).split())


def _own_text(block: Any) -> str:
    """Text directly inside a block element, as in old pages."""
    texts = [block.text or ""]
    for child in block:
        texts += [" ".join(child.itertext())] if child.tag in INLINE_TAGS else []
        texts += [child.tail or ""]
    return " ".join(" ".join(texts).split())


def join_paragraphs(paragraphs: Paragraphs) -> str:
    return " ".join(paragraph.text for paragraph in paragraphs if paragraph.text)


def find_standfirst(paragraphs: Paragraphs, *, headline: str) -> str:
    return next((text for _, text in paragraphs if len(text) >= MIN_STANDFIRST_LENGTH and text not in headline), "")


# --- pictures --------------------------------------------------------------------------------------------------------


def find_picture(tree: Any, parts: set[Any], paragraphs: Paragraphs, *, base: str) -> tuple[str, str]:
    """URL and description of the article's first picture that is large enough."""
    images = tree.xpath("//*[@itemprop='articleBody']//img | //article//img | //main//img")[:40]
    for image in images or _pictures_near(paragraphs):
        address = image_url(image, base=base)
        if is_meaningful_image(address) and _is_large(image) and not is_inside(image, parts):
            return address, image.get("alt") or ""
    return "", ""


def _pictures_near(paragraphs: Paragraphs) -> Elements:
    """Pictures in the smallest element that contains all paragraphs."""
    if len(paragraphs) < 2:
        return []
    last = set(paragraphs[-1].element.iterancestors())
    shared = next((parent for parent in paragraphs[0].element.iterancestors() if parent in last), None)
    return list(shared.iter("img"))[:40] if shared is not None else []


def image_url(image: Any, *, base: str) -> str:
    """The URL of an <img>, also if a script loads it later."""
    for name in IMAGE_SOURCE_ATTRIBUTES:
        value = (image.get(name) or "").strip()
        first = re.split(r",?\s+", value)[0] if re.search(r"\s+\d+(\.\d+)?[wx]\b", value) else value
        if first and not first.startswith("data:") and not GENERIC_IMAGE_NAME.search(_file(first)):
            return absolute_url(first, base=base)
    return ""


def _is_large(image: Any) -> bool:
    sizes = [image.get("width") or "", image.get("height") or ""]
    return all(not size.isdecimal() or int(size[:6]) >= MIN_IMAGE_PIXELS / 2 for size in sizes) and not (
        sizes[0].isdecimal() and int(sizes[0][:6]) < MIN_IMAGE_PIXELS
    )


def is_meaningful_image(address: str) -> bool:
    """Whether the address may be that of a photo, and not of a logo or a tracking pixel."""
    return (
        bool(address)
        and not GENERIC_IMAGE_NAME.search(_file(address))
        and not urlsplit(address).path.lower().endswith(".svg")
    )


def _file(address: str) -> str:
    try:
        return unquote(urlsplit(address).path).rstrip("/").rpartition("/")[2]
    except ValueError:
        return ""


def clean_alt_text(text: object) -> str:
    """An alternative text; "" for file names and similar."""
    alt = clean_text(text, most=300)
    return "" if MEANINGLESS_ALT.fullmatch(alt) else alt


def find_alt_text(tree: Any, address: str, *, base: str) -> str:
    """The alternative text of the picture at `address`, at any size, on this page."""
    file = _file(address)
    for image in tree.iterfind(".//img[@alt]"):
        if file and file == _file(image_url(image, base=base)) and (alt := clean_alt_text(image.get("alt"))):
            return alt
    return ""
