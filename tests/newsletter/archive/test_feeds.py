"""Feeds of sent issues: the rules of each format, the same content in all of them, and no data of a reader."""

from __future__ import annotations

import datetime
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree, html

from newsletter import content, editions
from newsletter.archive import feeds
from newsletter.models import AuditEntry, Issue, IssueStatus, Link
from tests.examples import examples
from tests.factories import NOW, make_document, make_newsletter, make_reader, make_sent, story_words
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]

ATOM = {"a": "http://www.w3.org/2005/Atom", "xml": "http://www.w3.org/XML/1998/namespace"}
RSS = {"content": "http://purl.org/rss/1.0/modules/content/", "atom": ATOM["a"]}
ADDRESSES = ["/archive/feed.xml", "/archive/rss.xml", "/archive/feed.json"]


def atom(client, **query):
    return etree.fromstring(client.get("/archive/feed.xml", query).content)


def rss(client, **query):
    return etree.fromstring(client.get("/archive/rss.xml", query).content)


def json_feed(client, **query):
    return json.loads(client.get("/archive/feed.json", query).content)


# --- rules of each format --------------------------------------------------------------------------------------------


def test_atom_has_what_rfc_4287_requires_of_a_feed_and_its_entries(client):
    issue = make_sent()
    address = f"https://surat.example/archive/2026/{issue.slug}/"

    response, feed = client.get("/archive/feed.xml", {"lang": "en"}), atom(client, lang="en")

    def found(path):
        return feed.xpath(path, namespaces=ATOM)

    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert (len(found("a:id")), len(found("a:title")), len(found("a:updated"))) == (1, 1, 1)
    assert found("a:author/a:name/text()") == ["Kabar Lintas"]
    assert found("a:link[@rel='self']/@href") == ["https://surat.example/archive/feed.xml?lang=en"]
    assert found("a:link[@rel='alternate']/@href") == ["https://surat.example/archive/?lang=en"]
    assert found("a:entry/a:title/text()") == ["New autogates, online permits"]
    assert found("a:entry/a:id/text()") == [f"{address}?lang=en"]
    assert found("a:entry/a:link/@href") == [f"{address}?lang=en"]
    assert found("a:entry/a:published/text()") == ["2026-11-24T00:00:00+00:00"]
    assert found("a:entry/a:updated/text()") == ["2026-11-24T00:00:00+00:00"]
    assert found("a:entry/a:content/@type") == ["html"]
    assert found("a:entry/@xml:lang") == ["en"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_with_control_characters_breaks_no_feed(client, address):
    newsletter = make_newsletter(brand="Kabar\x0b Lintas", title="Ring\x01kasan", description="Tiap\x0c Selasa")
    make_sent(newsletter)

    for query in ({}, {"newsletter": newsletter.slug}):
        response = client.get(address, query)

        assert response.status_code == 200
        assert "Kabar Lintas" in response.content.decode()


def test_rss_has_what_version_2_0_requires_and_the_whole_story(client):
    issue = make_sent()
    address = f"https://surat.example/archive/2026/{issue.slug}/"

    response, feed = client.get("/archive/rss.xml", {"lang": "id"}), rss(client, lang="id")

    channel = feed.find("channel")
    assert response.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    assert feed.get("version") == "2.0"
    assert [channel.findtext(name) for name in ("title", "link", "language")] == [
        "Kabar Lintas",
        "https://surat.example/archive/?lang=id",
        "id",
    ]
    assert channel.findtext("description")
    assert channel.findtext("lastBuildDate") == "Tue, 24 Nov 2026 00:00:00 +0000"
    assert channel.xpath("atom:link[@rel='self']/@href", namespaces=RSS) == [
        "https://surat.example/archive/rss.xml?lang=id"
    ]
    item = channel.find("item")
    assert (item.findtext("guid"), item.find("guid").get("isPermaLink")) == (address, "false")
    assert item.findtext("link") == f"{address}?lang=id"
    assert item.findtext("pubDate") == "Tue, 24 Nov 2026 00:00:00 +0000"
    assert "Imigrasi buka jalur autogate ke-1" in item.findtext("content:encoded", namespaces=RSS)


ITEM = {"id", "url", "title", "summary", "content_html", "image", "language", "authors", "date_published"} | {
    "date_modified"
}


def test_the_json_feed_keeps_to_version_1_1(client):
    make_sent(document=gallery.document(picture=gallery.make_picture()))

    response, feed = client.get("/archive/feed.json", {"lang": "en"}), json_feed(client, lang="en")

    assert response.headers["Content-Type"] == "application/feed+json; charset=utf-8"
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == "https://surat.example/archive/feed.json?lang=en"
    assert feed["home_page_url"] == "https://surat.example/archive/?lang=en"
    assert feed["authors"] == [{"name": "Kabar Lintas", "url": "https://kabarlintas.example"}]
    [item] = feed["items"]
    assert set(item) <= ITEM
    assert isinstance(item["id"], str)
    assert item["content_html"]
    assert item["image"].startswith("https://surat.example/media/")
    assert datetime.datetime.fromisoformat(item["date_published"]) == NOW


def test_all_three_tell_the_same(client):
    newsletter, picture = make_newsletter(), gallery.make_picture()
    for day in range(3):
        make_sent(newsletter, days=day, document=gallery.document(picture=picture))

    items = json_feed(client, lang="en")["items"]

    entries = atom(client, lang="en").findall("a:entry", ATOM)
    stories = rss(client, lang="en").findall("channel/item")
    assert [one["id"] for one in items] == [one.findtext("a:id", namespaces=ATOM) for one in entries]
    assert [one["id"] for one in items] == [one.findtext("guid") for one in stories]
    assert [one["content_html"] for one in items] == [one.findtext("a:content", namespaces=ATOM) for one in entries]
    assert [one["content_html"] for one in items] == [
        one.findtext("content:encoded", namespaces=RSS) for one in stories
    ]


# --- addresses, ids, languages ---------------------------------------------------------------------------------------


def test_every_address_in_a_feed_is_whole_and_direct(client, now):
    issue = make_sent(document=gallery.document(picture=gallery.make_picture()))
    editions.freeze(issue, now=now)

    [item] = json_feed(client, lang="en")["items"]

    story = html.fragment_fromstring(item["content_html"], create_parent=True)
    addresses = story.xpath("//@href | //@src")
    assert len(addresses) > 10
    assert all(re.match(r"https://(surat|kabarlintas|imigrasi)\.example/|https://[a-z.]+/", one) for one in addresses)
    assert "https://kabarlintas.example/en/autogate" in addresses


def test_the_same_issue_in_two_languages_has_two_ids_and_each_stays(client):
    issue = make_sent()
    first = {code: json_feed(client, lang=code)["items"][0]["id"] for code in ("id", "en")}

    make_sent(issue.newsletter, days=3)

    assert first["id"] != first["en"]
    assert {code: json_feed(client, lang=code)["items"][1]["id"] for code in ("id", "en")} == first


def test_a_newsletters_feed_speaks_its_first_language_unless_asked(client):
    make_sent(make_newsletter(slug="ringkasan", languages=["en", "id"]))

    assert json_feed(client, newsletter="ringkasan")["items"][0]["language"] == "en"
    assert json_feed(client, newsletter="ringkasan", lang="id")["items"][0]["language"] == "id"
    assert json_feed(client, newsletter="ringkasan", lang="id")["title"] == "Kabar Lintas: Ringkasan mingguan"


def test_a_language_of_a_newsletter_that_the_studio_does_not_speak(client):
    document = make_document(stories=1, languages=("id",))
    document.blocks[0].words["ar"] = story_words(1).model_copy(update={"headline": "بوابات آلية جديدة"})
    make_sent(make_newsletter(slug="ar", languages=["id", "ar"]), document=document)

    feed = json_feed(client, newsletter="ar", lang="ar")

    assert feed["items"][0]["language"] == "ar"
    assert "بوابات آلية جديدة" in feed["items"][0]["content_html"]


def test_a_text_in_another_language_is_marked(client):
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2)}
    make_sent(document=document)

    story = json_feed(client, lang="en")["items"][0]["content_html"]

    assert re.search(r'<h2 lang="id"[^>]*><a href="https://kabarlintas.example/id/autogate-2">', story)
    assert "This article is in Indonesian." in story


