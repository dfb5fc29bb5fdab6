"""Feeds of every format, good and bad (T-32)."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from newsletter.articles import feed_parser

BASE = "https://kabar.example/umpan.xml"


def rss(
    *items: str, head: str = "<title>Kabar</title><link>https://kabar.example/</link><language>id-ID</language>"
) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/">'
        f"<channel>{head}{''.join(items)}</channel></rss>"
    ).encode()


def read(body: bytes, **facts) -> feed_parser.ParsedFeed:
    return feed_parser.parse(body, url=BASE, **facts)


def test_an_rss_item_says_all_about_its_article():
    feed = read(
        rss(
            "<item><title>Autogate &amp; paspor</title><link>/id/autogate?utm_source=rss#isi</link><guid>k-17</guid>"
            "<description><![CDATA[<p>Lebih <b>cepat</b>.<script>x()</script></p>]]></description>"
            "<dc:creator>Dewi Anggraini</dc:creator><category>Layanan</category><category>Bandara</category>"
            '<media:content url="/gambar/a.jpg" medium="image"><media:description>Jalur autogate</media:description>'
            "</media:content><pubDate>Tue, 24 Nov 2026 07:00:00 +0700</pubDate></item>"
        )
    )

    item = feed.items[0]
    assert (feed.title, feed.language, feed.site_url) == ("Kabar", "id", "https://kabar.example/")
    assert item.url == "https://kabar.example/id/autogate"
    assert (item.guid, item.title, item.summary) == ("k-17", "Autogate & paspor", "Lebih cepat.")
    assert (item.author, item.section, item.language) == ("Dewi Anggraini", "Layanan", "id")
    assert (item.image_url, item.image_alt) == ("https://kabar.example/gambar/a.jpg", "Jalur autogate")
    assert item.published_at == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)


def test_an_atom_entry_says_all_about_its_article():
    feed = read(
        b'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en" xml:base="https://kabar.example/en/"><title>News</title>'
        b'<link rel="self" href="https://kabar.example/en/feed"/><link href="https://kabar.example/en/"/>'
        b'<entry><id>tag:kabar.example,2026:9</id><title type="html">Visas &amp;amp; stays</title>'
        b'<link rel="edit" href="x"/><link rel="alternate" href="visas"/><published>2026-11-20T08:30:00Z</published>'
        b"<updated>2026-11-21T08:30:00Z</updated><author><name>Rizky</name></author><category term='v' label='Visa'/>"
        b'<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Two <em>new</em> visas.</p></div></content>'
        b"</entry></feed>"
    )

    item = feed.items[0]
    assert (feed.title, feed.site_url) == ("News", "https://kabar.example/en/")
    assert (item.url, item.guid) == ("https://kabar.example/en/visas", "tag:kabar.example,2026:9")
    assert (item.title, item.author, item.section) == ("Visas & stays", "Rizky", "Visa")
    assert item.language == "en"
    assert "Two new visas." in item.summary
    assert item.published_at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert item.updated_at == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def test_rss_1_items_beside_the_channel_are_found():
    feed = read(
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>T</title></channel>'
        b'<item rdf:about="https://kabar.example/1"><title>Satu</title><link>https://kabar.example/1</link>'
        b"<dc:date>2026-11-20</dc:date></item></rdf:RDF>"
    )

    assert [(item.url, item.title) for item in feed.items] == [("https://kabar.example/1", "Satu")]
    assert feed.items[0].published_at == datetime(2026, 11, 20, tzinfo=UTC)


def test_a_json_feed_is_read():
    body = json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "Kabar",
            "language": "id",
            "items": [
                {
                    "id": 7,
                    "url": "/tujuh",
                    "title": "Tujuh",
                    "content_html": "<p>Isi</p>",
                    "authors": [{"name": "Siti"}, {"name": "Budi"}],
                    "tags": ["Visa"],
                    "image": "javascript:alert(1)",
                    "date_published": "2026-11-20T10:00:00+07:00",
                },
                "bukan apa-apa",
                {"title": "tanpa alamat"},
            ],
        }
    ).encode()

    feed = read(body, content_type="application/feed+json")

    (item,) = feed.items
    assert (item.url, item.guid, item.title, item.summary) == ("https://kabar.example/tujuh", "7", "Tujuh", "Isi")
    assert (item.author, item.section, item.language, item.image_url) == ("Siti, Budi", "Visa", "id", "")
    assert item.published_at == datetime(2026, 11, 20, 10, 0, tzinfo=timezone(timedelta(hours=7)))


def test_a_news_sitemap_gives_titles_twins_and_pictures():
    feed = read(
        b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"'
        b' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml"><url>'
        b"<loc>https://kabar.example/id/a</loc><n:news><n:publication><n:name>K</n:name><n:language>id</n:language>"
        b"</n:publication><n:publication_date>2026-11-20</n:publication_date><n:title>Paspor</n:title></n:news>"
        b"<image:image><image:loc>https://kabar.example/a.jpg</image:loc></image:image>"
        b'<xhtml:link rel="alternate" hreflang="en" href="https://kabar.example/en/a"/></url></urlset>'
    )

    (item,) = feed.items
    assert (item.url, item.title, item.language) == ("https://kabar.example/id/a", "Paspor", "id")
    assert item.image_url == "https://kabar.example/a.jpg"
    assert item.alternates == {"en": "https://kabar.example/en/a"}
    assert not feed.needs_pages


def test_a_plain_sitemap_and_an_index_say_that_more_must_be_read():
    plain = read(b"<urlset><url><loc>https://kabar.example/a</loc><lastmod>2026-11-20</lastmod></url></urlset>")
    index = read(
        b"<sitemapindex><sitemap><loc>https://kabar.example/1.xml</loc><lastmod>2025-01-01</lastmod></sitemap>"
        b"<sitemap><loc>https://kabar.example/2.xml</loc><lastmod>2026-01-01</lastmod></sitemap></sitemapindex>"
    )

    assert plain.needs_pages
    assert index.sitemaps == ["https://kabar.example/2.xml", "https://kabar.example/1.xml"]


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "mailto:a@b.example",
        "  ",
    ],
)
def test_t32_links_that_are_no_web_address_are_left_out(link):
    feed = read(
        rss(f"<item><title>Jahat</title><link>{link}</link></item>", "<item><title>x</title><link>/b</link></item>")
    )

    assert [item.url for item in feed.items] == ["https://kabar.example/b"]


def test_t32_a_guid_that_is_an_address_stands_in_for_a_missing_link():
    feed = read(rss("<item><title>a</title><guid>https://kabar.example/a</guid></item>"))

    assert feed.items[0].url == "https://kabar.example/a"


def test_t32_relative_pictures_in_the_text_are_made_absolute():
    feed = read(
        rss(
            '<item><title>a</title><link>/id/a</link><description>&lt;img src="../g/x.png" alt="Antre"&gt;</description></item>'
        )
    )

    assert (feed.items[0].image_url, feed.items[0].image_alt) == ("https://kabar.example/g/x.png", "Antre")


def test_t32_the_same_address_twice_is_one_item():
    feed = read(
        rss("<item><title>a</title><link>/a</link></item>", "<item><title>b</title><link>/a?utm_medium=x</link></item>")
    )

    assert [item.title for item in feed.items] == ["a"]


def test_t32_of_ten_thousand_entries_the_newest_are_read():
    items = [
        f"<item><title>Kabar {n}</title><link>/{n}</link><pubDate>{1 + n % 28} Nov {2000 + n // 400} 07:00 +0700</pubDate></item>"
        for n in range(10_000)
    ]

    feed = read(rss(*items))

    assert len(feed.items) == 500
    assert {item.published_at.year for item in feed.items} == {2023, 2024}


def test_t32_billion_laughs_and_outside_entities_are_refused():
    laughs = b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><rss><channel><title>&b;</title></channel></rss>'
    outside = laughs.replace(b'"ha"', b'SYSTEM "file:///etc/passwd"')

    for body in (laughs, outside, laughs.decode().encode("utf-16")):
        with pytest.raises(feed_parser.FeedParseError):
            read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"\x00\x01\x02\xff\xfe",
        b"<html><body>halo</body></html>",
        b"<rss>",
        b"<rss",
        b"<rss><channel>",
        b"<feed/>",
        b"{",
        b'{"version": "https://jsonfeed.org/version/1"}',
        b'{"version": "https://jsonfeed.org/version/1", "items": 3}',
        b'{"version": "https://jsonfeed.org/version/1", "items": ' + b"[" * 100_000,
        b"<rss>" + b"<a>" * 200_000,
        b"<rss>" + b"<" * 500_000,
        b"<rss " + b"a='" * 100_000,
        b"\xff\xfe" + b"<rss>"[:3],
    ],
)
def test_t32_garbage_is_a_broken_feed_and_nothing_else(body):
    with pytest.raises(feed_parser.FeedParseError) as broken:
        read(body)

    assert str(broken.value)


def test_a_feed_with_html_entities_bad_characters_and_a_lost_end_is_read_all_the_same():
    body = rss("<item><title>Paspor&nbsp;baru \x0b&ndash; syarat</title><link>/a</link></item>")[:-20]

    assert read(body).items[0].title == "Paspor baru – syarat"


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8", ""), ("utf-16", ""), ("windows-1252", "windows-1252"), ("iso-8859-1", "ISO-8859-1")],
)
def test_encodings_are_understood(encoding, declared):
    text = f'<?xml version="1.0" encoding="{declared or encoding}"?><rss><channel><title>Café à Jakarta</title></channel></rss>'

    assert read(text.encode(encoding)).title == "Café à Jakarta"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Tue, 24 Nov 2026 07:00:00 +0700", datetime(2026, 11, 24, 0, 0, tzinfo=UTC)),
        ("2026-11-24T07:00:00+07:00", datetime(2026, 11, 24, 0, 0, tzinfo=UTC)),
        ("2026-11-24 00:00:00 UTC", datetime(2026, 11, 24, 0, 0, tzinfo=UTC)),
        ("24 November 2026, 07.00", datetime(2026, 11, 24, 7, 0, tzinfo=UTC)),
        ("Selasa, 24 Agustus 2026", datetime(2026, 8, 24, 0, 0, tzinfo=UTC)),
        ("kemarin", None),
        ("0000-00-00", None),
        ("99999-01-01", None),
        ("Tue, 99 Nov 2026 99:00:00", None),
    ],
)
def test_dates_in_the_spellings_that_feeds_use(said, expected):
    feed = read(rss(f"<item><title>a</title><link>/a</link><pubDate>{said}</pubDate></item>"))

    assert feed.items[0].published_at == expected


def test_robots_txt_names_sitemaps_with_those_of_news_first():
    robots = (
        b"User-agent: *\nDisallow: /cari\nSitemap: https://kabar.example/peta.xml\n"
        b"SITEMAP : /peta-2.xml # lama\r\nsitemap: https://kabar.example/news-sitemap.xml\n"
        b"Sitemap: https://kabar.example/peta.xml\nSitemap: javascript:alert(1)\nSitemap:\n# Sitemap: /x.xml\n"
    )

    assert feed_parser.sitemaps_in_robots(robots, url="https://kabar.example/robots.txt") == [
        "https://kabar.example/news-sitemap.xml",
        "https://kabar.example/peta.xml",
        "https://kabar.example/peta-2.xml",
    ]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"<html><p>404</p>", b"Sitemap: " * 9000, bytes(range(256))])
def test_what_is_no_robots_txt_names_no_sitemap(body):
    assert feed_parser.sitemaps_in_robots(body, url="https://kabar.example/robots.txt") == []


def test_the_link_of_an_atom_entry_is_not_taken_for_its_picture():
    feed = read(
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>K</title><entry><title>A</title><id>urn:a</id>'
        b'<link href="/a"/></entry><entry><title>B</title><id>urn:b</id><link href="/b"/>'
        b'<link rel="enclosure" type="image/png" href="/b.png"/></entry></feed>'
    )

    assert [item.image_url for item in feed.items] == ["", "https://kabar.example/b.png"]


@pytest.mark.parametrize(
    "body", [b"<rss><channel><title>" + b"&" * 300_000, b"<feed><title/><entry/><entry><title>a", rss("")]
)
def test_t32_a_feed_that_lists_nothing_usable_has_no_items(body):
    assert read(body).items == []


def test_a_bare_ampersand_in_an_address_is_taken_as_meant():
    feed = read(
        rss(
            "<item><title>A & B</title><link>https://kabar.example/?a=1&b=2</link></item>"
            "<item><title>C</title><link><![CDATA[https://kabar.example/?c=1&d=2]]></link></item>"
        )
    )

    assert {item.url for item in feed.items} == {"https://kabar.example/?a=1&b=2", "https://kabar.example/?c=1&d=2"}
    assert {item.title for item in feed.items} == {"A & B", "C"}


def test_a_guid_that_calls_itself_the_address_may_be_relative():
    feed = read(rss('<item><title>A</title><guid isPermaLink="true">/a</guid></item><item><guid>/b</guid></item>'))

    assert [item.url for item in feed.items] == ["https://kabar.example/a"]


def test_a_film_is_told_in_the_words_of_its_media():
    group = '<media:group xmlns:media="http://search.yahoo.com/mrss/"><media:description>Cara antre.</media:description></media:group>'

    assert read(rss(f"<item><title>A</title><link>/a</link>{group}</item>")).items[0].summary == "Cara antre."


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_packed_sitemap_or_one_in_utf_16_is_read(encoding):
    sitemap = '<?xml version="1.0"?><urlset><url><loc>https://kabar.example/a</loc></url></urlset>'

    for body in (sitemap.encode(encoding), gzip.compress(sitemap.encode())):
        assert feed_parser.is_feed(body)
        assert [item.url for item in read(body).items] == ["https://kabar.example/a"]


def test_t31_a_packed_feed_is_counted_after_unpacking():
    bomb = gzip.compress(b"<rss>" + bytes(64 * 1024 * 1024))

    with pytest.raises(feed_parser.FeedParseError, match="larger than 5 MB"):
        read(bomb)


@pytest.mark.parametrize(
    "body", [gzip.compress(b"halo"), b"\x1f\x8b" + b"x" * 99, gzip.compress(rss("").ljust(9999))[:40]]
)
def test_what_is_packed_and_no_feed_is_none(body):
    with pytest.raises(feed_parser.FeedParseError):
        read(body)


def test_t32_an_entity_of_its_own_is_named_as_the_reason():
    with pytest.raises(feed_parser.FeedParseError, match="abbreviations of its own"):
        read(b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha">]><rss><channel><title>&a;</title></channel></rss>')
