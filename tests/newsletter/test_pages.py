"""Article pages in the shapes that sites have."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from newsletter import pages

URL = "https://kabar.example/id/paspor"
JAKARTA = ZoneInfo("Asia/Jakarta")
TEXT = "<p>" + "Kantor imigrasi menambah kuota antrean paspor pada akhir pekan ini. " * 12 + "</p>"


def page(head: str = "", body: str = "", *, lang: str = "id") -> bytes:
    return f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{body}</body></html>'.encode()


def linked(**thing) -> str:
    said = json.dumps({"@context": "https://schema.org", **thing}).replace("</", "<\\/")
    return f'<script type="application/ld+json">{said}</script>'


def read(body: bytes, url: str = URL, **facts) -> pages.Page:
    return pages.read(body, url=url, zone=JAKARTA, **facts)


def test_json_ld_is_believed_before_opengraph_and_html():
    found = read(
        page(
            linked(
                **{"@type": "NewsArticle", "headline": "Dari JSON-LD", "datePublished": "2026-11-20T08:00:00+07:00"},
                author=[{"@type": "Person", "name": "Siti"}, {"name": "Budi"}],
                image={"url": "/json.jpg"},
                articleSection=["Layanan"],
                inLanguage="id-ID",
                description="Ringkas.",
            )
            + '<meta property="og:title" content="Dari OpenGraph"><meta property="og:image" content="/og.jpg">'
            + '<meta name="author" content="Orang lain"><title>Dari title</title>',
            f"<article><h1>Dari h1</h1>{TEXT}</article>",
            lang="en",
        )
    )

    article = found.article
    assert found.reason == ""
    assert (article.title, article.author, article.section) == ("Dari JSON-LD", "Siti, Budi", "Layanan")
    assert (article.image_url, article.language, article.summary) == (
        "https://kabar.example/json.jpg",
        "id",
        "Ringkas.",
    )
    assert article.published_at == datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
    assert article.reading_minutes == 1


def test_references_inside_a_json_ld_graph_are_followed():
    graph = [
        {"@type": "WebSite", "@id": "#site", "name": "Kabar"},
        {"@type": "Person", "@id": "#dewi", "name": "Dewi Anggraini"},
        {"@type": "ImageObject", "@id": "#g", "url": "https://kabar.example/g.jpg", "caption": "Loket"},
        {
            "@type": ["NewsArticle", "Article"],
            "headline": "Paspor",
            "author": {"@id": "#dewi"},
            "image": {"@id": "#g"},
            "mainEntityOfPage": {"@id": URL},
        },
    ]

    article = read(page(linked(**{"@graph": graph}))).article

    assert (article.title, article.author) == ("Paspor", "Dewi Anggraini")
    assert (article.image_url, article.image_alt) == ("https://kabar.example/g.jpg", "Loket")


def test_of_several_articles_in_json_ld_the_one_of_this_page_counts():
    things = [
        {"@type": "NewsArticle", "headline": "Terkait", "url": "https://kabar.example/id/lain"},
        {"@type": "NewsArticle", "headline": "Yang ini", "url": URL},
    ]

    assert read(page(linked(**{"@graph": things}))).article.title == "Yang ini"


@pytest.mark.parametrize(
    "script",
    [
        '{"@type": "NewsArticle", "headline": "Paspor",}',
        '<!-- {"@type": "NewsArticle", "headline": "Paspor"} -->',
        '//<![CDATA[\n{"@type": "NewsArticle", "headline": "Paspor"}\n//]]>',
        '[{"@type": "BreadcrumbList"}, {"@type": "BlogPosting", "headline": "Paspor"}]',
        '{"@type": "NewsArticle", "headline": "Pas\\u0070or", "description": "dua\nbaris"}',
    ],
)
def test_untidy_json_ld_is_understood(script):
    body = page(f'<script type="application/ld+json">{script}</script>')

    assert read(body).article.title == "Paspor"


@pytest.mark.parametrize(
    "script", ["{", "null", "[" * 50_000, '"x"', "{}", '{"@graph": 3}', '{"@type": 3, "author": [[[]]]}']
)
def test_broken_json_ld_does_no_harm(script):
    body = page(f'<script type="application/ld+json">{script}</script>', f"<h1>Paspor</h1>{TEXT}")

    assert read(body).article.title == "Paspor"


def test_opengraph_and_twitter_stand_in_where_json_ld_is_silent():
    article = read(
        page(
            '<meta property="og:type" content="article"><meta property="og:site_name" content="Kabar">'
            '<meta property="og:title" content="Paspor baru | Kabar"><meta name="twitter:description" content="Dua syarat">'
            '<meta property="og:locale" content="id_ID"><meta name="twitter:image" content="//cdn.kabar.example/a.png">'
            '<meta property="og:image:alt" content="Loket"><meta property="article:section" content="Paspor">'
            '<meta property="article:published_time" content="2026-11-20"><meta property="article:author" content="https://fb.example/x">',
            "",
            lang="",
        )
    ).article

    assert (article.title, article.summary, article.language) == ("Paspor baru", "Dua syarat", "id")
    assert (article.image_url, article.image_alt, article.section) == (
        "https://cdn.kabar.example/a.png",
        "Loket",
        "Paspor",
    )
    assert article.published_at == datetime(2026, 11, 19, 17, 0, tzinfo=UTC)
    assert article.author == ""
    assert "author" in article.why


def test_a_page_without_any_markup_for_machines_is_read_like_a_person_would():
    article = read(
        page(
            "<title>Paspor anak kini lebih mudah - Kabar</title>",
            "<nav><p>Beranda</p></nav><h1>Paspor anak kini lebih mudah</h1><div>Dewi Anggraini</div>"
            f'<div>20 November 2026, 14.30 · 3 menit</div><img src="/kecil.gif" width="1">{TEXT}<footer><p>Hak cipta</p></footer>',
        )
    ).article

    assert (article.title, article.author, article.language) == ("Paspor anak kini lebih mudah", "Dewi Anggraini", "id")
    assert article.published_at == datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
    assert article.summary.startswith("Kantor imigrasi menambah kuota")
    assert len(article.summary) <= 600
    assert set(article.why) == {"section", "image_url", "alternates"}


@pytest.mark.parametrize(
    ("byline", "author"),
    [
        ('<a rel="author" href="/dewi">Dewi</a>', "Dewi"),
        ('<p class="byline">Oleh Dewi Anggraini | 20 November 2026</p>', "Dewi Anggraini"),
        ("<p>Penulis: Dewi Anggraini</p>", "Dewi Anggraini"),
        ("<p>By Dewi Anggraini</p>", "Dewi Anggraini"),
        ('<span itemprop="author"><span itemprop="name">Dewi</span></span>', "Dewi"),
        ('<p class="author">redaksi@kabar.example</p>', ""),
    ],
)
def test_bylines(byline, author):
    assert read(page("", f"<article><h1>Paspor</h1>{byline}{TEXT}</article>")).article.author == author


def test_twins_in_other_languages_are_listed_without_the_page_itself():
    article = read(
        page(
            f'<link rel="alternate" hreflang="id" href="{URL}"><link rel="alternate" hreflang="en-GB" href="/en/passport#x">'
            '<link rel="alternate" hreflang="x-default" href="/"><link rel="alternate" hreflang="zh" href="javascript:x">',
            f"<h1>Paspor</h1>{TEXT}",
        )
    ).article

    assert article.alternates == {"en": "https://kabar.example/en/passport"}


@pytest.mark.parametrize(
    ("claim", "address"),
    [
        ("https://www.kabar.example/id/paspor-baru", "https://www.kabar.example/id/paspor-baru"),
        ("/id/paspor?utm_source=x&halaman=2", "https://kabar.example/id/paspor?halaman=2"),
        ("https://kabar.example/", URL),
        ("https://lain.example/curian", URL),
        ("javascript:alert(1)", URL),
        ("", URL),
    ],
)
def test_the_canonical_address_is_believed_on_the_same_site_only(claim, address):
    body = page(f'<link rel="canonical" href="{claim}">', f"<h1>Paspor</h1>{TEXT}")

    assert read(body, url=URL + "?utm_campaign=y&fbclid=z#atas").article.url == address


@pytest.mark.parametrize(
    ("encoding", "head", "header"),
    [
        ("utf-8", "", ""),
        ("utf-8", '<meta charset="utf-8">', "iso-8859-1"),
        ("windows-1252", '<meta charset="windows-1252">', ""),
        ("windows-1252", "", "iso-8859-1"),
        ("windows-1252", "", ""),
        ("utf-16", "", ""),
        ("utf-8-sig", "", "windows-1252"),
        ("shift_jis", '<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">', ""),
    ],
)
def test_encodings_are_understood(encoding, head, header):
    title = "旅券" if encoding == "shift_jis" else "Résidence – “ITAS”"
    body = page(head, f"<h1>{title}</h1>{TEXT}").decode().encode(encoding)

    assert read(body, charset=header).article.title == title


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\x00\x00", "empty"),
        (page("<title>App</title>", '<div id="root"></div><script src="/app.js"></script>'), "only by script"),
        (page("", "<noscript>Aktifkan JavaScript</noscript><script>start()</script>"), "only by script"),
        (page("<title>Halo</title>", "<h1>Halo</h1><p>Segera hadir.</p>"), "too little text"),
        (page("<title>Masuk</title>", f'<h1>Masuk</h1><form><input type="password"></form>{TEXT}'), "login"),
        (
            page("", "<main><h1>Berita</h1>" + "<h2><a href=/x>Judul</a></h2><p>Tiga belas kata.</p>" * 40 + "</main>"),
            "lists articles",
        ),
    ],
)
def test_what_is_no_article_is_told_in_words(body, reason):
    assert reason in read(body).reason


def test_a_front_page_is_no_article():
    assert (
        "front page" in read(page("<title>Kabar</title>", f"<h1>Kabar</h1>{TEXT}"), url="https://kabar.example/").reason
    )


@pytest.mark.parametrize(
    "body",
    [
        b"<" * 100_000,
        b"<div>" * 100_000,
        b"<p>" + b"&#x0;" * 1000 + b"&#99999999;",
        b'<html lang="' + b"x" * 100_000 + b'"><title>' + b"y" * 100_000,
        b'<base href="http://["><link rel=canonical href="http://[::1"><h1>a</h1>',
        b'<meta property="article:published_time" content="99999-99-99T99:99"><h1>a</h1>',
        bytes(range(256)) * 50,
        b'<?xml version="1.0" encoding="klingon"?><h1>a</h1>',
    ],
)
def test_garbage_never_raises(body):
    found = read(body)

    assert len(found.article.title) <= 300
    assert found.reason


def test_markup_in_fields_becomes_plain_words():
    article = read(
        page(
            linked(
                **{
                    "@type": "Article",
                    "headline": "<b>Paspor</b> &amp;amp; visa<script>x</script>",
                    "description": "a\u0000\u200bb\n c",
                }
            )
        )
    ).article

    assert article.title == "Paspor & visa"
    assert article.summary == "a b c"