# --- access ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("status", [status for status in IssueStatus if status != IssueStatus.SENT])
def test_what_was_not_sent_is_in_no_feed(client, address, status):
    issue = make_sent()
    Issue.objects.filter(pk=issue.pk).update(status=status, sent_at=None)

    assert issue.slug not in client.get(address).content.decode()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_newsletter_that_keeps_no_archive_has_no_feed(client, address):
    make_sent(make_newsletter(slug="tertutup", archive_is_public=False))

    assert "tertutup" not in client.get(address).content.decode()
    assert client.get(address, {"newsletter": "tertutup"}).status_code == 404
    assert client.get(address, {"newsletter": "nobody"}).status_code == 404


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_of_a_reader_and_no_tracking_is_in_a_feed(client, now, address):
    issue = make_sent(make_newsletter(tracking="individual"))
    make_reader(issue.newsletter, email="siti@pembaca.example", name="Siti Rahma")
    editions.freeze(issue, now=now)

    response = client.get(address)

    text = response.content.decode()
    assert not any(trace in text for trace in ("/l/", "/t/", "/u/", "/p/", "⟦", "pembaca", "Siti", "@"))
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("address", ADDRESSES)
def test_feeds_only_read(client, address):
    assert client.post(address).status_code == 405


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_empty_feed_is_a_feed_and_never_changes_by_itself(client, address):
    make_newsletter(slug="baru")

    first, second = (client.get(address, {"newsletter": "baru"}) for _ in range(2))

    assert first.status_code == 200
    assert first.content == second.content


