"""Extract data of a site from its front page: name, feeds, languages, logos, accent colour, postal address, time zone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from PIL import ImageColor

from newsletter.articles.article_data import absolute_url, clean_text, decode_body, parse_datetime, shorten
from newsletter.articles.extraction import html_tree, json_ld
from newsletter.articles.extraction.html_tree import Metadata

MAX_NAME_LENGTH = 80
ADDRESS_PROPERTIES = ("streetAddress", "addressLocality", "addressRegion", "postalCode", "addressCountry")
EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
HOME_TITLE = re.compile(
    r"(home|homepage|start|startseite|beranda|halaman utama|welcome|accueil|inicio|início|index|главная|首页)",
    re.IGNORECASE,
)
NEARLY_WHITE = 224
ZONES = {
    "id": ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"),
    "ms": ("Asia/Kuala_Lumpur",),
    "zh": ("Asia/Shanghai", "Asia/Taipei"),
    "th": ("Asia/Bangkok",),
    "vi": ("Asia/Ho_Chi_Minh",),
    "ru": ("Europe/Moscow",),
    "ar": ("Asia/Riyadh", "Africa/Cairo", "Asia/Dubai"),
    "fr": ("Europe/Paris",),
    "es": ("Europe/Madrid", "America/Mexico_City", "America/Bogota", "America/Argentina/Buenos_Aires"),
    "it": ("Europe/Rome",),
    "nl": ("Europe/Amsterdam",),
    "pl": ("Europe/Warsaw",),
    "tr": ("Europe/Istanbul",),
    "ja": ("Asia/Tokyo",),
    "ko": ("Asia/Seoul",),
    "hi": ("Asia/Kolkata",),
    "uk": ("Europe/Kyiv",),
    "sv": ("Europe/Stockholm",),
    "pt": ("America/Sao_Paulo", "Europe/Lisbon"),
    "en": ("Europe/London", "America/New_York", "America/Los_Angeles", "America/Chicago", "Asia/Singapore"),
}
OTHER_ZONES = (
    *("Asia/Jakarta", "Asia/Singapore", "Asia/Tokyo", "Asia/Kolkata", "Asia/Karachi", "Asia/Dhaka", "Asia/Tehran"),
    *("Europe/London", "Europe/Berlin", "Europe/Helsinki", "Europe/Moscow", "Asia/Dubai", "Africa/Johannesburg"),
    *("Africa/Lagos", "Africa/Nairobi", "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix"),
    *("America/Los_Angeles", "America/Halifax", "America/Sao_Paulo", "America/Bogota", "Australia/Sydney"),
    *("Australia/Brisbane", "Australia/Adelaide", "Australia/Perth", "Pacific/Auckland", "Asia/Kathmandu"),
)


@dataclass(frozen=True)
class Site:
    """Data of a site from its front page. A field is empty if the page does not give it."""

    name: str
    feeds: list[str]
    """Addresses of feeds in the order of the page, without feeds of comments."""
    languages: list[str]
    """Language codes: that of the page first, then those of its hreflang links."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Addresses of the front page by language, from its hreflang links."""
    logos: list[str] = field(default_factory=list)
    """Best first: JSON-LD, touch icons by size, the sharing picture. SVG comes last, because it cannot be stored."""
    accent: str = ""
    """theme-color as #RRGGBB. Its contrast is not corrected. Never white or nearly white."""
    postal_address: str = ""
    """Lines of the address in JSON-LD."""
    email: str = ""
    time_zone: str = ""
    """A time zone that agrees with the dates on the page; see `guess_time_zone`."""


def extract_site(body: bytes, *, url: str, charset: str = "") -> Site:
    """Extract the data of a site from its front page. Never raises because of the page's content."""
    tree = html_tree.parse_html(decode_body(body, charset=charset))
    if tree is None:
        return Site(name=urlsplit(url).hostname or "", feeds=[], languages=[])
    base, meta, things = (
        html_tree.find_base_url(tree, url=url),
        html_tree.read_meta_tags(tree),
        json_ld.parse_things(tree),
    )
    organisation = json_ld.find_organisation(things)
    addresses = html_tree.find_alternates(tree, base=base)
    codes = [html_tree.find_language(tree), *addresses]
    languages = list(dict.fromkeys(code for code in codes if code))
    return Site(
        name=_name(tree, meta, things, organisation, url=url),
        feeds=html_tree.find_feeds(tree, base=base),
        languages=languages,
        addresses=addresses,
        logos=_logos(tree, meta, organisation, base=base),
        accent=_accent(tree, meta),
        postal_address=_postal_address(organisation.get("address")),
        email=_email(organisation),
        time_zone=guess_time_zone(_moments(tree, things), language=next(iter(languages), "")),
    )


