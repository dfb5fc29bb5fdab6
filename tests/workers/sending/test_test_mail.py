"""Test mails: marked as tests, rendered like issues, to few addresses, and not counted in figures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lxml import html

from newsletter import content, editions, issues
from newsletter.models import AuditEntry, IssueStatus
from subscribers import tokens
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter, make_reader
from tests.workers.sending_helpers import parse
from workers.models import Delivery
from workers.sending import test_mail

pytestmark = pytest.mark.django_db


def parsed(sink, place: int = 0):
    return parse(sink.received[place][2])


def html_of(mail) -> str:
    return mail.get_body(preferencelist=("html",)).get_content()


def test_t65_a_test_goes_only_to_whom_it_is_for_and_makes_no_figures(sink):
    newsletter = make_newsletter()
    make_reader(newsletter)
    issue, ayu = make_issue(newsletter), make_editor(newsletter)

    results = test_mail.send(issue, to=[ayu.email], editor=ayu, now=NOW)

    assert [(result.language, result.ok) for result in results] == [("id", True), ("en", True)]
    assert sink.recipients == [ayu.email, ayu.email]
    assert len(set(sink.message_ids)) == 2
    assert Delivery.objects.count() == 0
    issue.refresh_from_db()
    assert (issue.tested_at, issue.tested_version) == (NOW, issue.version)
    assert "@" not in str(AuditEntry.objects.get(action="issue-tested").detail)


def test_a_failed_test_shows_the_providers_own_answer(sink):
    issue = make_issue()
    sink.on_rcpt = lambda _address: "550 5.7.1 relaying denied"

    [first, _second] = test_mail.send(issue, to=["ayu@k.example"], editor=None, now=NOW)

    assert not first.ok
    assert "550 5.7.1 5.7.1 relaying denied" in str(first)
    issue.refresh_from_db()
    assert issue.tested_at is None


def test_the_providers_answer_to_a_test_that_went_is_shown_too(sink):
    [first, _second] = test_mail.send(make_issue(), to=["ayu@k.example"], editor=None, now=NOW)

    assert str(first).startswith("Test sent to ayu@k.example (Indonesian). Answer: 250")


def test_the_mail_says_that_it_is_a_test_in_subject_banner_and_text(sink):
    test_mail.send(make_issue(), to=["ayu@k.example"], editor=None, now=NOW)

    mail = parsed(sink, 1)
    text = mail.get_body(preferencelist=("plain",)).get_content()
    body = html.document_fromstring(html_of(mail))
    [banner] = body.xpath("//*[@role='note']")
    assert mail["Subject"] == "[Test] New autogates, online permits"
    assert banner.text_content().startswith("Test of issue 1, sent only to the newsroom on Tuesday, 24 November 2026")
    assert (banner.get("lang"), banner.get("dir")) == ("en", "auto")
    assert text.startswith("*** Test of issue 1")


def test_an_inbox_still_shows_the_preheader_first(sink):
    test_mail.send(make_issue(), to=["ayu@k.example"], editor=None, now=NOW)

    words = html.document_fromstring(html_of(parsed(sink, 1))).body.text_content().strip()
    assert words.startswith("This week's immigration news in five minutes")


def test_without_its_marks_a_test_is_what_readers_get():
    issue = make_issue()

    marked = test_mail.mark_as_test(issue, "en", now=NOW)

    banner = marked.html[marked.html.index('<div lang="en" dir="auto" role="note"') :].partition("\n")[0] + "\n"
    plain = marked.html.replace(banner, "").replace("?warta=test", "")
    assert plain == editions.render(issue, "en").html


def test_links_to_the_publisher_are_marked_and_all_others_as_they_are(settings):
    settings.SITE_URL, settings.SITE_HOST = "https://surat.example", "surat.example"
    document = make_document(stories=1)
    words = document.blocks[0].words["en"]
    words.url = "https://www.kabarlintas.example/a?b=1&c=2#d"
    words.summary = '<p><a href="https://imigrasi.example/visa">The office</a> says so.</p>'
    issue = make_issue(document=document)

    marked = test_mail.mark_as_test(issue, "en", now=NOW)

    links = html.document_fromstring(marked.html).xpath("//a/@href")
    assert "https://www.kabarlintas.example/a?b=1&c=2&warta=test#d" in links
    assert "https://imigrasi.example/visa" in links
    assert "https://surat.example/u/⟦u⟧/" in links
    assert "https://www.kabarlintas.example/a?b=1&c=2&warta=test#d" in marked.text


def test_unsubscribing_from_a_test_leads_to_a_page_that_changes_nothing(client, sink, settings):
    test_mail.send(make_issue(), to=["ayu@k.example"], editor=None, now=NOW)

    links = html.document_fromstring(html_of(parsed(sink, 1))).xpath("//a[contains(@href, '/u/')]/@href")
    path = links[0].removeprefix(settings.SITE_URL)
    shown, posted = client.get(path, {"lang": "en"}), client.post(path, {"List-Unsubscribe": "One-Click"})
    assert tokens.read_unsubscribe(path.split("/")[2])[0] == 0
    assert "This link is from a test mail" in shown.content.decode()
    assert posted.status_code == 200


def test_every_link_of_a_test_is_direct_whatever_is_counted(sink):
    test_mail.send(make_issue(make_newsletter(tracking="individual")), to=["a@k.example"], editor=None, now=NOW)

    mail = html_of(parsed(sink, 1))
    assert "/l/" not in mail
    assert "/t/" not in mail


def test_the_editor_sees_her_name_where_readers_see_theirs(sink):
    ayu = make_editor(make_newsletter(), name="Ayu Lestari")

    test_mail.send(make_issue(), to=[ayu.email, "rizky@k.example"], editor=ayu, now=NOW)

    assert [parsed(sink, place)["To"] for place in (0, 1)] == [f"Ayu Lestari <{ayu.email}>", "rizky@k.example"]


def test_a_hostile_name_or_number_stays_words(sink):
    newsletter = make_newsletter(brand="<script>alert(1)</script>", time_zone="Asia/Makassar")

    marked = test_mail.mark_as_test(make_issue(newsletter), "id", now=NOW)

    assert "<script" not in marked.html


def test_an_issue_that_cannot_be_rendered_says_so_and_sends_nothing(sink):
    document = make_document(stories=1)
    document.blocks[0].words["id"].summary = "<p>a</p>" * 30000
    issue = make_issue(document=document)

    results = test_mail.send(issue, to=["ayu@k.example"], editor=None, now=NOW)

    assert not results[0].ok
    assert "ayu@k.example" in str(results[0])


def test_everybody_gets_a_mail_that_was_rendered_once(sink, monkeypatch):
    rendered = []
    render = editions.render
    monkeypatch.setattr(editions, "render", lambda *args, **more: rendered.append(args) or render(*args, **more))

    test_mail.send(make_issue(), to=[f"a{number}@k.example" for number in range(6)], editor=None, now=NOW)

    assert (len(rendered), len(sink.recipients)) == (2, 12)


def test_a_sender_that_mail_cannot_carry_is_named(sink):
    newsletter = make_newsletter(from_email="redaksi@kabar lintas.example")

    [first, _second] = test_mail.send(make_issue(newsletter), to=["a@k.example"], editor=None, now=NOW)

    assert "The sender's address has characters that email does not support." in str(first)


def test_more_tests_than_a_person_needs_are_refused_for_a_while(sink):
    ayu, issue = make_editor(), make_issue()
    AuditEntry.objects.create(
        action="issue-tested", actor=ayu, subject="issue 1", detail={"mails": 59}, occurred_at=NOW
    )

    with pytest.raises(test_mail.TooManyTests, match="You sent 59 test mails within ten minutes"):
        test_mail.send(issue, to=[ayu.email], editor=ayu, now=NOW)

    assert sink.recipients == []
    assert test_mail.send(issue, to=[ayu.email], editor=ayu, now=NOW + timedelta(minutes=11))[0].ok


def test_a_tested_revision_is_not_overwritten_by_the_next_keystroke():
    issue = make_issue()
    document = content.parse(issue.content)
    for number, second in enumerate((1, 3), start=1):
        document.blocks[0].words["id"].headline = f"Judul {number}"
        issue = issues.save(
            issue, document, version=issue.version, editor=None, now=NOW + timedelta(seconds=20 + second)
        )
    issue.tested_at = NOW + timedelta(seconds=24)
    issue.save()
    document.blocks[0].words["id"].headline = "Judul 3"

    issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW + timedelta(seconds=26))

    headlines = [one.content["blocks"][0]["words"]["id"]["headline"] for one in issue.revisions.filter(number__gt=1)]
    assert headlines[-2:] == ["Judul 2", "Judul 3"]
    assert issue.status == IssueStatus.DRAFT
