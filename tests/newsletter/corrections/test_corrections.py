"""Corrections after an issue was sent: links, notes in the archive, an erratum in the next issue."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise

import pytest
from django.urls import reverse
from lxml import html

from newsletter import content, corrections, issues
from newsletter.drafts import preparation
from newsletter.models import AuditEntry, Correction, Issue, IssueStatus, Link, Tracking
from newsletter.studio.articles import article_list
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter, make_sent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]

LATER = NOW + timedelta(hours=3)
RIGHT = "https://kabarlintas.example/biaya-paspor-2026/"
WRONG = "https://kabarlintas.example/id/autogate-1"
WORDS = {"id": "Ralat: tautan sempat menuju daftar 2024.", "en": "Correction: the link led to the list of 2024."}


def gone_out(**fields) -> Issue:
    """A sent issue, with the numbered link of its first story in both languages."""
    issue = make_sent(**fields)
    if issue.newsletter.tracking != Tracking.OFF:
        make_link(issue, 1, WRONG)
        make_link(issue, 4, "https://kabarlintas.example/en/autogate-1", language="en", label="Autogate lane 1 opens")
    return issue


def make_link(issue, number, url, *, language="id", label="Imigrasi buka jalur autogate ke-1") -> Link:
    about = {"block": "b001", "language": language, "label": label}
    return Link.objects.create(issue=issue, issue_key=issue.pk, number=number, url=url, **about)


def amend(issue, *, url=RIGHT, number=1, was=WRONG, editor=None, now=LATER):
    return corrections.amend_links(issue, [number], url, was=was, editor=editor, now=now)


def target(issue, number=1):
    return Link.objects.get(issue=issue, number=number).target


def entries(action):
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))


# --- links -----------------------------------------------------------------------------------------------------------


def test_an_amended_link_leads_elsewhere_and_the_log_says_from_where_to_where():
    issue, ayu = gone_out(), make_editor()

    amend(issue, editor=ayu)

    assert target(issue) == RIGHT
    [entry] = entries("link-amended")
    assert (entry.actor, entry.detail["was"], entry.detail["leads"]) == (ayu, WRONG, RIGHT)


def test_an_amendment_is_undone_step_by_step():
    issue = gone_out()
    amend(issue, url="https://kabarlintas.example/tengah", now=LATER)
    amend(issue, was="https://kabarlintas.example/tengah", now=LATER + timedelta(minutes=1))

    corrections.revert_links(issue, [1], was=RIGHT, editor=None, now=LATER + timedelta(minutes=2))
    between = target(issue)
    corrections.revert_links(issue, [1], was=between, editor=None, now=LATER + timedelta(minutes=3))

    assert between == "https://kabarlintas.example/tengah"
    assert target(issue) == WRONG
    assert Link.objects.get(issue=issue, number=1).amended_url == ""


@pytest.mark.parametrize(
    "typed",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:redaksi@kabarlintas.example",
        "//jahat.example/x",
        "https://user:sandi@kabarlintas.example/",
        "https:\\\\kabarlintas.example",
        "http://kabarlintas.example/polos",
        "kabarlintas.example",
        "https://surat.example/u/seseorang/",
        "https://surat.example/l/1/kode",
        "https://surat.example/archive/../u/seseorang/",
        "https://surat.example/%75/seseorang/",
        "https://surat.example//u/seseorang/",
        "https://surat.example/./studio",
        "https://SURAT.example/u/seseorang/",
        "https://.surat..example/",
        "https://" + "a" * 64 + ".example/",
        "https://kabarlintas.example/\r\nSet-Cookie: a=b",
        "",
    ],
)
def test_no_link_may_lead_there(typed):
    issue = gone_out()

    with pytest.raises(corrections.InvalidLinkAddress):
        amend(issue, url=typed)

    assert target(issue) == WRONG
    assert entries("link-amended") == []


def test_of_two_editors_at_once_the_second_is_told():
    issue = gone_out()
    amend(issue)

    with pytest.raises(issues.WrongState, match="in the meantime"):
        amend(issue, url="https://kabarlintas.example/lain")

    assert target(issue) == RIGHT


@pytest.mark.parametrize("status", [IssueStatus.DRAFT, IssueStatus.SCHEDULED])
def test_an_issue_that_is_not_out_is_edited_instead(status):
    issue = gone_out()
    Issue.objects.filter(pk=issue.pk).update(status=status, started_at=None)

    with pytest.raises(issues.WrongState):
        amend(issue)


def test_an_issue_that_is_still_going_out_can_be_corrected():
    issue = gone_out()
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENDING, sent_at=None)

    amend(issue)

    assert target(issue) == RIGHT


def test_a_link_of_another_issue_is_not_touched():
    issue, other = gone_out(), gone_out()

    amend(issue)

    assert target(other) == WRONG


def test_with_tracking_off_there_is_nothing_to_amend():
    issue = gone_out(newsletter=make_newsletter(tracking=Tracking.OFF))

    assert corrections.numbered_links(issue) == []
    with pytest.raises(issues.WrongState, match="not in the issue"):
        amend(issue)


def test_three_amendments_are_put_back_one_by_one():
    issue = gone_out()
    tried = [WRONG, *(f"https://kabarlintas.example/{name}" for name in "bcd")]
    for was, url in pairwise(tried):
        amend(issue, url=url, was=was)

    found = []
    for _ in range(3):
        corrections.revert_links(issue, [1], was=target(issue), editor=None, now=LATER)
        found.append(target(issue))

    assert found == tried[2::-1]


# --- the archive -----------------------------------------------------------------------------------------------------


def page_of(client, issue, language="id"):
    answer = client.get(reverse("archive-issue", kwargs={"year": 2026, "slug": issue.slug}), {"lang": language})
    return html.document_fromstring(answer.content.decode())


def said_on(client, issue, language="id"):
    return [" ".join(one.text_content().split()) for one in page_of(client, issue, language).find_class("erratum")]


def test_the_archive_says_it_in_the_editors_words_with_the_date_and_keeps_the_old_address_readable(client):
    issue = gone_out()
    amend(issue)
    corrections.create_note(issue, {"id": WORDS["id"]}, numbers=[1], editor=None, now=LATER)

    [said] = said_on(client, issue)

    assert WORDS["id"] in said
    assert "24 November 2026" in said
    assert WRONG in said
    assert said_on(client, issue, "en") == []
    assert RIGHT in page_of(client, issue).xpath("//article//a/@href")


def test_search_engines_and_feeds_learn_of_it(client):
    issue = gone_out()
    before = client.get("/archive/feed.xml", {"lang": "id"})
    corrections.create_note(issue, WORDS, editor=None, now=LATER)

    facts = json.loads(page_of(client, issue).xpath("//script[@type='application/ld+json']/text()")[0])
    feeds = [client.get(f"/archive/{name}", {"lang": "id"}) for name in ("feed.xml", "rss.xml", "feed.json")]

    assert facts["dateModified"] == "2026-11-24T10:00:00+07:00"
    assert facts["correction"] == [
        {"@type": "CorrectionComment", "text": WORDS["id"], "datePublished": "2026-11-24T10:00:00+07:00"}
    ]
    assert all(WORDS["id"] in feed.content.decode() for feed in feeds)
    assert "<updated>2026-11-24T03:00:00+00:00</updated>" in feeds[0].content.decode()
    assert feeds[0].headers["ETag"] != before.headers["ETag"]


def test_a_note_is_reworded_taken_down_and_shown_again_and_the_log_keeps_every_wording(client):
    issue = gone_out()
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)

    corrections.update_note(note, {"id": "Ralat: biaya 2026."}, editor=None, now=LATER + timedelta(days=2))
    reworded = said_on(client, issue)
    corrections.set_note_visibility(note, False, editor=None, now=LATER + timedelta(days=3))
    hidden = said_on(client, issue)
    corrections.set_note_visibility(note, True, editor=None, now=LATER + timedelta(days=4))

    assert "Ralat: biaya 2026." in reworded[0]
    assert "(Diubah 26 November 2026.)" in reworded[0] or "(Changed 26 November 2026.)" in reworded[0]
    assert hidden == []
    assert len(said_on(client, issue)) == 1
    [changed] = entries("correction-changed")
    assert changed.detail["before"] == WORDS
    assert len(entries("correction-hidden")) == len(entries("correction-shown")) == 1


def test_a_small_slip_can_be_mended_without_a_note_but_never_without_the_log(client):
    issue = gone_out()
    amend(issue)
    corrections.create_note(issue, {}, numbers=[1], is_shown=False, editor=None, now=LATER)

    assert said_on(client, issue) == []
    assert entries("correction-noted")[0].detail["shown"] is False


def test_a_link_put_back_takes_its_note_along(client):
    issue = gone_out()
    amend(issue)
    corrections.create_note(issue, WORDS, numbers=[1], editor=None, now=LATER)

    corrections.revert_links(issue, [1], was=RIGHT, editor=None, now=LATER)

    assert said_on(client, issue) == []
    assert len(entries("correction-hidden")) == 1


def test_a_link_mended_anew_after_it_was_put_back_is_never_mended_silently(client):
    issue = gone_out()
    amend(issue)
    corrections.create_note(issue, WORDS, numbers=[1], editor=None, now=LATER)
    corrections.revert_links(issue, [1], was=RIGHT, editor=None, now=LATER)

    amend(issue)
    corrections.create_note(issue, {}, numbers=[1], editor=None, now=LATER + timedelta(minutes=1))

    [said] = said_on(client, issue)
    assert WRONG in said
    assert WORDS["id"] not in said


def test_a_paragraph_typed_in_a_browser_is_one(client):
    issue = gone_out()
    note = corrections.create_note(issue, {"id": "Ralat.\r\n\r\n" + "x" * 991}, editor=None, now=LATER)

    draft = corrections.create_mail_draft(note, {}, editor=None, now=LATER)

    assert note.words["id"] == "Ralat.\n\n" + "x" * 991
    assert content.parse(draft.content).blocks[0].words["id"].body == f"<p>Ralat.</p><p>{'x' * 991}</p>"
    assert "\r" not in page_of(client, issue).xpath("//script[@type='application/ld+json']/text()")[0]


@pytest.mark.parametrize("status", [IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.CANCELLED])
def test_an_issue_that_follows_to_readers_who_missed_it_stays_in_the_archive(client, status):
    issue = gone_out()
    Issue.objects.filter(pk=issue.pk).update(status=status)

    assert client.get(f"/archive/2026/{issue.slug}/").status_code == 200
    assert issue.slug in client.get("/archive/").content.decode()
    assert issue.slug in client.get("/archive/feed.xml").content.decode()


def test_markup_in_a_note_is_shown_as_typed(client):
    issue = gone_out()
    corrections.create_note(issue, {"id": "<script>alert(1)</script> & <b>tebal</b>"}, editor=None, now=LATER)

    feed = client.get("/archive/feed.json", {"lang": "id"}).json()["items"][0]["content_html"]

    assert "<script>alert(1)</script> & <b>tebal</b>" in said_on(client, issue)[0]
    assert "<script" not in feed


# --- the next issue --------------------------------------------------------------------------------------------------


def notices(issue):
    stored = Issue.objects.get(pk=issue.pk)
    return [block for block in content.parse(stored.content).blocks if block.kind == "notice"]


def test_the_open_draft_begins_with_the_erratum_and_never_twice():
    issue = gone_out()
    draft = make_issue(issue.newsletter)
    amend(issue)
    note = corrections.create_note(issue, {"id": WORDS["id"]}, numbers=[1], editor=None, now=LATER)

    told = [corrections.add_to_next_issue(note, editor=None, now=LATER) for _ in range(2)]

    assert told == [draft, draft]
    [notice] = notices(draft)
    assert content.parse(Issue.objects.get(pk=draft.pk).content).blocks[0] == notice
    assert WORDS["id"] in notice.words["id"].body
    assert RIGHT in notice.words["id"].body
    assert "en" not in notice.words
    assert notice.policy == {"en": "optional"}


def test_without_an_open_draft_the_next_one_that_is_begun_has_it(client):
    issue = gone_out()
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    waits = corrections.add_to_next_issue(note, editor=None, now=LATER)
    client.force_login(make_editor(issue.newsletter))

    for _ in range(2):
        client.post("/studio/issues/new/", {"newsletter": issue.newsletter.slug})

    assert waits is None
    begun = Issue.objects.exclude(pk=issue.pk).order_by("pk")
    assert [len(notices(one)) for one in begun] == [1, 0]


def test_a_prepared_draft_begins_with_it_and_keeps_it_when_it_is_filled_anew():
    issue = gone_out()
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    corrections.add_to_next_issue(note, editor=None, now=LATER)

    draft = preparation.create_first_draft(issue.newsletter, editor=None, now=LATER)
    again = preparation.refill(draft, editor=None, now=LATER)

    assert len(notices(draft)) == len(notices(again)) == 1


def test_a_link_that_was_put_back_is_told_in_no_issue():
    issue = gone_out()
    amend(issue)
    note = corrections.create_note(issue, WORDS, numbers=[1], editor=None, now=LATER)
    fact = corrections.create_note(issue, {"id": "Ralat: 220 pemohon."}, editor=None, now=LATER)
    corrections.add_to_next_issue(note, editor=None, now=LATER)
    corrections.add_to_next_issue(fact, editor=None, now=LATER)

    corrections.revert_links(issue, [1], was=RIGHT, editor=None, now=LATER)

    assert list(corrections.pending_errata(issue.newsletter)) == [fact]
    with pytest.raises(issues.WrongState, match="nothing to correct"):
        corrections.add_to_next_issue(note, editor=None, now=LATER)
    Correction.objects.update(wants_next=True)
    draft = corrections.prepend_errata(make_issue(issue.newsletter), editor=None, now=LATER)
    [notice] = notices(draft)
    assert "220 pemohon" in notice.words["id"].body


def test_what_still_says_that_a_link_was_wrong_is_named_once_it_is_put_back():
    issue = gone_out()
    draft = make_issue(issue.newsletter)
    amend(issue)
    note = corrections.create_note(issue, WORDS, numbers=[1], editor=None, now=LATER)
    corrections.add_to_next_issue(note, editor=None, now=LATER)
    mail = corrections.create_mail_draft(note, {"got_issue": issue.pk}, editor=None, now=LATER)
    before = corrections.issues_with_lapsed_errata(issue)

    corrections.revert_links(issue, [1], was=RIGHT, editor=None, now=LATER)

    assert before == []
    assert corrections.issues_with_lapsed_errata(issue) == [mail, draft]


def test_an_erratum_taken_out_by_hand_does_not_come_back():
    issue = gone_out()
    draft = make_issue(issue.newsletter)
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    told = corrections.add_to_next_issue(note, editor=None, now=LATER)
    issues.save(told, make_document(), version=told.version, editor=None, now=LATER)

    corrections.add_to_next_issue(note, editor=None, now=LATER)
    after = make_issue(issue.newsletter)
    corrections.prepend_errata(after, editor=None, now=LATER)

    assert notices(draft) == notices(after) == []


def test_a_draft_that_is_thrown_away_gives_its_erratum_to_the_next():
    issue = gone_out()
    first = make_issue(issue.newsletter)
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    corrections.add_to_next_issue(note, editor=None, now=LATER)
    issues.delete(first, editor=None, now=LATER)

    after = corrections.prepend_errata(make_issue(issue.newsletter), editor=None, now=LATER)

    assert len(notices(after)) == 1
    assert Correction.objects.get().told_in == after


# --- by mail ---------------------------------------------------------------------------------------------------------


def test_a_correction_by_mail_is_a_draft_that_says_what_was_wrong_and_leads_to_what_is_right():
    issue = gone_out()
    amend(issue)
    note = corrections.create_note(issue, {"id": WORDS["id"]}, numbers=[1], editor=None, now=LATER)

    draft = corrections.create_mail_draft(note, {"got_issue": issue.pk}, editor=make_editor(), now=LATER)

    stored = Issue.objects.get(pk=draft.pk)
    document = content.parse(stored.content)
    assert (stored.status, stored.audience) == (IssueStatus.DRAFT, {"got_issue": issue.pk})
    assert document.envelopes["en"].subject.startswith("Correction to issue 1: “")
    assert [block.kind for block in document.blocks] == ["notice", "button", "text"]
    assert document.blocks[0].words["id"].body == f"<p>{WORDS['id']}</p>"
    assert document.blocks[1].words["id"].url == RIGHT
    assert set(document.blocks[0].words) == {"id", "en"}


def test_a_correction_about_a_fact_has_no_button_and_no_words_that_nobody_wrote():
    issue = gone_out()
    note = corrections.create_note(issue, {"id": "Ralat: 220 pemohon, bukan 240."}, editor=None, now=LATER)

    document = content.parse(corrections.create_mail_draft(note, {}, editor=None, now=LATER).content)

    assert [block.kind for block in document.blocks] == ["notice", "text"]
    assert set(document.blocks[0].words) == {"id"}


def test_the_words_of_a_long_link_end_at_a_word_in_the_subject():
    issue = gone_out()
    label = "Daftar biaya paspor elektronik dan nonelektronik di semua kantor imigrasi"
    Link.objects.filter(issue=issue, number=1).update(label=label)
    amend(issue)
    note = corrections.create_note(issue, WORDS, numbers=[1], editor=None, now=LATER)

    envelopes = content.parse(corrections.create_mail_draft(note, {}, editor=None, now=LATER).content).envelopes

    assert envelopes["en"].subject.endswith("“Daftar biaya paspor elektronik dan…”")
    assert all(len(envelope.subject) <= 78 for envelope in envelopes.values())


def test_a_correction_by_mail_stands_in_no_issues_place():
    from newsletter.drafts import schedule

    newsletter = make_newsletter(cadence={"days": [1], "at": "07:00", "days_before": 1, "prepared_at": "16:00"})
    issue = gone_out(newsletter=newsletter)
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    draft = corrections.create_mail_draft(note, {"got_issue": issue.pk}, editor=None, now=LATER)
    rhythm = schedule.parse_cadence(newsletter.cadence)
    slot = rhythm.next_slot(LATER, zone=newsletter.zone)
    Issue.objects.filter(pk=draft.pk).update(status=IssueStatus.SCHEDULED, scheduled_at=LATER)

    assert not preparation.is_slot_taken(newsletter, slot, cadence=rhythm)


def test_a_correction_by_mail_is_found_from_its_mail_and_is_no_issue_of_the_archive(client):
    issue = gone_out()
    mail = make_sent(issue.newsletter, days=1)
    Issue.objects.filter(pk=mail.pk).update(audience={"got_issue": issue.pk})

    page = client.get(f"/archive/2026/{mail.slug}/")

    assert page.status_code == 200
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert "X-Robots-Tag" not in client.get(f"/archive/2026/{issue.slug}/").headers
    assert all(
        mail.slug not in client.get(f"/archive/{name}").content.decode() for name in ("", "feed.xml", "feed.json")
    )
    assert client.get("/archive/").content.decode().count(issue.slug)


def test_a_version_kept_beside_a_correction_is_for_the_same_readers():
    issue = gone_out()
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    draft = corrections.create_mail_draft(note, {"got_issue": issue.pk}, editor=None, now=LATER)

    twin = issues.copy(draft, content.parse(draft.content), editor=None, now=LATER)

    assert twin.audience == Issue.objects.get(pk=twin.pk).audience == {"got_issue": issue.pk}


def test_articles_are_added_to_the_issue_for_everybody():
    issue = gone_out()
    draft = make_issue(issue.newsletter)
    note = corrections.create_note(issue, WORDS, editor=None, now=LATER)
    corrections.create_mail_draft(note, {"got_issue": issue.pk}, editor=None, now=LATER)

    assert article_list.current_draft(issue.newsletter) == draft