def _name(tree: Any, meta: dict[str, str], things: list[Metadata], organisation: Metadata, *, url: str) -> str:
    candidates = (
        meta.get("og:site_name"),
        json_ld.value_text(json_ld.find_website(things).get("name")),
        json_ld.value_text(organisation.get("name")),
        meta.get("application-name"),
        meta.get("apple-mobile-web-app-title"),
    )
    host = re.sub(r"^www\.", "", urlsplit(url).hostname or "")
    name = next(
        (
            name_text
            for text in candidates
            if (name_text := clean_text(text, most=MAX_NAME_LENGTH)) and name_text != host
        ),
        "",
    )
    return name or shorten(
        _name_in_title(clean_text(html_tree.first_text(tree, "//title"), most=200), host), most=MAX_NAME_LENGTH
    )


def _name_in_title(title: str, host: str) -> str:
    """The part of "Kabar Lintas | Berita imigrasi" that resembles the site's address, else the first part."""
    parts = [
        part
        for part in re.split(r"\s+[|–—·:»-]\s+|:\s+", title)
        if part.strip() and not HOME_TITLE.fullmatch(part.strip())
    ]
    letters = re.sub(r"\W", "", host.casefold())
    squeezed = {part: re.sub(r"\W", "", part.casefold()) for part in parts}
    own = [part for part, word in squeezed.items() if len(word) >= 3 and word in letters]
    return next(iter(own or parts), host)


def _logos(tree: Any, meta: dict[str, str], organisation: Metadata, *, base: str) -> list[str]:
    icons = tree.xpath("//link[contains(@rel, 'apple-touch-icon')][@href]")
    icons.sort(key=lambda icon: int((re.match(r"\d{1,4}", icon.get("sizes") or "") or ["180"])[0]), reverse=True)
    candidates = [
        json_ld.value_text(organisation.get("logo"), "url", "contentUrl", "@id"),
        *(icon.get("href") for icon in icons),
        meta.get("og:image", ""),
    ]
    urls = dict.fromkeys(address for text in candidates if (address := absolute_url(text, base=base)))
    return sorted(urls, key=lambda address: urlsplit(address).path.lower().endswith(".svg"))


def _accent(tree: Any, meta: dict[str, str]) -> str:
    """theme-color in any CSS notation. If there are several, the one for light mode."""
    colours = [
        element.get("content") or ""
        for element in tree.iterfind(".//meta")
        if (element.get("name") or "").lower() == "theme-color" and "dark" not in (element.get("media") or "")
    ]
    for text in (*colours, meta.get("msapplication-tilecolor", "")):
        try:
            red, green, blue = ImageColor.getrgb(text.strip())[:3]
        except ValueError:
            continue
        if min(red, green, blue) < NEARLY_WHITE:
            return f"#{red:02X}{green:02X}{blue:02X}"
    return ""


def _postal_address(value: Any) -> str:
    """Lines of a PostalAddress: street, place with region and postal code, country."""
    if isinstance(value, list):
        return next((address for part in value if (address := _postal_address(part))), "")
    if not isinstance(value, dict):
        return clean_text(value, most=300)
    street, place, region, code, country = (
        clean_text(json_ld.value_text(value.get(name), "name"), most=120) for name in ADDRESS_PROPERTIES
    )
    town = ", ".join(part for part in (place, region) if part)
    lines = (street, f"{town} {code}".strip(), country)
    return "\n".join(line for line in lines if line) if street else ""


def _email(organisation: Metadata) -> str:
    values = [organisation.get("email"), json_ld.value_text(organisation.get("contactPoint"), "email")]
    for text in values:
        address = re.sub(r"(?i)^mailto:", "", json_ld.value_text(text).strip())
        if EMAIL.fullmatch(address):
            return address
    return ""


def _moments(tree: Any, things: list[Metadata]) -> list[datetime]:
    """Dates on the page that have a UTC offset."""
    texts = [element.get("datetime") or "" for element in tree.xpath("//time[@datetime]")[:200]]
    texts += [str(thing.get(name) or "") for thing in things for name in ("datePublished", "dateModified")]
    offset = re.compile(r"T.*([+-]\d\d:?\d\d|Z)$")
    return [moment for text in texts if offset.search(text) and (moment := parse_datetime(text)) is not None]


def guess_time_zone(moments: Iterable[datetime], *, language: str = "") -> str:
    """The time zone that agrees with at least 90 % of `moments`, which are dates of articles on a page or in a feed.

    If several zones agree, zones where `language` is spoken come first, then larger ones. "" if the dates are in UTC,
    as programs often write them, or if no zone agrees.
    """
    counts = Counter((moment.utcoffset(), moment.replace(tzinfo=None)) for moment in moments if moment.tzinfo)
    if not counts or not any(offset for offset, _at in counts):
        return ""
    for name in dict.fromkeys(
        (*ZONES.get(language, ()), *OTHER_ZONES, *(zone for zones in ZONES.values() for zone in zones))
    ):
        zone = ZoneInfo(name)
        agreeing = sum(count for (offset, at), count in counts.items() if at.replace(tzinfo=zone).utcoffset() == offset)
        if agreeing >= 0.9 * counts.total():
            return name
    return ""
