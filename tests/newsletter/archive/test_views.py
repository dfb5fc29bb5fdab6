"""Sent issues are public, and no request is counted."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse
from lxml import html

from newsletter import content, editions
from newsletter.models import AuditEntry, Issue, IssueStatus, Link
from subscribers.models import SignupForm
from tests.factories import make_document, make_issue, make_newsletter, make_sent, story_words
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


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
    assert not found.xpath("//table | //script[not(@type='application/ld+json')] | //*[@style]")


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
    assert found.xpath("//link[@hreflang]/@href") == [f"{address}?lang=id", f"{address}?lang=en", address]
    assert found.xpath("//link[@hreflang]/@hreflang") == ["id", "en", "x-default"]
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


def test_an_issue_is_an_article_with_header_and_sections(client):
    issue = make_sent(document=gallery.document(picture=gallery.make_picture()))

    [article] = tree(page(client, issue, lang="en")).iter("article")

    assert [child.tag for child in article.find("header")] == ["p", "h1"]
    assert article.xpath("header//time/@datetime") == ["2026-11-24T07:00:00+07:00"]
    assert len(article.findall("section")) >= 5
    assert all(section.xpath(".//h2") for section in article.findall("section"))
    levels = [int(one.tag[1]) for one in article.iter("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_pictures_have_their_size_and_all_but_the_first_wait_until_seen(client):
    issue = make_sent(document=gallery.document(picture=gallery.make_picture()))

    pictures = tree(page(client, issue, lang="en")).xpath("//article//img")

    assert len(pictures) > 1
    assert all(one.get("width") and one.get("height") and one.get("alt") is not None for one in pictures)
    assert [one.get("loading") for one in pictures] == [None] + ["lazy"] * (len(pictures) - 1)


def test_a_right_to_left_language_runs_right_to_left(client):
    document = make_document(stories=1, languages=("id",))
    document.blocks[0].words["ar"] = story_words(1).model_copy(update={"headline": "بوابات آلية جديدة"})
    issue = make_sent(make_newsletter(languages=["id", "ar"]), document=document)

    found = tree(page(client, issue, lang="ar"))

    assert (found.xpath("//article/@lang"), found.xpath("//article/@dir")) == (["ar"], ["rtl"])
    assert found.xpath("//nav//a[@hreflang='id']/text()") == ["Bahasa Indonesia"]


def test_a_preview_of_the_page_has_words_and_a_picture(client):
    issue = make_sent(document=gallery.document(picture=gallery.make_picture()))

    found = tree(page(client, issue, lang="en"))

    told = {meta.get("property") or meta.get("name"): meta.get("content") for meta in found.iter("meta")}
    assert told["og:title"] == "New autogates, online permits, and Saturday service"
    assert (told["og:locale"], told["og:locale:alternate"]) == ("en_US", "id_ID")
    assert told["og:image"].startswith("https://surat.example/media/")
    assert (told["og:image:width"], told["og:image:height"]) == ("1072", "536")
    assert told["og:image:alt"] == told["twitter:image:alt"] == "People walk through autogates in the arrivals hall"
    assert told["twitter:card"] == "summary_large_image"
    assert told["article:published_time"] == "2026-11-24T07:00:00+07:00"


def test_search_engines_are_told_public_facts_only(client):
    issue = make_sent(make_newsletter(slug="ringkasan"))
    address = f"https://surat.example/archive/2026/{issue.slug}/"

    facts = json.loads(tree(page(client, issue, lang="en")).xpath("//script")[0].text)

    publisher = {"@type": "Organization", "name": "Kabar Lintas", "url": "https://kabarlintas.example"}
    assert facts == {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": "New autogates, online permits",
        "description": "This week's immigration news in five minutes, straight from the newsroom",
        "inLanguage": "en",
        "datePublished": "2026-11-24T07:00:00+07:00",
        "dateModified": "2026-11-24T07:00:00+07:00",
        "url": f"{address}?lang=en",
        "mainEntityOfPage": f"{address}?lang=en",
        "isAccessibleForFree": True,
        "author": publisher,
        "publisher": publisher,
        "isPartOf": {
            "@type": "PublicationIssue",
            "issueNumber": 1,
            "datePublished": "2026-11-24T07:00:00+07:00",
            "isPartOf": {
                "@type": "Periodical",
                "name": "Weekly summary",
                "url": "https://surat.example/archive/?newsletter=ringkasan",
            },
        },
        "workTranslation": [{"@type": "NewsArticle", "inLanguage": "id", "url": f"{address}?lang=id"}],
    }


@pytest.mark.parametrize("path", ["/archive/", "/archive/feed.xml", "/archive/rss.xml", "/archive/feed.json", ""])
def test_t23_nothing_runs_in_the_archive(client, path):
    issue = make_sent()

    policy = client.get(path or f"/archive/2026/{issue.slug}/").headers["Content-Security-Policy"]

    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives == {
        "default-src": "'none'",
        "img-src": "'self'",
        "style-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("path", ["/archive/", "/subscribe/", "/privacy/", ""])
def test_public_pages_name_the_feeds(client, path):
    issue = make_sent(make_newsletter(slug="ringkasan", is_public=False))

    found = tree(client.get(path or f"/archive/2026/{issue.slug}/", {"lang": "en"}))

    feeds = found.xpath("//link[@rel='alternate'][@type]")
    assert [one.get("type") for one in feeds] == [
        "application/atom+xml",
        "application/rss+xml",
        "application/feed+json",
    ]
    assert all(client.get(one.get("href").removeprefix("https://surat.example")).status_code == 200 for one in feeds)
    assert all(one.get("href").startswith("https://surat.example/archive/") for one in feeds)


def test_a_newsletter_without_archive_names_no_feed_of_its_own(client):
    newsletter = make_newsletter(slug="tertutup", archive_is_public=False)

    assert "newsletter=tertutup" not in client.get("/privacy/").content.decode()
    assert newsletter.slug not in client.get("/archive/", {"newsletter": "tertutup"}).content.decode()


def test_the_page_of_an_issue_asks_to_subscribe(client):
    newsletter = make_newsletter()
    SignupForm.objects.create(slug="kotak").newsletters.add(newsletter)

    found = tree(page(client, make_sent(newsletter), lang="en"))

    assert found.xpath("//form/@action") == ["https://surat.example/s/kotak/"] or found.xpath("//form/@action") == [
        "/s/kotak/"
    ]
    assert found.xpath("//input[@name='email']")


def test_the_link_to_the_web_in_a_test_mail_says_that_it_is_too_early(client):
    issue = make_issue()
    path = f"/archive/2026/{issue.slug}/"

    answer = client.get(path, {"warta": "test", "lang": "en"})

    assert answer.status_code == 200
    assert "This link is from a test mail" in answer.content.decode()
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert client.get(path).status_code == 404
    assert client.get("/archive/2026/made-up/", {"warta": "test", "lang": "en"}).content == answer.content


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
    Issue.objects.filter(pk=issue.pk).update(status=status, sent_at=None)

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


def test_the_list_is_by_year_and_shows_one_year_on_its_own(client):
    newsletter = make_newsletter()
    old, new = make_sent(newsletter, days=-400), make_sent(newsletter)

    whole = tree(client.get("/archive/", {"lang": "en"}))
    only_old = tree(client.get("/archive/", {"lang": "en", "year": "2025"}))

    assert [one.text for one in whole.xpath("//h2")] == ["2026", "2025"]
    assert whole.xpath("//nav[@aria-label='Years']/a/text()") == ["All", "2026", "2025"]
    assert only_old.xpath("//nav[@aria-label='Years']/a[@aria-current]/text()") == ["2025"]
    assert [address.split("/")[3] for address in only_old.xpath("//ol//a/@href")] == [old.slug]
    assert new.slug in client.get("/archive/", {"year": "nonsense"}).content.decode()


def test_many_issues_come_in_pages(client, monkeypatch):
    monkeypatch.setattr("newsletter.archive.views.ISSUES_PER_PAGE", 2)
    newsletter = make_newsletter(slug="ringkasan")
    sent = [make_sent(newsletter, days=day) for day in range(5)]
    query = {"lang": "en", "newsletter": "ringkasan", "year": "2026"}

    first = tree(client.get("/archive/", query))
    second = tree(client.get("/archive/" + first.xpath("//a[@rel='next']/@href")[0]))

    assert [address.split("/")[3] for address in first.xpath("//ol//a/@href")] == [sent[4].slug, sent[3].slug]
    assert [address.split("/")[3] for address in second.xpath("//ol//a/@href")] == [sent[2].slug, sent[1].slug]
    assert "newsletter=ringkasan&year=2026" in second.xpath("//a[@rel='next']/@href")[0]


def test_an_empty_archive_says_what_to_do(client):
    assert "No issue was sent yet." in client.get("/archive/", {"lang": "en"}).content.decode()


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
            content.Callout(words={"id": content.TextWords(heading=attack, body=attack)}),
            content.Button(words={"id": content.ButtonWords(label=attack, url=attack)}),
        ],
    )

    found = tree(page(client, make_sent(document=document)))

    assert not found.xpath("//script[not(@type='application/ld+json')] | //*[@onload or @onerror]")
    assert not found.xpath("//a[starts-with(@href, 'javascript')]")
    assert json.loads(found.xpath("//script")[0].text)["headline"] == attack
    assert found.xpath("//h1")[0].text_content() == attack


def test_the_list_asks_the_database_a_fixed_number_of_times(client, django_assert_max_num_queries):
    newsletter = make_newsletter()
    for day in range(5):
        make_sent(newsletter, days=day)

    with django_assert_max_num_queries(5):
        client.get("/archive/")
