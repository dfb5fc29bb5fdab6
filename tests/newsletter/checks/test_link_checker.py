"""The slow look: which links are tried and how, what is remembered, and when an issue may begin without it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter import content
from newsletter.articles import article_changes
from newsletter.checks import link_checker
from newsletter.fetching import http_client
from newsletter.models import Issue, IssueStatus, LinkLook
from tests.factories import NOW, make_document, make_issue, make_newsletter, story_words

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch):
    """No network: every link that would have been tried, and what it answers (fine, unless told otherwise)."""

    class Asked(list):
        answers: dict = {}

    tried = Asked()
    tried.answers = {}

    def try_link(url, **_):
        tried.append(url)
        answer = tried.answers.get(url, url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(http_client, "check_link", try_link)
    monkeypatch.setattr(link_checker, "PAUSE_S", 0)
    return tried


def linked(*urls: str, **fields) -> Issue:
    """An issue whose stories lead to these addresses."""
    document = make_document(stories=len(urls), languages=("id",))
    for block, url in zip(document.blocks, urls, strict=True):
        block.words["id"] = story_words(1).model_copy(update={"url": url})
    return make_issue(make_newsletter(languages=["id"], **fields), document=document)


def again(issue: Issue) -> Issue:
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


# --- one link --------------------------------------------------------------------------------------------------------


def test_a_link_is_asked_for_its_head_only(web):
    url = web.put("/demo/a", "<p>halo</p>")

    assert http_client.check_link(url) == url

    assert (web.headed, web.asked) == (["/demo/a"], [])


def test_a_site_that_knows_no_head_is_asked_once_more(web):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()

    web.answers["/demo/a"] = answer

    assert http_client.check_link(web.origin + "/demo/a") == web.origin + "/demo/a"

    assert [path for path, _headers in web.asked] == ["/demo/a"]


def test_redirects_are_followed_to_where_they_lead(web):
    web.answers["/demo/old"] = (301, {"Location": "/demo/new"}, b"")
    web.put("/demo/new", "<p>halo</p>")

    assert http_client.check_link(web.origin + "/demo/old") == web.origin + "/demo/new"


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (404, http_client.PageGone),
        (410, http_client.PageGone),
        (403, http_client.AccessDenied),
        (503, http_client.TemporaryFetchError),
        (400, http_client.PermanentFetchError),
    ],
)
def test_a_link_that_leads_nowhere_says_why(web, status, failure):
    web.answers["/demo/a"] = (status, {}, b"")

    with pytest.raises(failure):
        http_client.check_link(web.origin + "/demo/a")


def test_a_link_into_the_private_network_is_not_tried(web):
    with pytest.raises(http_client.PermanentFetchError, match="private network"):
        http_client.check_link("http://127.0.0.1/x")


# --- which links -----------------------------------------------------------------------------------------------------


def test_every_link_an_editor_can_set_is_found():
    document = content.Document(
        blocks=[
            content.Story(
                id="bstory",
                words={"id": content.StoryWords(headline="A", url="https://a.example/", summary="<p>B</p>")},
            ),
            content.Text(id="btext", words={"id": content.TextWords(body='<p><a href="https://b.example/">B</a></p>')}),
            content.Image(
                id="bimage",
                words={
                    "id": content.ImageWords(
                        image_alt="C", url="https://c.example/", facts='<p><a href="https://d.example/">D</a></p>'
                    )
                },
            ),
            content.Video(
                id="bvideo",
                words={
                    "id": content.VideoWords(
                        headline="E", url="https://e.example/", transcript_url="https://f.example/"
                    )
                },
            ),
            content.Faq(
                id="bfaq",
                words={
                    "id": content.FaqWords(
                        questions=[content.FaqEntry(question="G?", answer='<p><a href="https://g.example/">G</a></p>')]
                    )
                },
            ),
            content.CalendarEvent(
                id="bevent", words={"id": content.CalendarEventWords(headline="H", url="https://h.example/")}
            ),
            content.Button(id="bbutton", words={"id": content.ButtonWords(label="I", url="https://i.example/ i")}),
        ]
    )

    assert [(link.url, link.block, link.label) for link in link_checker.document_links(document)] == [
        ("https://a.example/", "bstory", "A"),
        ("https://b.example/", "btext", "B"),
        ("https://c.example/", "bimage", "C"),
        ("https://d.example/", "bimage", "D"),
        ("https://e.example/", "bvideo", "E"),
        ("https://f.example/", "bvideo", "E"),
        ("https://g.example/", "bfaq", "G"),
        ("https://h.example/", "bevent", "H"),
        ("https://i.example/%20i", "bbutton", "I"),
    ]


@pytest.mark.parametrize(
    ("url", "is_tried"),
    [
        ("https://kabarlintas.example/a", True),
        ("mailto:redaksi@kabarlintas.example", False),
        ("#b001", False),
        ("javascript:alert(1)", False),
        ("https://surat.example/archive/", False),
        ("https://surat.example/tentang/", True),
    ],
)
def test_only_addresses_of_the_web_that_are_not_ours_are_tried(settings, url, is_tried):
    settings.SITE_URL, settings.EMBEDDED = "https://surat.example", False

    assert link_checker.is_checkable(url) is is_tried


# --- a look ----------------------------------------------------------------------------------------------------------


def test_a_look_keeps_what_each_link_said_and_when(asked):
    issue = linked("https://a.example/x", "https://b.example/y", "https://a.example/x")
    asked.answers = {
        "https://b.example/y": http_client.PageGone("There is no page at this address (any more)."),
        "https://a.example/x": "https://a.example/z",
    }

    assert link_checker.run_check(issue, now=NOW) == 1

    assert sorted(asked) == ["https://a.example/x", "https://b.example/y"]
    assert link_checker.latest_results(again(issue)) == {
        "https://a.example/x": link_checker.LinkResult(True, NOW, to="https://a.example/z"),
        "https://b.example/y": link_checker.LinkResult(False, NOW, "There is no page at this address (any more)."),
    }
    assert again(issue).looked_at == NOW


def test_good_answers_are_believed_for_ten_minutes_and_bad_ones_asked_again(asked):
    issue = linked("https://a.example/", "https://b.example/")
    asked.answers = {"https://b.example/": http_client.PageGone("There is no page at this address (any more).")}
    link_checker.run_check(issue, now=NOW)
    asked.clear()
    asked.answers.clear()

    link_checker.run_check(again(issue), now=NOW + timedelta(minutes=9))
    assert asked == ["https://b.example/"]
    assert {url: said.at for url, said in link_checker.latest_results(again(issue)).items()} == {
        "https://a.example/": NOW,
        "https://b.example/": NOW + timedelta(minutes=9),
    }

    asked.clear()
    link_checker.run_check(again(issue), now=NOW + timedelta(minutes=11))
    assert asked == ["https://a.example/"]


def test_another_issue_profits_from_a_good_answer(asked):
    link_checker.run_check(linked("https://a.example/"), now=NOW)

    link_checker.run_check(linked("https://a.example/"), now=NOW + timedelta(minutes=1))

    assert asked == ["https://a.example/"]


def test_once_scheduled_the_publishers_own_links_are_tried_again(asked):
    issue = linked("https://kabarlintas.example/a", "https://other.example/b")
    link_checker.run_check(issue, now=NOW)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SCHEDULED, scheduled_at=NOW + timedelta(minutes=9))
    asked.clear()

    link_checker.run_check(again(issue), now=NOW + timedelta(minutes=5))

    assert asked == ["https://kabarlintas.example/a"]


def test_a_site_that_is_silent_twice_is_left_alone(asked):
    urls = [f"https://a.example/{number}" for number in range(5)]
    down = http_client.TemporaryFetchError("The site cannot be reached just now. Try again later.")
    asked.answers = dict.fromkeys(urls, down)
    issue = linked(*urls)

    assert link_checker.run_check(issue, now=NOW) == 5

    assert asked == urls[:2]


def test_links_that_the_time_does_not_suffice_for_wait_for_the_next_look(asked, monkeypatch):
    monkeypatch.setattr(link_checker, "MAX_SECONDS", -1)

    link_checker.run_check(issue := linked("https://a.example/"), now=NOW)

    assert (asked, link_checker.latest_results(again(issue))) == ([], {})


def test_old_answers_are_forgotten(asked):
    link_checker.run_check(linked("https://a.example/"), now=NOW)

    link_checker.run_check(linked("https://b.example/"), now=NOW + timedelta(days=2))

    assert list(LinkLook.objects.values_list("url", flat=True)) == ["https://b.example/"]


def test_the_articles_are_read_again_too(asked, monkeypatch):
    read = []
    monkeypatch.setattr(
        article_changes, "refresh_articles", lambda issue, **options: read.append((issue.pk, options["max_age"]))
    )

    link_checker.run_check(issue := linked("https://a.example/"), now=NOW)

    assert read == [(issue.pk, timedelta(minutes=2))]


# --- asking ----------------------------------------------------------------------------------------------------------


def test_who_asked_waits_until_a_look_was_begun_since():
    issue = linked("https://a.example/")
    link_checker.request_check(issue, now=NOW)

    assert link_checker.is_pending(issue, now=NOW)
    assert [one.pk for one in link_checker.pending_issues(now=NOW)] == [issue.pk]

    link_checker.store_results(issue, {}, now=NOW + timedelta(seconds=1))
    assert not link_checker.is_pending(issue, now=NOW + timedelta(seconds=2))
    assert list(link_checker.pending_issues(now=NOW + timedelta(seconds=2))) == []


def test_nobody_waits_for_a_question_of_yesterday():
    issue = linked("https://a.example/")
    link_checker.request_check(issue, now=NOW)

    assert not link_checker.is_pending(issue, now=NOW + timedelta(days=1))
    assert list(link_checker.pending_issues(now=NOW + timedelta(days=1))) == []


def test_a_page_asks_by_itself_every_ten_minutes():
    issue = linked("https://a.example/")
    assert link_checker.is_due(issue, now=NOW)

    link_checker.request_check(issue, now=NOW)
    assert not link_checker.is_due(issue, now=NOW + timedelta(minutes=9))
    assert link_checker.is_due(issue, now=NOW + timedelta(minutes=10))


def test_five_minutes_before_it_goes_out_an_issue_is_looked_at_once_more():
    issue = linked("https://a.example/")
    Issue.objects.filter(pk=issue.pk).update(
        status=IssueStatus.SCHEDULED, scheduled_at=NOW + timedelta(hours=1), look_asked_at=NOW, looked_at=NOW
    )

    assert link_checker.request_upcoming_checks(now=NOW + timedelta(minutes=54)) == 0
    assert link_checker.request_upcoming_checks(now=NOW + timedelta(minutes=56)) == 1
    assert link_checker.request_upcoming_checks(now=NOW + timedelta(minutes=57)) == 0
    assert again(issue).look_asked_at == NOW + timedelta(minutes=56)


# --- beginning -------------------------------------------------------------------------------------------------------


def test_an_issue_begins_on_a_look_of_the_last_quarter_of_an_hour():
    issue = linked("https://a.example/")
    link_checker.store_results(issue, {}, now=NOW)

    assert link_checker.may_start_sending(issue, now=NOW + timedelta(minutes=15))
    assert again(issue).look_asked_at is None


def test_without_one_it_asks_and_waits_a_minute_at_most():
    issue = linked("https://a.example/")

    assert not link_checker.may_start_sending(issue, now=NOW)
    assert again(issue).look_asked_at == NOW
    assert not link_checker.may_start_sending(issue, now=NOW + timedelta(seconds=59))
    assert link_checker.may_start_sending(issue, now=NOW + timedelta(seconds=60))


def test_a_question_from_before_a_long_halt_is_put_again():
    issue = linked("https://a.example/")
    link_checker.request_check(issue, now=NOW)

    assert not link_checker.may_start_sending(issue, now=NOW + timedelta(hours=3))
    assert again(issue).look_asked_at == NOW + timedelta(hours=3)


def test_a_look_from_before_the_last_edit_does_not_count():
    issue = linked("https://a.example/")
    link_checker.store_results(issue, {}, now=NOW - timedelta(minutes=1))

    assert not link_checker.may_start_sending(issue, now=NOW + timedelta(seconds=1))


def test_an_issue_with_nothing_to_try_waits_for_nothing():
    assert link_checker.may_start_sending(make_issue(stories=0), now=NOW)


def test_the_look_at_a_damaged_issue_is_taken_and_finds_nothing(now):
    issue = make_issue()
    issue.content = {"blocks": [{"kind": "poster"}]}

    assert link_checker.run_check(issue, now=now) == 0
    assert issue.looked_at == now
