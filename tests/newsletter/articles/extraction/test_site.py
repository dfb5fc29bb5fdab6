"""Extraction of site data from front pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from newsletter.articles import extraction
from newsletter.articles.extraction.site import guess_time_zone

URL = "https://www.kabarlintas.example/"


def front(head: str = "", body: str = "", *, lang: str = "id") -> extraction.Site:
    page = f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{body}</body></html>'
    return extraction.extract_site(page.encode(), url=URL)


def linked(*things: dict) -> str:
    return f'<script type="application/ld+json">{json.dumps({"@graph": list(things)})}</script>'


def test_a_site_names_itself_its_feeds_languages_logo_and_colour():
    site = front(
        '<title>Kabar Lintas – berita imigrasi</title><meta name="theme-color" content="#0E5A55">'
        '<link rel="alternate" type="application/rss+xml" href="/umpan.xml">'
        '<link rel="alternate" type="application/rss+xml" title="Comments" href="/komentar.xml">'
        '<link rel="alternate" hreflang="id" href="/"><link rel="alternate" hreflang="en" href="/en/">'
        '<link rel="apple-touch-icon" href="/ikon.png">'
    )

    assert site == extraction.Site(
        name="Kabar Lintas",
        feeds=["https://www.kabarlintas.example/umpan.xml"],
        languages=["id", "en"],
        addresses={"id": "https://www.kabarlintas.example/", "en": "https://www.kabarlintas.example/en/"},
        logos=["https://www.kabarlintas.example/ikon.png"],
        accent="#0E5A55",
    )


def test_the_organisation_behind_a_site_gives_name_logo_address_and_mail():
    site = front(
        linked(
            {"@type": "WebSite", "url": URL, "publisher": {"@id": "#kami"}},
            {
                "@type": ["NewsMediaOrganization", "Organization"],
                "@id": "#kami",
                "name": "Kabar Lintas",
                "logo": {"@id": "#logo"},
                "email": "mailto:redaksi@kabarlintas.example",
                "address": {
                    "@type": "PostalAddress",
                    "streetAddress": "Jl. Merdeka 1",
                    "addressLocality": "Bandung",
                    "addressRegion": "Jawa Barat",
                    "postalCode": "40111",
                    "addressCountry": {"@type": "Country", "name": "Indonesia"},
                },
            },
            {"@type": "ImageObject", "@id": "#logo", "url": "/logo.png"},
        )
        + '<title>Beranda</title><meta property="og:image" content="/bagi.jpg">'
        + '<link rel="apple-touch-icon" href="/60.png" sizes="60x60"><link rel="apple-touch-icon" href="/152.png" sizes="152x152">'
    )

    assert site.name == "Kabar Lintas"
    assert site.email == "redaksi@kabarlintas.example"
    assert site.postal_address == "Jl. Merdeka 1\nBandung, Jawa Barat 40111\nIndonesia"
    assert site.logos[0] == "https://www.kabarlintas.example/logo.png"
    assert [address.rpartition("/")[2] for address in site.logos] == ["logo.png", "152.png", "60.png", "bagi.jpg"]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('<meta property="og:site_name" content="Kabar &amp; Lintas"><title>Lain</title>', "Kabar & Lintas"),
        ('<meta name="application-name" content="Kabar"><title>Lain</title>', "Kabar"),
        ("<title>Berita imigrasi terbaru | Kabar Lintas</title>", "Kabar Lintas"),
        ("<title>Kabar Lintas: berita imigrasi</title>", "Kabar Lintas"),
        ("<title>Berita hari ini - terpercaya</title>", "Berita hari ini"),
        ('<meta property="og:site_name" content="kabarlintas.example"><title>Kabar Lintas</title>', "Kabar Lintas"),
        ("<title>Beranda | Kantor Kami</title>", "Kantor Kami"),
        ("<title>Home</title>", "kabarlintas.example"),
        ("", "kabarlintas.example"),
    ],
)
def test_the_name_of_a_site_is_found_where_sites_write_it(head, name):
    assert front(head).name == name


def test_a_drawing_as_logo_comes_after_what_can_be_kept():
    site = front(
        linked({"@type": "Organization", "name": "Kabar", "logo": "/logo.svg"})
        + '<link rel="apple-touch-icon" href="/ikon.png">'
    )

    assert [address.rpartition("/")[2] for address in site.logos] == ["ikon.png", "logo.svg"]


@pytest.mark.parametrize(
    ("colours", "accent"),
    [
        ('<meta name="theme-color" content="#0a5">', "#00AA55"),
        ('<meta name="theme-color" content="rgb(14, 90, 85)">', "#0E5A55"),
        ('<meta name="theme-color" content="teal">', "#008080"),
        (
            '<meta name="theme-color" content="#111" media="(prefers-color-scheme: dark)"><meta name="theme-color" content="#c00000">',
            "#C00000",
        ),
        (
            '<meta name="theme-color" content="#ffffff"><meta name="msapplication-TileColor" content="#da532c">',
            "#DA532C",
        ),
        ('<meta name="theme-color" content="var(--x)">', ""),
        ('<meta name="theme-color" content="#fdfdfd">', ""),
        ('<meta name="theme-color" content="#e6e6e6">', ""),
        ('<meta name="theme-color" content="#000">', "#000000"),
    ],
)
def test_the_accent_is_the_theme_colour_unless_it_is_white(colours, accent):
    assert front(colours).accent == accent


@pytest.mark.parametrize(
    "organisation",
    [
        {"address": "x" * 5000, "email": "bukan surel", "logo": 3},
        {"address": [{"addressLocality": "Bandung"}], "email": ["a b@c.example"], "logo": "javascript:alert(1)"},
        {"address": {"streetAddress": {"a": 1}}, "contactPoint": [[{"email": 7}]], "logo": [[]]},
    ],
)
def test_nonsense_about_the_organisation_does_no_harm(organisation):
    site = front(linked({"@type": "Organization", "name": "Kabar", **organisation}))

    assert (site.name, site.email, site.logos) == ("Kabar", "", [])
    assert len(site.postal_address) <= 300


@pytest.mark.parametrize(("language", "zone"), [("id", "Asia/Jakarta"), ("th", "Asia/Bangkok"), ("", "Asia/Jakarta")])
def test_the_zone_is_one_that_agrees_with_the_dates_on_the_page(language, zone):
    dates = '<time datetime="2026-11-20T08:00:00+07:00">pagi</time><time datetime="2026-07-01T08:00+0700">lama</time>'

    assert front("", dates, lang=language).time_zone == zone


def test_the_zone_follows_summer_time():
    winter = datetime(2026, 1, 10, 9, tzinfo=timezone(timedelta(hours=-5)))
    summer = datetime(2026, 7, 10, 9, tzinfo=timezone(timedelta(hours=-4)))

    assert guess_time_zone([winter, summer], language="en") == "America/New_York"
    assert guess_time_zone([winter], language="es") == "America/Bogota"


@pytest.mark.parametrize(
    "moments",
    [
        [],
        [datetime(2026, 11, 20, 8, tzinfo=UTC)],
        [datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=7, minutes=13)))],
        [datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=7))), datetime(2026, 11, 20, 8, tzinfo=UTC)],
    ],
)
def test_dates_in_utc_or_in_no_zone_of_the_world_say_nothing_about_the_zone(moments):
    assert guess_time_zone(moments, language="id") == ""


@pytest.mark.parametrize("body", [b"", b"\x00", b"<" * 9000, b"<base href='http://['>" + bytes(range(256)) * 9])
def test_a_front_page_of_garbage_is_a_site_all_the_same(body):
    site = extraction.extract_site(body, url=URL)

    assert (site.feeds, site.accent, site.time_zone) == ([], "", "")
