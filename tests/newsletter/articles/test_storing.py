"""Collect articles from sources, add one by its address, store each once."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from newsletter import articles, issues
from newsletter.articles import sources
from newsletter.articles.article_data import ArticleData
from newsletter.models import Article, ArticleState, MediaFile, Source
from tests.factories import make_issue, make_newsletter

TEXT = "<p>" + "Kantor imigrasi menambah kuota antrean paspor pada akhir pekan ini. " * 12 + "</p>"

pytestmark = pytest.mark.django_db


def picture(colour: str = "teal", size: tuple[int, int] = (400, 300), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def page(title: str, *, head: str = "", text: str = TEXT) -> str:
    return f'<html lang="id"><head>{head}</head><body><article><h1>{title}</h1>{text}</article></body></html>'


def feed_of(*items: str) -> str:
    return f"<rss><channel><title>Kabar</title><language>id</language>{''.join(items)}</channel></rss>"


def item(number: int, *, title: str = "", guid: str = "", extra: str = "") -> str:
    return (
        f"<item><title>{title or f'Kabar {number}'}</title><link>/demo/{number}</link>"
        f"<guid>{guid or f'k{number}'}</guid>{extra}</item>"
    )


def test_a_feed_brings_articles_with_what_their_pages_add(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1), item(2)), kind="application/rss+xml")
    web.put("/demo/g.png", picture(), kind="image/png")
    head = (
        '<meta property="og:image" content="/demo/g.png"><meta property="og:image:alt" content="Loket paspor">'
        '<link rel="alternate" hreflang="en" href="/demo/en/1"><meta name="author" content="Dewi">'
    )
    web.put("/demo/1", page("Kabar 1", head=head))

    outcome = articles.collect(source, now=now)

    assert (outcome.new, outcome.changed, outcome.error) == (2, 0, "")
    article = Article.objects.get(url=web.origin + "/demo/1")
    assert (article.title, article.language, article.author) == ("Kabar 1", "id", "Dewi")
    assert article.alternates == {"en": web.origin + "/demo/en/1"}
    assert (article.image.width, article.image.alt) == (400, "Loket paspor")
    assert Article.objects.get(url=web.origin + "/demo/2").summary == ""


def test_a_second_reading_changes_nothing_and_asks_for_no_page(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1)), kind="application/rss+xml")
    web.put("/demo/1", page("Kabar 1"))
    articles.collect(source, now=now)
    web.asked.clear()

    outcome = articles.collect(source, now=now)

    assert (outcome.new, outcome.changed, outcome.same) == (0, 0, 1)
    assert [path for path, _ in web.asked] == ["/demo/umpan.xml"]


def test_a_feed_that_did_not_change_is_not_sent_again(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1)), kind="application/rss+xml", ETag='"satu"')
    articles.collect(source, now=now)
    web.answers["/demo/umpan.xml"] = (304, {}, b"")

    outcome = articles.collect(source, now=now)

    assert outcome.is_unchanged
    assert web.asked[-1][1]["if-none-match"] == '"satu"'


def test_a_headline_corrected_in_the_feed_is_corrected_here(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1, title="Salah")))
    articles.collect(source, now=now)
    web.put("/demo/umpan.xml", feed_of(item(1, title="Benar")))

    outcome = articles.collect(source, now=now)

    assert (outcome.new, outcome.changed) == (0, 1)
    assert Article.objects.get().title == "Benar"


def test_t32_a_guid_that_changes_or_is_shared_makes_no_second_article(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1, guid="a"), item(2, guid="sama"), item(3, guid="sama")))
    articles.collect(source, now=now)
    web.put(
        "/demo/umpan.xml", feed_of(item(1, guid="b", title="Kabar satu"), item(2, guid="sama"), item(3, guid="sama"))
    )
    articles.collect(source, now=now)

    assert sorted(Article.objects.values_list("title", flat=True)) == ["Kabar 2", "Kabar 3", "Kabar satu"]


def test_an_article_in_two_feeds_is_one_article(web, source, now):
    other = Source.objects.create(newsletter=source.newsletter, url=web.origin + "/demo/semua.xml")
    web.put("/demo/umpan.xml", feed_of(item(1, guid="a")))
    web.put("/demo/semua.xml", feed_of(item(1, guid="z").replace("/demo/1", "/demo/1?utm_source=semua")))

    articles.collect(source, now=now)
    outcome = articles.collect(other, now=now)

    assert outcome.new == 0
    assert Article.objects.count() == 1


def test_t32_a_date_in_the_future_counts_as_now(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1, extra="<pubDate>Fri, 1 Jan 2100 00:00:00 +0000</pubDate>")))

    articles.collect(source, now=now)

    assert Article.objects.get().published_at == now


def test_a_sitemap_is_continued_where_the_last_reading_stopped(web, source, now, monkeypatch):
    monkeypatch.setattr(sources, "MAX_PAGES", 2)
    urls = "".join(f"<url><loc>{web.origin}/demo/{n}</loc></url>" for n in (1, 2, 3))
    web.put("/demo/umpan.xml", f"<urlset>{urls}</urlset>", kind="application/xml", ETag='"x"')
    for number in (1, 2, 3):
        web.put(f"/demo/{number}", page(f"Kabar {number}"))

    first = articles.collect(source, now=now)
    unfinished = source.etag
    second = articles.collect(source, now=now)

    assert (first.new, second.new) == (2, 1)
    assert (unfinished, source.etag) == ("", '"x"')


def test_an_index_of_sitemaps_leads_to_their_articles(web, source, now):
    web.put("/demo/umpan.xml", f"<sitemapindex><sitemap><loc>{web.origin}/demo/s.xml</loc></sitemap></sitemapindex>")
    web.put(
        "/demo/s.xml",
        f"<urlset><url><loc>{web.origin}/demo/1</loc></url><url><loc>{web.origin}/demo/x</loc></url></urlset>",
    )
    web.put("/demo/1", page("Kabar 1"))

    outcome = articles.collect(source, now=now)

    assert outcome.new == 1
    assert "no page at this address" in outcome.left_out[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {}, b""), "no page at this address"),
        ((500, {}, b""), "overloaded or broken"),
        ((200, {}, b"<html>halo</html>"), "This is no feed"),
        ((200, {}, b"<rss><channel>"), "damaged"),
        ((302, {"Location": "http://127.0.0.1/"}, b""), "private network"),
    ],
)
def test_a_broken_source_says_what_is_wrong_and_keeps_its_articles(web, source, now, answer, words):
    web.put("/demo/umpan.xml", feed_of(item(1)))
    articles.collect(source, now=now)
    web.answers["/demo/umpan.xml"] = answer

    outcome = articles.collect(source, now=now)

    assert words in outcome.error
    assert Source.objects.get().error == outcome.error
    assert Article.objects.count() == 1


def test_only_sources_whose_time_has_come_are_read(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1)))
    resting = Source.objects.create(newsletter=source.newsletter, url=web.origin + "/demo/b.xml", is_active=False)

    assert articles.collect_due(now=now) == 1
    assert articles.collect_due(now=now + timedelta(minutes=14)) == 0
    web.put("/demo/umpan.xml", feed_of(item(1), item(2)))
    assert articles.collect_due(now=now + timedelta(minutes=15)) == 1
    resting.refresh_from_db()
    assert resting.fetched_at is None


def test_an_article_is_added_by_its_address_once(web, now):
    newsletter = make_newsletter()
    url = web.put("/demo/1", page("Kabar 1").replace(' lang="id"', ""))

    first = articles.add_by_url(url, newsletter=newsletter, now=now)
    second = articles.add_by_url(f"  {url}?fbclid=x#bawah ", newsletter=newsletter, now=now)

    assert first == second
    assert (first.title, first.language, first.source) == ("Kabar 1", "id", None)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/demo/umpan.xml", "feed rather than an article"),
        ("/demo/berkas.pdf", "a file rather than a page"),
        ("/demo/aplikasi", "only by script"),
        ("/demo/tidak-ada", "no page at this address"),
    ],
)
def test_what_cannot_be_added_is_told_in_words(web, now, path, words):
    web.put("/demo/umpan.xml", feed_of(item(1)), kind="application/rss+xml")
    web.put("/demo/berkas.pdf", b"%PDF-1.7", kind="application/pdf")
    web.put("/demo/aplikasi", "<title>App</title><div id=root></div><script src=/a.js></script>")

    with pytest.raises(articles.NotAnArticle, match=words):
        articles.add_by_url(web.origin + path, newsletter=make_newsletter(), now=now)

    assert not Article.objects.exists()


@pytest.mark.parametrize(
    "typed", ["", "   ", "javascript:alert(1)", "file:///etc/passwd", "127.0.0.1/x", "bukan alamat"]
)
def test_what_is_no_address_is_told_in_words(typed, now):
    with pytest.raises(articles.NotAnArticle):
        articles.add_by_url(typed, newsletter=make_newsletter(), now=now)


@pytest.mark.parametrize(
    "body", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"bukan gambar", picture(size=(20, 20))]
)
def test_an_article_with_a_picture_we_cannot_use_comes_without(web, now, body):
    web.put("/demo/g.png", body, kind="image/png")
    url = web.put("/demo/1", page("Kabar", head='<meta property="og:image" content="/demo/g.png">'))

    article = articles.add_by_url(url, newsletter=make_newsletter(), now=now)

    assert article.image is None
    assert article.image_url == web.origin + "/demo/g.png"


def test_a_picture_is_fetched_once(web, now):
    web.put("/demo/g.png", picture(), kind="image/png")
    url = web.put("/demo/1", page("Kabar", head='<meta property="og:image" content="/demo/g.png">'))
    newsletter = make_newsletter()

    articles.add_by_url(url, newsletter=newsletter, now=now)
    articles.add_by_url(url, newsletter=newsletter, now=now)

    assert [path for path, _ in web.asked].count("/demo/g.png") == 1
    assert MediaFile.objects.count() == 1


def test_an_article_whose_page_is_gone_is_marked_and_comes_back(web, now):
    url = web.put("/demo/1", page("Kabar"))
    article = articles.add_by_url(url, newsletter=make_newsletter(), now=now)
    kept = web.answers.pop("/demo/1")

    assert articles.refresh(article, now=now).state == ArticleState.GONE
    web.answers["/demo/1"] = kept
    assert articles.refresh(article, now=now).state == ArticleState.LIVE


def test_refreshing_takes_the_new_words_of_the_page(web, now):
    url = web.put("/demo/1", page("Kabar lama"))
    article = articles.add_by_url(url, newsletter=make_newsletter(), now=now)
    web.put("/demo/1", page("Kabar baru"))

    assert articles.refresh(article, now=now).title == "Kabar baru"


def test_what_a_later_reading_does_not_say_is_kept(now):
    full = ArticleData("https://kabar.example/a", title="A", author="Dewi", summary="Ringkas", language="id")
    articles.upsert(full, source=None, now=now)

    article, what = articles.upsert(ArticleData("https://kabar.example/a", title="A"), source=None, now=now)

    assert what == "same"
    assert (article.author, article.summary) == ("Dewi", "Ringkas")


def test_a_site_is_connected_by_its_front_page(web):
    web.put("/demo/", '<title>K</title><link rel="alternate" type="application/rss+xml" href="/demo/umpan.xml">')
    web.put("/demo/umpan.xml", feed_of(item(1)), kind="application/rss+xml")
    newsletter = make_newsletter()

    source = articles.connect_source(web.origin + "/demo/", newsletter=newsletter)

    assert (source.url, source.kind) == (web.origin + "/demo/umpan.xml", "feed")
    assert articles.connect_source(web.origin + "/demo/umpan.xml", newsletter=newsletter) == source
    with pytest.raises(articles.NotAnArticle, match="no feed"):
        articles.connect_source(web.put("/demo/kosong", page("Kosong")), newsletter=newsletter)


def test_search_finds_all_words_newest_first(now):
    newsletter, other = make_newsletter(), make_newsletter()
    own = Source.objects.create(newsletter=newsletter, url="https://kabar.example/feed")
    foreign = Source.objects.create(newsletter=other, url="https://lain.example/feed")
    for number, (title, source) in enumerate(
        [("Paspor anak", own), ("Paspor elektronik", None), ("Visa", own), ("Paspor lain", foreign)]
    ):
        published = datetime(2026, 11, 1 + number, tzinfo=UTC)
        data = ArticleData(
            f"https://kabar.example/{number}", title=title, summary="Syarat baru", published_at=published
        )
        articles.upsert(data, source=source, now=now)

    assert [a.title for a in articles.search("paspor baru", newsletter=newsletter)] == [
        "Paspor elektronik",
        "Paspor anak",
    ]
    assert articles.search("%").count() == 0
    assert articles.search().count() == 4


def test_an_article_says_which_issues_used_it(now):
    issue = make_issue(stories=1)
    article, _ = articles.upsert(ArticleData("https://kabar.example/a", title="A"), source=None, now=now)

    issues.add_article(issue, article, editor=None, now=now)

    assert list(articles.issues_using(article)) == [issue]


def test_the_picture_of_a_story_lies_where_mails_look_for_it(web, now, client):
    web.put("/demo/g.png", picture(), kind="image/png")
    head = '<meta property="og:image" content="/demo/g.png">'
    article = articles.add_by_url(web.put("/demo/1", page("Kabar", head=head)), newsletter=make_newsletter(), now=now)

    answer = client.get(f"/media/{article.image.file.name}")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path", ["../secret_key", "..%2fsecret_key", "a.png", "images/", "%00.png", "x/../../a.png", "kunci.txt"]
)
def test_nothing_but_pictures_below_the_media_folder_is_served(client, settings, path):
    (settings.MEDIA_ROOT / "kunci.txt").write_text("rahasia")
    (settings.MEDIA_ROOT.parent / "a.png").write_bytes(picture())

    assert client.get(f"/media/{path}").status_code == 404


def test_a_link_out_of_the_media_folder_is_not_followed(client, settings):
    (settings.MEDIA_ROOT.parent / "luar.png").write_bytes(picture())
    (settings.MEDIA_ROOT / "dalam.png").symlink_to(settings.MEDIA_ROOT.parent / "luar.png")

    assert client.get("/media/dalam.png").status_code == 404


def test_html_entities_and_json_in_a_page_make_no_difference_between_feed_and_page(web, source, now):
    web.put("/demo/umpan.xml", feed_of(item(1, title="Visa &amp; paspor")))
    head = f'<script type="application/ld+json">{json.dumps({"@type": "NewsArticle", "headline": "Visa & paspor"})}</script>'
    web.put("/demo/1", page("Visa &amp; paspor", head=head))

    articles.collect(source, now=now)

    assert Article.objects.get().title == "Visa & paspor"
    assert threading.active_count() < 50