# --- conditional requests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
def test_whoever_has_it_already_gets_304(client, address):
    issue = make_sent()
    first = client.get(address)

    by_etag = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    by_time = client.get(address, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    Issue.objects.filter(pk=issue.pk).update(sent_at=NOW + datetime.timedelta(hours=1))
    changed = client.get(address, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Last-Modified"] == "Tue, 24 Nov 2026 00:00:00 GMT"
    assert (by_etag.status_code, by_etag.content, by_etag.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert by_time.status_code == 304
    assert changed.status_code == 200


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_answer_of_304_renders_nothing(client, monkeypatch, address):
    make_sent()
    etag = client.get(address).headers["ETag"]
    monkeypatch.setattr(feeds, "render_story", lambda *args: pytest.fail("rendered"))

    again = client.get(address, headers={"If-None-Match": etag})

    assert again.status_code == 304
    assert again.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("change", ["content", "brand", "translations", "site_url"])
def test_whatever_a_feed_shows_changes_its_etag(client, change):
    issue = make_sent()
    before = client.get("/archive/feed.json").headers["ETag"]
    if change == "content":
        Issue.objects.filter(pk=issue.pk).update(content=content.dump(make_document(stories=1)))
    else:
        values = {"brand": "Kabar Baru", "translations": {}, "site_url": "https://baru.example"}
        setattr(issue.newsletter, change, values[change])
        issue.newsletter.save()

    assert client.get("/archive/feed.json").headers["ETag"] != before


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_mended_link_is_news(client, now, address):
    issue = make_sent()
    editions.freeze(issue, now=now)
    before = client.get(address, {"lang": "id"})
    later = NOW + datetime.timedelta(days=2)
    Link.objects.filter(issue=issue, language="id", number=1).update(amended_url="https://kabarlintas.example/benar")
    AuditEntry.objects.create(action="link-amended", subject=f"issue {issue.pk}", occurred_at=later)

    after = client.get(
        address,
        {"lang": "id"},
        headers={"If-None-Match": before.headers["ETag"], "If-Modified-Since": before.headers["Last-Modified"]},
    )

    assert after.status_code == 200
    assert "https://kabarlintas.example/benar" in after.content.decode()
    assert after.headers["Last-Modified"] == "Thu, 26 Nov 2026 00:00:00 GMT"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_feed_asks_the_database_a_fixed_number_of_times(client, django_assert_max_num_queries, address):
    newsletter = make_newsletter()
    for day in range(6):
        make_sent(newsletter, days=day)

    with django_assert_max_num_queries(5):
        client.get(address)


# --- hostile texts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attack",
    [
        '"><script>alert(1)</script>',
        "<svg onload=alert(1)>",
        "<p><a href='javascript:alert(1)'>klik</a><img src=x onerror=alert(1)></p>",
        "]]><script>alert(1)</script>",
        '<p title="</content></entry></feed>">x</p>',
    ],
)
def test_t23_attacks_stay_words_in_a_feed(client, attack):
    words = content.StoryWords(headline=attack, summary=attack, url="https://kabarlintas.example/" + attack)
    document = content.Document(
        envelopes={"id": content.Envelope(subject=attack, preheader=attack)}, blocks=[content.Lead(words={"id": words})]
    )
    make_sent(document=document)

    [item] = json_feed(client)["items"]

    story = html.fragment_fromstring(item["content_html"], create_parent=True)
    assert not story.xpath("//script | //svg | //*[@onload or @onerror] | //a[starts-with(@href, 'javascript')]")
    assert len(atom(client).findall("a:entry", ATOM)) == 1
    assert len(rss(client).findall("channel/item")) == 1


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=60))
def test_whatever_is_typed_the_feeds_stay_well_formed(client, words):
    issue = Issue.objects.first() or make_sent(document=make_document(stories=1))
    document = content.parse(issue.content)
    document.blocks[0].words["id"].headline = words
    document.envelopes["id"].subject = words
    issue.content = content.dump(document)

    entry = feeds._entry(issue, "id", {})
    channel = feeds.Channel("t", "d", "https://a/", "https://a/f", "id", "b", "", NOW, (entry,))

    assert etree.fromstring(feeds.render_atom(channel).encode()) is not None
    assert etree.fromstring(feeds.render_rss(channel).encode()) is not None
    assert json.loads(feeds.render_json_feed(channel))
