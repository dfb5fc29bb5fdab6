"""Sent issues can be read by everybody, and nobody is counted."""

from __future__ import annotations

import datetime

import pytest
from django.urls import reverse
from lxml import etree, html

from newsletter import content, editions
from newsletter.models import AuditEntry, Issue, IssueStatus, Link
from tests.makers import NOW, make_document, make_issue, make_newsletter, story_words
from tests.newsletter import gallery

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _secure_site(settings):
    settings.SITE_URL = "https://surat.example"


def make_sent(newsletter=None, *, days: int = 0, **fields) -> Issue:
    issue = make_issue(newsletter, **fields)
    moment = NOW + datetime.timedelta(days=days)
    Issue.objects.filter(pk=issue.pk).update(
        status=IssueStatus.SENT, scheduled_at=moment, started_at=moment, sent_at=moment
    )
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def page(client, issue: Issue, **query):
    return client.get(reverse("archive-issue", kwargs={"year": 2026, "slug": issue.slug}), query)


def tree(response):
    return html.document_fromstring(response.content.decode())


def test_an_issue_is_a_page_with_headings_links_and_facts(client):
    issue = make_sent(document=gallery.document(picture=gallery.make_picture()))

    response = page(client, issue, lang="en")

    found = tree(response)
    assert response.status_code == 200
    assert [heading.text_content().strip() for heading in found.iter("h1")] == [
        "New autogates, online permits, and Saturday service"
    ]
    assert found.get("lang") == "en"
    assert "Issue 1 · Tuesday, 24 November 2026" in found.text_content()
    assert "Denpasar office serves 220 applicants each Saturday" in found.text_content()
    assert "https://kabarlintas.example/en/autogate" in found.xpath("//article//a/@href")
    assert found.xpath("//figure/img/@alt")[0] == "People walk through autogates in the arrivals hall"
    assert (found.xpath("//figure/img/@width")[0], found.xpath("//figure/img/@height")[0]) == ("1072", "536")
    assert not found.xpath("//table | //script | //*[@style]")


def test_nothing_of_a_reader_and_no_tracking_is_on_the_page(client, now):
    issue = make_sent()
    editions.freeze(issue, now=now)

    text = page(client, issue).content.decode()

    assert not any(trace in text for trace in ("/l/", "/t/", "/u/", "/p/", "⟦"))
    assert "Set-Cookie" not in page(client, issue).headers


def test_languages_point_to_each_other_and_to_one_canonical_address(client):
    issue = make_sent()
    address = f"https://surat.example/archive/2026/{issue.slug}/"

    found = tree(page(client, issue, lang="en"))

    assert found.xpath("//link[@rel='canonical']/@href") == [f"{address}?lang=en"]
    assert found.xpath("//link[@hreflang]/@href") == [f"{address}?lang=id", f"{address}?lang=en"]
    assert found.xpath("//nav//a[@hreflang='id']/@href") == [f"{address}?lang=id"]
    assert found.xpath("//meta[@property='og:title']/@content") == ["New autogates, online permits"]


def test_a_language_the_newsletter_lacks_becomes_its_first(client):
    issue = make_sent(make_newsletter(languages=["id"]))

    assert tree(page(client, issue, lang="en")).get("lang") == "id"


def test_a_text_in_another_language_is_marked(client):
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2)}

    found = tree(page(client, make_sent(document=document), lang="en"))

    assert found.xpath("//h2[@lang='id']//text()") == ["Imigrasi buka jalur autogate ke-2"]
    assert "This article is in Indonesian." in found.text_content()


def test_neighbours_lead_on(client):
    newsletter = make_newsletter()
    first, second, third = (make_sent(newsletter, days=day) for day in range(3))

    found = tree(page(client, second))

    assert found.xpath("//a[@rel='prev']/@href") == [f"/archive/2026/{first.slug}/?lang=id"]
    assert found.xpath("//a[@rel='next']/@href") == [f"/archive/2026/{third.slug}/?lang=id"]


def test_a_mended_link_leads_to_its_new_target_and_the_page_says_so(client, now):
    issue = make_sent()
    editions.freeze(issue, now=now)
    Link.objects.filter(issue=issue, language="id", number=1).update(amended_url="https://kabarlintas.example/benar")
    AuditEntry.objects.create(action="link-amended", subject=f"issue {issue.pk}", occurred_at=now)

    found = tree(page(client, issue, lang="en")), tree(page(client, issue, lang="id"))

    assert "https://kabarlintas.example/benar" in found[1].xpath("//article//a/@href")
    assert "https://kabarlintas.example/id/autogate-1" not in found[1].xpath("//article//a/@href")
    assert len(found[1].find_class("erratum")) == 1
    assert found[0].find_class("erratum") == []


