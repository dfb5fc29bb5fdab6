"""What a feed entry or a page says about an article, cleaned: plain words, absolute addresses, aware moments. No database.

Everything here came from outside and may be anything at all; what leaves is safe to store.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import lxml.html
from lxml import etree

TITLE_MOST = 300
SUMMARY_MOST = 600
URL_MOST = 1000

TRACKING = re.compile(r"^(utm_\w+|fbclid|gclid|dclid|msclkid|yclid|igshid|mc_cid|mc_eid|_ga)$", re.IGNORECASE)
MARKUP = re.compile(r"<[a-zA-Z/!?]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
SECTIONS = re.compile(rb"<!\[CDATA\[|\]\]>")
DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,30})""", re.IGNORECASE)
CHARSETS = re.compile(
    r"^(utf-?8|utf-?16(le|be)?|us-ascii|ascii|latin-?\d|iso-?8859-\d+|windows-\d+|cp\d+|shift_?jis|euc-\w+|gb\w+|big5\w*"
    r"|koi8-\w|iso-2022-\w+|tis-620|mac\w*)$",
    re.IGNORECASE,
)
WIDE = re.compile(r"^(utf-?16|iso-2022)", re.IGNORECASE)
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan januari january",
            "feb februari pebruari february",
            "mar maret march",
            "apr april",
            "mei may",
            "jun juni june",
            "jul juli july",
            "agu agt ags agustus aug august",
            "sep sept september",
            "okt oktober oct october",
            "nov nop november nopember",
            "des desember dec december",
        ),
        start=1,
    )
    for name in names.split()
}
DAY_FIRST = re.compile(r"\b(\d{1,2})\s+([A-Za-z]{3,9})\.?,?\s+(\d{4})\b(?:\D{0,6}?(\d{1,2})[:.](\d{2})\b)?")
MONTH_FIRST = re.compile(r"\b([A-Za-z]{3,9})\.?\s+(\d{1,2}),?\s+(\d{4})\b(?:\D{0,6}?(\d{1,2})[:.](\d{2})\b)?")


@dataclass(frozen=True)
class ArticleData:
    """An article as its page or feed describes it; an empty field was not said, and `why` may tell the reason."""

    url: str
    title: str = ""
    guid: str = ""
    summary: str = ""
    author: str = ""
    section: str = ""
    language: str = ""
    image_url: str = ""
    image_alt: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    reading_minutes: int | None = None
    content_hash: str = ""
    alternates: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


class NoArticle(Exception):
    """The page is no article we can use; the message tells a person why."""


def plain(text: object, *, most: int = SUMMARY_MOST) -> str:
    """Words without markup, entities, control characters or runs of white space; cut between words after `most`."""
    if not isinstance(text, str):
        return ""
    text = CONTROL.sub(" ", text[: most * 40])
    for _round in range(2):
        if MARKUP.search(text):
            text = _without_markup(text)
        text = html.unescape(text)
    return shortened(" ".join(CONTROL.sub(" ", text).split()), most=most)


def _without_markup(text: str) -> str:
    try:
        tree = lxml.html.fragment_fromstring(text, create_parent="div")
    except (etree.LxmlError, ValueError):
        return re.sub(r"<[^>]*>?", " ", text)
    for element in tree.xpath(".//script|.//style|.//noscript|.//iframe|.//object|.//comment()"):
        element.drop_tree()
    return " ".join(tree.itertext())


def shortened(text: str, *, most: int) -> str:
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0].rstrip(" ,;:-–") + "…"


def web_address(text: object, *, base: str = "") -> str:
    """An absolute http or https address without fragment or credentials, or "" where there is none."""
    if not isinstance(text, str) or not text.strip() or len(text) > 4 * URL_MOST:
        return ""
    try:
        parts = urlsplit(urljoin(base, re.sub(r"[\t\r\n]", "", text.strip())))
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None or "\\" in parts.netloc:
        return ""
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port and port != default else "")
    address = urlunsplit((parts.scheme, netloc, _escaped(parts.path) or "/", _escaped(parts.query), ""))
    return address if len(address) <= URL_MOST else ""


