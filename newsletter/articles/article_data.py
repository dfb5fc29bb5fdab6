"""The data of an article from a feed entry or a page, cleaned: plain text, absolute URLs, aware datetimes. No database.

All input is untrusted. The output is safe to store.
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

MAX_TITLE_LENGTH = 300
MAX_SUMMARY_LENGTH = 600
MAX_URL_LENGTH = 1000

TRACKING_PARAMETER = re.compile(r"^(utm_\w+|fbclid|gclid|dclid|msclkid|yclid|igshid|mc_cid|mc_eid|_ga)$", re.IGNORECASE)
MARKUP = re.compile(r"<[a-zA-Z/!?]")
BREAKING_TAGS = (
    *(
        "p",
        "div",
        "br",
        "hr",
        "li",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "table",
        "tr",
        "td",
        "th",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
    ),
    *("h6", "blockquote", "pre", "section", "article", "aside", "header", "footer", "figure", "figcaption", "img"),
)
"""Block-level elements: their text is separated from the text around them."""
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
CDATA_MARK = re.compile(rb"<!\[CDATA\[|\]\]>")
DECLARED_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,30})""", re.IGNORECASE)
KNOWN_CHARSET = re.compile(
    r"^(utf-?8|utf-?16(le|be)?|us-ascii|ascii|latin-?\d|iso-?8859-\d+|windows-\d+|cp\d+|shift_?jis|euc-\w+|gb\w+|big5\w*"
    r"|koi8-\w|iso-2022-\w+|tis-620|mac\w*)$",
    re.IGNORECASE,
)
WIDE_CHARSET = re.compile(r"^(utf-?16|iso-2022)", re.IGNORECASE)
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januari januar jänner janvier enero janeiro gennaio gen styczeń stycznia ocak январь января січня يناير كانون",
            "feb february februari pebruari februar fév févr février febrero fevereiro febbraio lutego şubat февраль февраля лютого فبراير شباط",
            "mar mrt march maret mac märz maerz mars marzo março marca mart март марта березня مارس آذار",
            "apr april avril avr abril aprile kwietnia nisan апрель апреля квітня أبريل ابريل نيسان",
            "may mei mai mayo maio maggio mag maja mayıs maj май мая травня مايو أيار",
            "jun june juni jun juin junio junho giugno giu czerwca haziran июнь июня червня يونيو حزيران",
            "jul july juli julai juillet juil julio julho luglio lug lipca temmuz июль июля липня يوليو تموز",
            "aug agu agt ags ago august agustus ogos augustus août aout agosto sierpnia ağustos август августа серпня أغسطس اغسطس آب",
            "sep sept september septembre septiembre setiembre setembro settembre set września eylül сентябрь сентября вересня سبتمبر أيلول",
            "oct okt okto october oktober octobre octubre outubro out ottobre ott października ekim октябрь октября жовтня أكتوبر اكتوبر",
            "nov nop november nopember novembre noviembre novembro listopada kasım ноябрь ноября листопада نوفمبر",
            "dec des dez dis december desember disember dezember décembre déc diciembre dic dezembro dicembre grudnia aralık декабрь декабря грудня ديسمبر",
        ),
        start=1,
    )
    for name in names.split()
}
"""Month names in the languages of newspapers that we read. كانون and تشرين stand for two months each in Levantine
Arabic, so they are missing.
"""
CLOCK = r"(?:\D{0,12}?(?<!\d)(\d{1,2})[:.h](\d{2})(?!\d)(?::\d\d)?\s*([ap])?)?"
WORD = r"([^\W\d_]{3,12})"
DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:\.|er|º|st|nd|rd|th)?[\s-]*(?:de |of )?{WORD}\.?,?(?: / \w+)?(?: de[l]?)?[\s-]*(\d{{4}})(?!\d){CLOCK}",
    re.IGNORECASE,
)
MONTH_FIRST = re.compile(rf"{WORD}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})(?!\d){CLOCK}", re.IGNORECASE)
YEAR_FIRST = re.compile(
    rf"(?<!\d)((?:19|20)\d\d)\s?[-/.年년]\s?(\d{{1,2}})\s?[-/.月월]\s?(\d{{1,2}})(?!\d)[日일]?{CLOCK}"
)
NUMERIC_DATE = re.compile(rf"(?<!\d)(?<!\d[./-])(\d{{1,2}})([./-]) ?(\d{{1,2}})\2 ?((?:19|20)\d\d)(?!\d){CLOCK}")
UNSPACED_SCRIPTS = (
    (re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"), 2),  # Chinese and Japanese
    (re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"), 5),  # Thai, Lao, Burmese, Khmer
)
"""Letters of scripts without spaces between words, and how many of them count as one word."""


@dataclass(frozen=True)
class ArticleData:
    """An article as its page or feed describes it. A field is empty if the source does not give it; `why` may hold the
    reason.
    """

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


class NotAnArticle(Exception):
    """The page has no usable article. The message is shown to the editor."""


def clean_text(text: object, *, most: int = MAX_SUMMARY_LENGTH) -> str:
    """Plain text without markup, entities, control characters or repeated white space, cut between words after `most`
    characters.
    """
    if not isinstance(text, str):
        return ""
    text = CONTROL_CHARACTERS.sub(" ", text[: most * 40])
    for _round in range(2):
        if MARKUP.search(text):
            text = _without_markup(text)
        text = html.unescape(text)
    return shorten(" ".join(CONTROL_CHARACTERS.sub(" ", text).split()), most=most)


def _without_markup(text: str) -> str:
    try:
        tree = lxml.html.fragment_fromstring(text, create_parent="div")
    except (etree.LxmlError, ValueError):
        return re.sub(r"<[^>]*>?", " ", text)
    for element in tree.xpath(".//script|.//style|.//noscript|.//iframe|.//object|.//comment()"):
        element.drop_tree()
    for element in tree.iter(*BREAKING_TAGS):
        element.text, element.tail = f" {element.text or ''}", f" {element.tail or ''}"
    return str(tree.text_content())


def shorten(text: str, *, most: int) -> str:
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0].rstrip(" ,;:-–") + "…"


def absolute_url(text: object, *, base: str = "") -> str:
    """An absolute http or https URL without fragment and credentials, or "" if there is none."""
    if not isinstance(text, str) or not text.strip() or len(text) > 4 * MAX_URL_LENGTH:
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
    return address if len(address) <= MAX_URL_LENGTH else ""


def _escaped(text: str) -> str:
    return re.sub(r"[\s\"<>^`{|}\\\x00-\x20\x7f]", lambda match: "".join(f"%{b:02X}" for b in match[0].encode()), text)


def canonical_url(url: str) -> str:
    """The URL that identifies an article: without campaign parameters and fragment."""
    parts = urlsplit(url)
    query = parts.query
    if any(TRACKING_PARAMETER.match(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        query = urlencode(
            [pair for pair in parse_qsl(query, keep_blank_values=True) if not TRACKING_PARAMETER.match(pair[0])]
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def language_code(text: object) -> str:
    """`id` for "id-ID", "id_ID", "in" and "Bahasa Indonesia"; "" for text that is not a language."""
    if not isinstance(text, str):
        return ""
    code = re.split(r"[-_,;\s]", text.strip().lower())[0]
    code = {"in": "id", "ind": "id", "bahasa": "id", "indonesian": "id", "eng": "en", "english": "en"}.get(code, code)
    code = {"jp": "ja", "kr": "ko", "cn": "zh", "iw": "he", "utf": ""}.get(
        code, code
    )  # codes of countries, and frequent mistakes
    return code if re.fullmatch(r"[a-z]{2,3}", code) else ""


def parse_datetime(text: object, *, zone: tzinfo = UTC) -> datetime | None:
    """Parse a date in any common notation into an aware datetime. Without a time zone of its own it is local to `zone`."""
    if not isinstance(text, str) or not text.strip():
        return None
    text = " ".join(text.split())[:100]
    for parser in (_iso, _mail_date, find_date):
        try:
            moment = parser(text)
            if moment is not None and 1970 <= moment.year < 2200:
                return moment if moment.tzinfo else moment.replace(tzinfo=zone)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _iso(text: str) -> datetime:
    text = re.sub(r"\s*(Z|UTC|GMT)$", "+00:00", text)
    text = re.sub(r"^(\S+) (\d\d:\d\d(?::\d\d)?(?:\.\d+)?)\s+([+-]\d\d:?\d\d)$", r"\1T\2\3", text)
    return datetime.fromisoformat(text)


def _mail_date(text: str) -> datetime:
    return parsedate_to_datetime(text)


def find_date(text: str, *, month_first: bool = False) -> datetime | None:
    """The first date such as "25 Oktober 2025, 14.30", "Oct 25, 2025", "25.10.2025" or "2025年10月25日", without time
    zone.

    `month_first` reads 04/05/2025 as the fifth of April, as in the United States.
    """
    candidates = [
        (match.start(), match[3], match[2], match[1], match.groups()[3:]) for match in DAY_FIRST.finditer(text)
    ]
    candidates += [
        (match.start(), match[3], match[1], match[2], match.groups()[3:]) for match in MONTH_FIRST.finditer(text)
    ]
    candidates += [
        (match.start(), match[1], match[2], match[3], match.groups()[3:]) for match in YEAR_FIRST.finditer(text)
    ]
    for match in NUMERIC_DATE.finditer(text):
        day, month = (match[3], match[1]) if month_first and match[2] == "/" else (match[1], match[3])
        day, month = (month, day) if int(month) > 12 else (day, month)
        candidates.append((match.start(), match[4], month, day, match.groups()[4:]))
    for _, year, month, day, clock in sorted(candidates, key=lambda candidate: candidate[0]):
        number = int(month) if month.isdecimal() else MONTHS.get(month.lower(), 0)
        try:
            return datetime(int(year), number, int(day), *_clock(*clock))  # noqa: DTZ001 (the caller knows the zone)
        except ValueError:
            continue
    return None


def _clock(hour: str | None, minute: str | None, half: str | None) -> tuple[int, int]:
    if not hour or not minute or int(hour) > 23 or int(minute) > 59:
        return 0, 0
    hours = int(hour) % 12 + (12 if half.lower() == "p" else 0) if half else int(hour)
    return hours, int(minute)


def count_words(text: str) -> int:
    """The number of words of a text; an estimate for scripts without spaces."""
    count = 0
    for letters, letters_per_word in UNSPACED_SCRIPTS:
        text, count_of_letters = letters.subn(" ", text)
        count += round(count_of_letters / letters_per_word)
    return count + len(text.split())


def decode_body(body: bytes, *, charset: str = "") -> str:
    """Decode `body`. A byte order mark comes first, then valid UTF-8, then the charset of the header or the document."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    for mark, name in ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be")):  # markup in UTF-16 without byte order mark
        if body.startswith(mark):
            return body.decode(name, "replace")
    declared = [charset, *(name.decode("ascii") for name in DECLARED_CHARSET.findall(body[:4096])[:2])]
    declared = [name for name in declared if KNOWN_CHARSET.match(name)]
    if not any(WIDE_CHARSET.match(name) for name in declared[:1]):
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