@pytest.mark.parametrize(
    "status", [IssueStatus.DRAFT, IssueStatus.APPROVED, IssueStatus.SCHEDULED, IssueStatus.CANCELLED]
)
def test_what_was_not_sent_is_not_there(client, status):
    issue = make_sent()
    Issue.objects.filter(pk=issue.pk).update(status=status)

    assert page(client, issue).status_code == 404
    assert issue.slug not in client.get("/archive/").content.decode()
    assert issue.slug not in client.get("/archive/feed.xml").content.decode()


def test_a_newsletter_that_keeps_no_archive_shows_nothing(client):
    issue = make_sent(make_newsletter(archive_is_public=False))

    assert page(client, issue).status_code == 404
    assert issue.slug not in client.get("/archive/").content.decode()
    assert issue.slug not in client.get("/archive/feed.xml").content.decode()
    assert "/archive/" not in editions.render(issue, "id").html


def test_an_issue_on_its_way_can_be_read_because_its_mails_link_to_it(client, now):
    issue = make_sent()
    editions.freeze(issue, now=now)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENDING, sent_at=None)

    assert page(client, issue).status_code == 200
    assert issue.slug not in client.get("/archive/").content.decode()


def test_the_link_in_the_mail_leads_to_the_page(client):
    issue = make_sent()

    path = editions.web_url(issue).removeprefix("https://surat.example")

    assert client.get(path).status_code == 200


def test_another_year_leads_to_the_right_one(client):
    issue = make_sent()

    response = client.get(f"/archive/1999/{issue.slug}/")

    assert (response.status_code, response.headers["Location"]) == (301, f"/archive/2026/{issue.slug}/")


def test_the_list_has_the_newest_first_and_can_show_one_newsletter(client):
    one, other = make_newsletter(), make_newsletter()
    old, new = make_sent(one), make_sent(one, days=1)
    elsewhere = make_sent(other, days=2)

    everything = tree(client.get("/archive/", {"lang": "en"})).xpath("//ol//a/@href")
    only_one = tree(client.get("/archive/", {"lang": "en", "newsletter": one.slug})).xpath("//ol//a/@href")

    assert [address.split("/")[3] for address in everything] == [elsewhere.slug, new.slug, old.slug]
    assert [address.split("/")[3] for address in only_one] == [new.slug, old.slug]


def test_an_empty_archive_says_what_to_do(client):
    assert "No issue was sent yet." in client.get("/archive/", {"lang": "en"}).content.decode()


def test_the_feed_is_atom_with_whole_addresses(client):
    issue = make_sent()

    response = client.get("/archive/feed.xml", {"lang": "en"})

    feed = etree.fromstring(response.content)
    atom = {"a": "http://www.w3.org/2005/Atom"}
    assert response.headers["Content-Type"].startswith("application/atom+xml")
    assert feed.xpath("//a:entry/a:title/text()", namespaces=atom) == ["New autogates, online permits"]
    assert feed.xpath("//a:entry/a:link/@href", namespaces=atom) == [
        f"https://surat.example/archive/2026/{issue.slug}/?lang=en"
    ]
    assert feed.xpath("//a:entry/a:published/text()", namespaces=atom) == ["2026-11-24T00:00:00+00:00"]


def test_pages_of_the_archive_only_read(client):
    issue = make_sent()

    assert client.post("/archive/").status_code == 405
    assert client.post(f"/archive/2026/{issue.slug}/").status_code == 405


@pytest.mark.parametrize("attack", ['"><script>alert(1)</script>', "<svg onload=alert(1)>", "javascript:alert(1)"])
def test_t23_attacks_stay_words_on_the_page(client, attack):
    words = content.StoryWords(
        headline=attack, summary=attack, url="https://kabarlintas.example/" + attack, link_text=attack, update=attack
    )
    document = content.Document(
        envelopes={"id": content.Envelope(subject=attack, preheader=attack)},
        blocks=[
            content.Lead(words={"id": words}),
            content.Brief(words={"id": words}),
            content.Notice(words={"id": content.TextWords(heading=attack, body=attack)}),
            content.Button(words={"id": content.ButtonWords(label=attack, url=attack)}),
        ],
    )

    found = tree(page(client, make_sent(document=document)))

    assert not found.xpath("//script | //*[@onload or @onerror] | //a[starts-with(@href, 'javascript')]")
    assert found.xpath("//h1")[0].text_content() == attack


def test_the_list_asks_the_database_a_fixed_number_of_times(client, django_assert_max_num_queries):
    newsletter = make_newsletter()
    for day in range(5):
        make_sent(newsletter, days=day)

    with django_assert_max_num_queries(4):
        client.get("/archive/")