def _escaped(text: str) -> str:
    return re.sub(r"[\s\"<>^`{|}\\\x00-\x20\x7f]", lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), text)


def canonical(url: str) -> str:
    """The address by which an article is known: without campaign parameters and fragment."""
    parts = urlsplit(url)
    kept = parts.query
    if any(TRACKING.match(name) for name, _ in parse_qsl(kept, keep_blank_values=True)):
        kept = urlencode([pair for pair in parse_qsl(kept, keep_blank_values=True) if not TRACKING.match(pair[0])])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, kept, ""))


def language_code(text: object) -> str:
    """`id` for "id-ID", "id_ID", "in" and "Bahasa Indonesia"; "" for what is no language."""
    if not isinstance(text, str):
        return ""
    code = re.split(r"[-_,;\s]", text.strip().lower())[0]
    code = {"in": "id", "ind": "id", "bahasa": "id", "indonesian": "id", "eng": "en", "english": "en"}.get(code, code)
    return code if re.fullmatch(r"[a-z]{2,3}", code) else ""


def moment(text: object, *, zone: tzinfo = UTC) -> datetime | None:
    """A date in any common spelling as an aware moment; without a zone of its own it is local to `zone`."""
    if not isinstance(text, str) or not text.strip():
        return None
    text = " ".join(text.split())[:100]
    for read in (_iso, _mail_date, date_in_words):
        try:
            found = read(text)
            if found is not None and 1970 <= found.year < 2200:
                return found if found.tzinfo else found.replace(tzinfo=zone)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _iso(text: str) -> datetime:
    text = re.sub(r"\s*(Z|UTC|GMT)$", "+00:00", text)
    text = re.sub(r"^(\S+) (\d\d:\d\d(?::\d\d)?(?:\.\d+)?)\s+([+-]\d\d:?\d\d)$", r"\1T\2\3", text)
    return datetime.fromisoformat(text)


def _mail_date(text: str) -> datetime:
    return parsedate_to_datetime(text)


def date_in_words(text: str) -> datetime | None:
    """The first date such as "25 Oktober 2025, 14.30" or "Oct 25, 2025" in `text`, without a zone."""
    candidates = [
        (found.start(), found[1], found[2], found[3], found[4], found[5]) for found in DAY_FIRST.finditer(text)
    ]
    candidates += [
        (found.start(), found[2], found[1], found[3], found[4], found[5]) for found in MONTH_FIRST.finditer(text)
    ]
    for _, day, month, year, hour, minute in sorted(candidates):
        number = MONTHS.get(month.lower())
        if number and 1 <= int(day) <= 31:
            try:
                at = (int(hour), int(minute)) if hour and int(hour) < 24 and int(minute) < 60 else (0, 0)
                return datetime(int(year), number, int(day), *at)  # noqa: DTZ001 (the caller knows the zone)
            except ValueError:
                continue
    return None


def decoded(body: bytes, *, charset: str = "") -> str:
    """The text of `body`. A byte order mark wins, then valid UTF-8, then what header or document declare."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    declared = [charset, *(name.decode("ascii") for name in DECLARED.findall(body[:4096])[:2])]
    declared = [name for name in declared if CHARSETS.match(name)]
    if not any(WIDE.match(name) for name in declared[:1]):
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            if len(body) - error.start < 4:
                return body.decode("utf-8", "ignore")
    for name in declared:
        try:
            return body.decode(re.sub(r"(?i)^(iso-?8859-1|latin-?1|us-ascii|ascii)$", "cp1252", name))
        except (UnicodeDecodeError, LookupError):
            continue
    name = "utf-8" if any(re.match(r"(?i)utf-?8$", name) for name in declared) else "cp1252"
    return body.decode(name, "replace")
