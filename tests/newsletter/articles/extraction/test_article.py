"""Extraction of articles from pages as real sites write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from newsletter.articles import extraction

URL = "https://kabar.example/id/paspor"
JAKARTA = ZoneInfo("Asia/Jakarta")
TEXT = "<p>" + "Kantor imigrasi menambah kuota antrean paspor pada akhir pekan ini. " * 12 + "</p>"


def page(head: str = "", body: str = "", *, lang: str = "id") -> bytes:
    return f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{body}</body></html>'.encode()


def linked(**thing) -> str:
    said = json.dumps({"@context": "https://schema.org", **thing}).replace("</", "<\\/")
    return f'<script type="application/ld+json">{said}</script>'


def read(body: bytes, url: str = URL, **facts) -> extraction.ExtractedPage:
    return extraction.extract_page(body, url=url, zone=JAKARTA, **facts)


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


def listed(links: int) -> str:
    return "<main><h1>Berita</h1>" + "<h2><a href=/x>Judul</a></h2><p>Tiga belas kata.</p>" * links + "</main>"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "This page is empty. Check the address in a browser."),
        (b"\x00\x00", "This page is empty."),
        (page("<title>App</title>", '<div id="root"></div><script src="/app.js"></script>'), "only by script"),
        (page("", "<noscript>Aktifkan JavaScript</noscript><script>start()</script>"), "only by script"),
        (
            page("<title>Halo</title>", "<h1>Halo</h1><p>Segera hadir.</p>"),
            "too little text for an article: 2 words. Paste",
        ),
        (page("", TEXT), "no headline. Paste the address of an article."),
        (page("<title>Masuk</title>", f'<h1>Masuk</h1><form><input type="password"></form>{TEXT}'), "login. Paste"),
        (
            page("<title>Berita</title>", '<h1>Berita</h1><form><input type="password"></form><p>Hai.</p>'),
            "asks for a login",
        ),
        (page("<title>Berita</title>", listed(40)), "lists articles. Paste the address of one article."),
        (page("<title>Just a moment...</title>", "<p>Checking</p>"), "prove that they are people. Ask whoever runs it"),
        (
            page("<title>Sebentar</title>", '<h1>Sebentar</h1><div class="g-recaptcha"></div>'),
            "prove that they are people",
        ),
        (page("<title>404 Not Found</title>", "<h1>Not Found</h1>"), "does not exist (any more). Check the address"),
        (page("<title>Kabar</title>", "<h1>Halaman tidak ditemukan</h1><p>Maaf.</p>"), "does not exist (any more)"),
        (
            page("<title>\ufffd\ufffd\ufffd</title>", f"<h1>\ufffd\ufffd berita</h1>{TEXT}"),
            "not written in the letters it claims",
        ),
        (
            b"%PDF-1.7\n%\xe2\xe3",
            "This is a PDF file rather than a page. Paste the address of the page that offers it.",
        ),
        (b"PK\x03\x04\x14\x00", "This is a ZIP file rather than a page."),
        (b"\x89PNG\r\n\x1a\n", "This is a picture rather than a page. Paste the address of the article that shows it."),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "This is a picture"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "This is a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is a picture"),
        (b"\x00\x00\x00\x20ftypisom\x00", "This is a video or sound rather than a page."),
    ],
)
def test_what_is_no_article_is_told_in_words_with_a_remedy(body, reason):
    assert reason in read(body).reason


@pytest.mark.parametrize(
    "body",
    [
        page("<title>Paspor</title>", f'<header><form><input type="password"></form></header><h1>Paspor</h1>{TEXT}'),
        page(
            '<title>Paspor</title><meta property="og:type" content="website">',
            f"<article><h1>Paspor</h1>{TEXT}</article>",
        ),
        page("<title>Galat 404 dan artinya</title>", f"<h1>Galat 404 dan artinya</h1>{TEXT * 2}"),
        page(
            "<title>短訊</title>", f"<h1>入出境新制短訊</h1><p>{'移民署今天宣布新的護照申請程序。' * 8}</p>", lang="zh"
        ),
        page("<title>Paspor</title>", f'<form id="aspnet"><h1>Paspor</h1>{TEXT}</form>'),
        page("<title>Paspor</title>", f"<nav><header><h1>Paspor</h1></header><section>{TEXT}</section></nav>"),
        page(
            "<title>Paspor</title>",
            "<h1>Paspor</h1><div>" + "Kantor imigrasi menambah kuota antrean.<br>" * 20 + "</div>",
        ),
        page("<title>Paspor</title>", f'<div class="widget Blog"><h3 class="post-title">Paspor</h3>{TEXT}</div>'),
        page(
            "<title>Kilas paspor</title>",
            "<h1>Kilas paspor</h1><time datetime=2026-11-20>hari ini</time><p>"
            + "Kantor imigrasi membuka loket tambahan untuk pemohon yang datang pada akhir pekan. " * 3,
        ),
    ],
    ids=[
        *(
            "a login in the header",
            "marked as a website",
            "a story about errors",
            "no spaces between words",
            "one form",
        ),
        *("one menu", "old page without paragraphs", "named like a widget", "a short note with a date"),
    ],
)
def test_an_article_is_taken_for_one_whatever_stands_around_it(body):
    assert read(body).reason == ""


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


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ('<meta property="og:title" content="Kuota paspor naik | Kabar Lintas">', "", "Kuota paspor naik"),
        ('<meta property="og:title" content="Kabar Lintas: Kuota naik"><meta property="og:site_name" content="Kabar Lintas">', "", "Kabar Lintas: Kuota naik"),
        ('<meta property="og:title" content="Kuota naik – Daerah – Kabar">', "<h1>Kuota naik</h1>", "Kuota naik"),
        ('<meta property="og:title" content="Kabar"><title>Kuota naik lagi</title>', "<h1>Kuota naik lagi</h1>", "Kuota naik lagi"),
        (linked(**{"@type": "NewsArticle", "headline": "Kuota naik - Kabar", "publisher": {"@type": "Organization", "name": "Kabar"}}), "", "Kuota naik"),
        ("<title>护照新规明天起施行-新华网</title>", "<h1>护照新规明天起施行</h1>", "护照新规明天起施行"),
        ('<meta property="og:title" content="旅券の新規則！：新聞デジタル"><meta property="og:site_name" content="新聞デジタル">', "", "旅券の新規則！"),
        ("<title>Kuota antrean paspor naik lagi</title>", "<h1>Tautan cepat</h1>", "Kuota antrean paspor naik lagi"),
        ("<title>護照新規明天起施行全文公布</title>", "<h1>導航</h1>", "護照新規明天起施行全文公布"),
        ("<title>Kuota paspor naik</title>", '<h1><a href="/">Koran Kami</a></h1><h2>Kuota paspor naik</h2>', "Kuota paspor naik"),
        ("<title>Kuota paspor naik</title>", '<h1 class="site-title">Koran Kami</h1><h2>Kuota paspor naik</h2>', "Kuota paspor naik"),
        ("<title>Kuota — naik</title>", "<h1>Kuota — naik</h1>", "Kuota — naik"),
        (linked(**{"@type": "Article", "headline": "negara di Asia", "name": "Indonesia"}), "<h1>Indonesia</h1>", "Indonesia"),
    ],
)  # fmt: skip
def test_the_headline_is_told_from_the_names_of_site_and_section(head, body, title):
    assert read(page(head, body + TEXT)).article.title == title


@pytest.mark.parametrize(
    ("head", "body", "day"),
    [
        ("", "<h1>Paspor</h1><p>Dienstag, 3. März 2026 um 9:30 Uhr</p>", "2026-03-03"),
        ("", "<h1>Paspor</h1><p>le 1er août 2026 à 13h59</p>", "2026-08-01"),
        ("", "<h1>Paspor</h1><p>17 de marzo de 2026</p>", "2026-03-17"),
        ("", "<h1>Paspor</h1><p>24 сентября 2026, 10:00</p>", "2026-09-24"),
        ("", "<h1>Paspor</h1><p>2026年4月13日 09:00</p>", "2026-04-13"),
        ("", "<h1>Paspor</h1><p>입력 2026.11.02. 오후</p>", "2026-11-02"),
        ("", "<h1>Paspor</h1><p>24 نيسان / أبريل 2026</p>", "2026-04-24"),
        ("", "<h1>Paspor</h1><span>26/10/2026</span>", "2026-10-26"),
        ("", '<h1>Paspor</h1><abbr class="published" title="2026-06-05T08:00:00Z">Juni</abbr>', "2026-06-05"),
        ("", "<h2>Jumat, 5 Juni 2026</h2><h1>Paspor</h1>", "2026-06-05"),
        ("", f'<h1>Paspor</h1>{TEXT * 2}<div class="entry-date">Tanggal: 5 Juni 2026</div>', "2026-06-05"),
        (linked(**{"@type": "WebPage", "datePublished": "2026-06-05T03:00:00+07:00"}), "<h1>Paspor</h1>", "2026-06-04"),
        ('<meta name="citation_publication_date" content="2026/06/05">', "<h1>Paspor</h1>", "2026-06-05"),
        ('<meta name="article:published_time" value="2026-06-05T00:00:00Z">', "<h1>Paspor</h1>", "2026-06-05"),
        ("", f'<h1>Paspor</h1>{TEXT}<div class="comments"><time datetime="2026-01-01">dulu</time></div>', None),
        ("", f"<h1>Paspor</h1>{TEXT}<p>Versi 1.2.3, halaman 4/5, nomor 10-10-10.</p>", None),
    ],
)
def test_the_date_is_found_where_people_see_it(head, body, day):
    found = extraction.extract_page(page(head, body + TEXT), url=URL).article.published_at

    assert (found.astimezone(UTC).date().isoformat() if found else None) == day


def test_the_date_in_the_address_tells_which_date_on_the_page_is_meant():
    body = page("", f"<h1>Rapat kuota</h1><p>Rapat digelar 1 Desember 2026.</p><p>20 November 2026, 14.30</p>{TEXT}")
    url = "https://kabar.example/2026/11/20/rapat"

    assert read(body, url=url).article.published_at == datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
    assert read(page("", f"<h1>Rapat kuota</h1>{TEXT}"), url=url).article.published_at == datetime(
        2026, 11, 19, 17, tzinfo=UTC
    )


@pytest.mark.parametrize(("lang", "month"), [("en-US", 4), ("en", 4), ("en-GB", 5), ("id", 5)])
def test_a_date_in_numbers_is_read_as_its_language_writes_it(lang, month):
    found = read(page("", f"<h1>Passport</h1><p>04/05/2026</p>{TEXT}", lang=lang)).article.published_at

    assert found.month == month


PHOTO = '<img src="/foto.jpg" alt="Loket paspor" width="640">'


@pytest.mark.parametrize(
    ("head", "body", "image"),
    [
        (
            "",
            f'<article><img src="/logo.png"><img src="/panah.svg"><img src="/1.gif" width="1">{PHOTO}</article>',
            "/foto.jpg",
        ),
        (
            "",
            f'<article><aside><img src="/iklan.jpg"></aside><div class="ads"><img src="/b.jpg"></div>{PHOTO}</article>',
            "/foto.jpg",
        ),
        ("", '<article><img src="data:image/gif;base64,R0" data-src="/malas.jpg"></article>', "/malas.jpg"),
        ("", '<article><img srcset="/s.jpg 400w, /m.jpg 800w"></article>', "/s.jpg"),
        ('<meta property="og:image" content="/img/site-logo.png">', f"<article>{PHOTO}</article>", "/foto.jpg"),
        ('<meta property="og:image" content="/img/site-logo.png">', "", "/img/site-logo.png"),
        ('<meta property="og:image" content="/bagi.jpg">', f"<article>{PHOTO}</article>", "/bagi.jpg"),
        ("", f"<div><div><p>Satu. {TEXT}</p>{PHOTO}{TEXT}</div><img src='/lain.jpg'></div>", "/foto.jpg"),
    ],
)
def test_the_picture_is_one_of_the_article(head, body, image):
    article = read(page("<title>Paspor</title>" + head, f"<h1>Paspor</h1>{body}{TEXT}")).article

    assert article.image_url == f"https://kabar.example{image}"


@pytest.mark.parametrize(
    ("said", "alt"),
    [
        ("Loket paspor di Bandung", "Loket paspor di Bandung"),
        ("IMG_2041.jpg", ""),
        ("foto 3", ""),
        ("potret dewi.jpg", ""),
        ("Article thumbnail", ""),
        ("Paspor", ""),
        ("image", ""),
        ("", ""),
    ],
)
def test_the_name_of_a_file_is_no_description(said, alt):
    body = f'<article><h1>Paspor</h1><img src="/foto-640x360.jpg" alt="{said}">{TEXT}</article>'

    assert read(page("", body)).article.image_alt == alt


@pytest.mark.parametrize(
    ("said", "author"),
    [
        ('<meta name="author" content="Kabar Lintas">', "Dewi Anggraini"),
        (
            linked(**{"@type": "Article", "headline": "Paspor", "author": {"@type": "Organization", "name": "Kabar"}}),
            "Dewi Anggraini",
        ),
        (linked(**{"@type": "Article", "headline": "Paspor", "author": "Siti; Budi"}), "Siti, Budi"),
    ],
)
def test_a_person_counts_before_the_site_as_author(said, author):
    site = '<meta property="og:site_name" content="Kabar Lintas">'

    assert (
        read(page(site + said, f'<h1>Paspor</h1><p class="byline">Oleh Dewi Anggraini</p>{TEXT}')).article.author
        == author
    )


def test_the_site_is_the_author_where_nobody_else_is_named():
    site = '<meta property="og:site_name" content="Kabar Lintas"><meta name="author" content="Kabar Lintas">'

    assert read(page(site, f"<h1>Paspor</h1>{TEXT}")).article.author == "Kabar Lintas"


@pytest.mark.parametrize(
    "line",
    ["20 November 2026, 14.30", "Lihat 15 komentar", "redaksi[at]kabar.example", "Nama (wajib)*", "Follow us", "Oleh"],
)
def test_what_stands_in_a_byline_and_is_no_name_is_left_out(line):
    assert read(page("", f'<h1>Paspor</h1><p class="author">{line}</p>{TEXT}')).article.author == ""


@pytest.mark.parametrize(
    ("claim", "address"),
    [
        ("kabar.example/id/paspor-baru", "https://kabar.example/id/paspor-baru"),
        ("https%3A%2F%2Fkabar.example%2Fid%2Fpaspor-baru", "https://kabar.example/id/paspor-baru"),
        ("https://kabar.example/id/undefined", URL),
    ],
)
def test_an_address_that_a_site_writes_wrongly_is_mended_or_left(claim, address):
    assert read(page(f'<link rel="canonical" href="{claim}">', f"<h1>Paspor</h1>{TEXT}")).article.url == address


def test_scripts_without_spaces_between_words_have_reading_times_too():
    chinese = page("", f"<h1>护照新规</h1><p>{'移民管理局今天宣布新的护照申请程序。' * 60}</p>", lang="zh")

    assert read(chinese).article.reading_minutes == 3


def test_the_hash_stays_while_only_what_stands_around_the_text_changes():
    def hashed(*, ad: str, views: int, text: str = TEXT) -> str:
        around = f'<aside><p>{ad}</p></aside><div class="related"><p>{ad}</p></div><nav><p>{ad}</p></nav>'
        return read(
            page(
                f"<title>Paspor</title><script>var t={views}</script>",
                f'<article><h1>Paspor</h1>{text}<div class="comments"><p>{views} komentar, {ad}</p></div></article>{around}',
            )
        ).article.content_hash

    first = hashed(ad="Beli sekarang juga", views=10)

    assert hashed(ad="Diskon besar minggu ini", views=99_000) == first
    assert hashed(ad="Beli sekarang juga", views=10, text=TEXT + "<p>Ralat: kuota tetap.</p>") != first


@pytest.mark.parametrize(
    ("names", "section"),
    [
        (["Beranda", "Layanan", "Paspor", "Kuota naik"], "Layanan"),
        (["Beranda", "Kuota naik"], ""),
        ([], ""),
    ],
)
def test_the_section_is_the_first_crumb_after_the_front_page(names, section):
    crumbs = [
        {"@type": "ListItem", "position": place, "item": {"@id": f"/{place}", "name": name}}
        for place, name in enumerate(names, start=1)
    ]
    head = linked(**{"@type": "BreadcrumbList", "itemListElement": crumbs[::-1]})

    assert read(page(head, f"<h1>Kuota naik</h1>{TEXT}")).article.section == section


@pytest.mark.parametrize(
    "crumbs", [3, {"a": 1}, [3, None, {"position": [], "name": {"x": 1}}] * 2, [{"position": 10**9}] * 4]
)
def test_crumbs_that_lead_nowhere_do_no_harm(crumbs):
    head = linked(**{"@type": "BreadcrumbList", "itemListElement": crumbs})

    assert read(page(head, f"<h1>Kuota naik</h1>{TEXT}")).article.section == ""
