"""The review page: what it says, what it demands, and that its figures are those of the plan."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from lxml import html as lxml_html

from newsletter import content, issues
from newsletter.checks import Check, link_checker
from newsletter.models import Article, AuditEntry, Issue, IssueStatus, Membership, Role
from subscribers import suppression
from subscribers.models import SubscriptionStatus, SuppressionReason
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter, make_reader
from workers import ledger
from workers.models import Batch, Route
from workers.sending import lifecycle, preflight, test_mail
from workers.studio.review import content_by_language, decision, last_issue_comparison, timing

pytestmark = pytest.mark.django_db

ALL_WELL = [Check("E01", "blocks", True, "The language is named.")]
BLOCKED = [Check("E22", "blocks", False, "“[TK]” is still in a text.", "b001", "id")]
WARNED = [
    Check("E19", "warns", False, "One link leaves our site.", "b001", "id"),
    Check("E17", "warns", False, "The picture is heavy.", "b002", None),
]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is Tuesday 24 November 2026, 07:00 in Jakarta."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def checked(monkeypatch):
    """Which checks the preflight finds; all is well unless a test says otherwise."""
    found = list(ALL_WELL)
    monkeypatch.setattr(preflight, "run_checks", lambda issue, now=None: list(found))
    return found


@pytest.fixture
def letter():
    return make_newsletter(hold_s=120)


def log_in(client, letter, role=Role.PUBLISHER, **fields):
    editor = make_editor(letter, role=role, **fields)
    client.force_login(editor)
    return editor


def to(name, issue):
    return reverse(f"issue-{name}", args=[issue.pk])


def fields(page, **changed):
    """What the form would send as the page stands."""
    html = page.content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
    plan = page.context["plan"]
    return {**hidden, "when": plan.when, **{name: plan.fields[name] for name in ("on", "at")}, **changed}


def sent_issue(letter, number_of_readers=3, *, scheduled_at=NOW - timedelta(days=7)):
    """An earlier issue that went out a week ago at the same hour."""
    issue = make_issue(letter)
    Issue.objects.filter(pk=issue.pk).update(
        status=IssueStatus.SENT,
        scheduled_at=scheduled_at,
        started_at=scheduled_at,
        sent_at=scheduled_at + timedelta(minutes=8),
        audience_count=number_of_readers,
    )
    return Issue.objects.get(pk=issue.pk)


def begin():
    """Every issue that is due by now, without waiting for a worker's look at its articles and links."""
    return [issue for minutes in (3, 6) for issue in lifecycle.begin_due(now=NOW + timedelta(minutes=minutes))]


# --- one figure ------------------------------------------------------------------------------------------------------


def test_t65_sentence_button_equation_and_plan_name_one_figure(client, letter, checked):
    for number in range(5):
        make_reader(letter, language="en" if number < 2 else "id")
    make_reader(letter, status=SubscriptionStatus.PAUSED)
    make_reader(letter, status=SubscriptionStatus.PENDING)
    make_reader(letter, status=SubscriptionStatus.UNSUBSCRIBED)
    gone, angry = make_reader(letter), make_reader(letter)
    suppression.suppress(gone.subscriber.email_key, reason=SuppressionReason.BOUNCED, now=NOW)
    suppression.suppress(angry.subscriber.email_key, reason=SuppressionReason.COMPLAINED, now=NOW)
    issue = make_issue(letter)
    log_in(client, letter)

    page = client.get(to("review", issue))
    client.post(to("schedule", issue), fields(page, when="now"))
    link_checker.store_results(issue, {}, now=NOW + timedelta(minutes=2))
    begin()

    html = page.content.decode()
    readers = page.context["plan"].readers
    assert (readers.confirmed, readers.paused, readers.bounced, readers.complained) == (8, 1, 1, 1)
    assert html.count("<strong>5 readers</strong>") == 3  # the sentence, for each of the three times
    assert html.count('<span class="nowrap">5 readers</span>') == 3  # the button, likewise
    assert '<dd><span class="op">=</span>5</dd>' in html
    assert "3 in Indonesian, 2 in English" in html
    assert sum(batch.size for batch in Batch.objects.filter(issue=issue)) == 5
    assert ledger.count_deliveries(issue).audience == 5


def test_the_sentence_says_who_when_in_what_and_who_not(client, letter, checked):
    for number in range(5):
        make_reader(letter, language="en" if number < 2 else "id")
    make_reader(letter, status=SubscriptionStatus.PAUSED)
    gone, angry = make_reader(letter), make_reader(letter)
    suppression.suppress(gone.subscriber.email_key, reason=SuppressionReason.BOUNCED, now=NOW)
    suppression.suppress(angry.subscriber.email_key, reason=SuppressionReason.COMPLAINED, now=NOW)
    Route.objects.create(name="smtp-1", kind="smtp", priority=0, rate=0.05)
    log_in(client, letter, name="Ayu Lestari")
    issue = issues.approve(make_issue(letter), editor=make_editor(letter, name="Rizky Pratama"), now=NOW)

    sentence = lxml_html.document_fromstring(client.get(to("review", issue)).content.decode()).get_element_by_id(
        "verdict"
    )

    for other in sentence.find_class("now") + sentence.find_class("at"):
        other.drop_tree()
    assert " ".join(sentence.text_content().split()) == (
        "Tomorrow at 08:00 WIB, 5 readers get Ringkasan mingguan #1: 3 in Indonesian, 2 in English. "
        "Not sent to 3 (1 paused, 1 bounced, 1 complained). It takes about 2 min. Approved by Rizky Pratama. "
        "No test was sent."
    )


def test_one_reader_gets_it(client, letter, checked):
    make_reader(letter)
    log_in(client, letter)

    assert "<strong>1 reader</strong> gets" in client.get(to("review", make_issue(letter))).content.decode()


def test_an_audience_nobody_understands_is_named_and_breaks_no_page(client, letter):
    issue = make_issue(letter)
    Issue.objects.filter(pk=issue.pk).update(audience={"zodiac": "leo"})
    log_in(client, letter)

    page = client.get(to("review", issue))

    assert page.status_code == 200
    assert "The audience is not valid." in page.content.decode()


def test_whoever_may_see_addresses_can_see_who_gets_nothing(client, letter, checked):
    make_reader(letter)
    make_reader(letter, status=SubscriptionStatus.PAUSED)
    issue, link = make_issue(letter), f"{reverse('subscriber-list')}?newsletter={letter.slug}&amp;status=paused"
    log_in(client, letter, role=Role.EDITOR)
    seen = client.get(to("review", issue)).content.decode()
    log_in(client, letter, role=Role.WRITER)

    assert link in seen
    assert link not in client.get(to("review", issue)).content.decode()


def test_a_reader_of_a_language_without_edition_counts_in_the_first_one(letter):
    make_reader(letter, language="fr")
    make_reader(letter, language="en")

    shares = decision.audience_equation(make_issue(letter)).shares

    assert [(share.language, share.count) for share in shares] == [("id", 1), ("en", 1)]


def test_readers_an_editor_stopped_are_a_term_of_the_equation(letter):
    make_reader(letter)
    stopped = make_reader(letter)
    suppression.suppress(stopped.subscriber.email_key, reason=SuppressionReason.MANUAL, now=NOW)

    readers = decision.audience_equation(make_issue(letter))

    assert (readers.confirmed, readers.count) == (2, 1)
    assert (1, "stopped by an editor") in readers.terms()


# --- plain and htmx, both languages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
@pytest.mark.parametrize(("language", "says"), [("en", "Review issue 1"), ("id", '<html lang="id"')])
def test_the_page_in_both_languages_plain_and_by_htmx(client, letter, checked, headers, language, says):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter, language=language)

    answer = client.get(to("review", issue), headers=headers)

    assert answer.status_code == 200
    assert says in answer.content.decode()
    assert 'id="verdict"' in answer.content.decode()


def test_hostile_words_are_inert(client, letter, checked):
    """T-70: what an article says, and what a check repeats of it."""
    bad = "<img src=x onerror=alert(1)>"
    document = make_document()
    document.blocks[0].words["id"].headline = bad
    document.envelopes["id"].subject = bad
    checked.append(Check("E19", "warns", False, f"{bad} does not answer."))
    issue = make_issue(letter, document=document)
    make_reader(letter)
    log_in(client, letter, name=bad)

    html = client.get(to("review", issue)).content.decode()

    assert bad not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


# --- when ------------------------------------------------------------------------------------------------------------


def test_send_now_waits_for_the_hold(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    answer = client.post(to("schedule", issue), fields(client.get(to("review", issue)), when="now"))

    issue.refresh_from_db()
    assert answer.headers["Location"] == to("progress", issue)
    assert (issue.status, issue.scheduled_at) == (IssueStatus.SCHEDULED, NOW + timedelta(seconds=120))


def test_without_a_rhythm_the_next_morning_at_eight_is_proposed(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    page = client.get(to("review", issue))
    client.post(to("schedule", issue), fields(page))

    issue.refresh_from_db()
    assert "Schedule for" in page.content.decode()
    assert "Wed 08:00\u00a0WIB" in page.content.decode()
    assert issue.scheduled_at == datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


def test_the_usual_time_is_the_last_one_a_rhythm_later(letter):
    sent_issue(letter, scheduled_at=NOW - timedelta(days=3))

    assert timing.propose_slot(make_issue(letter), now=NOW) == timing.Slot(NOW + timedelta(days=4), is_usual=True)


def test_a_daily_letter_goes_out_every_day(letter):
    sent_issue(letter, scheduled_at=NOW - timedelta(days=2))
    sent_issue(letter, scheduled_at=NOW - timedelta(days=1))

    assert timing.propose_slot(make_issue(letter), now=NOW + timedelta(minutes=1)).moment == NOW + timedelta(days=1)


def test_the_usual_hour_stays_on_the_clock_when_clocks_change():
    london = make_newsletter(time_zone="Europe/London")
    before = datetime(2026, 10, 20, 6, 0, tzinfo=UTC)  # 07:00 in summer time
    sent_issue(london, scheduled_at=before)

    slot = timing.propose_slot(make_issue(london), now=before + timedelta(days=1))

    assert slot.moment.astimezone(UTC) == datetime(2026, 10, 27, 7, 0, tzinfo=UTC)  # 07:00 in winter time


def test_a_time_of_ones_own_is_in_the_newsletters_zone(client, checked):
    letter = make_newsletter(time_zone="Asia/Jayapura")
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    page = client.get(to("review", issue) + "?when=at&on=2026-11-26&at=08:30")
    client.post(to("schedule", issue), fields(page))

    issue.refresh_from_db()
    assert "Thu 08:30\u00a0WIT" in page.content.decode()
    assert issue.scheduled_at == datetime(2026, 11, 25, 23, 30, tzinfo=UTC)


def test_a_time_that_the_button_did_not_name_has_to_be_confirmed(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    typed = {"when": "at", "on": "2026-11-27", "at": "09:00"}

    first = client.post(to("schedule", issue), fields(client.get(to("review", issue)), **typed))
    second = client.post(to("schedule", issue), fields(first))

    issue.refresh_from_db()
    assert first.status_code == 422
    assert "press it once more" in first.content.decode()
    assert "Fri 09:00\u00a0WIB" in first.content.decode()
    assert second.status_code == 302
    assert issue.scheduled_at == datetime(2026, 11, 27, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"on": "2026-11-23", "at": "08:00"}, "has passed"),
        ({"on": "2029-01-01", "at": "08:00"}, "within a year"),
        ({"on": "", "at": ""}, "Choose a date and a time"),
        ({"on": "soon", "at": "08:00"}, "valid date"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused_and_stays_in_the_field(client, letter, checked, typed, says):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    answer = client.post(to("schedule", issue), fields(client.get(to("review", issue)), when="at", **typed))

    issue.refresh_from_db()
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert typed["on"] in answer.content.decode()
    assert issue.status == IssueStatus.DRAFT


def test_t66_a_time_that_clocks_skip_is_refused(client, checked):
    berlin = make_newsletter(time_zone="Europe/Berlin")
    make_reader(berlin)
    issue = make_issue(berlin)
    log_in(client, berlin)

    page = client.get(to("review", issue))
    answer = client.post(to("schedule", issue), fields(page, when="at", on="2027-03-28", at="02:30"))

    assert answer.status_code == 422
    assert "The clocks jump over this time" in answer.content.decode()


def test_showing_a_time_comes_back_with_the_ticks_and_changes_nothing(client, letter, checked):
    issue = make_issue(letter)
    log_in(client, letter)

    answer = client.post(
        to("review", issue), {"when": "at", "on": "2026-11-27", "at": "09:00", "ticks": ["E19.b001.id"]}
    )

    assert answer.headers["Location"].endswith("?when=at&on=2026-11-27&at=09%3A00&ticks=E19.b001.id")
    assert not AuditEntry.objects.exists()


def test_the_rhythm_of_the_newsletter_is_the_time_proposed(client, letter, checked):
    letter.cadence = {"days": [3], "at": "06:30", "days_before": 1, "prepared_at": "09:00"}
    letter.save()
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    page = client.get(to("review", issue))
    client.post(to("schedule", issue), fields(page))

    issue.refresh_from_db()
    assert "Thursday 26 November 06:30\u00a0WIB" in page.content.decode()
    assert "The usual time, in 1\u00a0day 23\u00a0h" in page.content.decode()
    assert issue.scheduled_at == datetime(2026, 11, 25, 23, 30, tzinfo=UTC)


def test_a_time_chosen_by_htmx_runs_no_check_and_names_the_time(client, letter, monkeypatch):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    monkeypatch.setattr(preflight, "run_checks", lambda *args, **kwargs: pytest.fail("too slow for a click"))

    answer = client.get(
        to("review", issue) + "?when=at&on=2026-11-27&at=09:00", headers={"HX-Request": "true", "HX-Target": "verdict"}
    )

    parts = lxml_html.fragment_fromstring(answer.content.decode(), create_parent=True)
    assert "Friday 27 November at 09:00" in parts.get_element_by_id("verdict").text_content()
    assert "Fri 09:00\u00a0WIB" in parts.get_element_by_id("says").text_content()
    assert "in 3\u00a0days 2\u00a0h" in parts.get_element_by_id("ahead").text_content()
    assert parts.xpath("//*[@id='said']/input[@name='said_at']/@value") == ["2026-11-27T09:00:00+07:00"]
    assert len(parts.xpath("//*[@id='readers']")) == 1


def test_after_nine_in_the_evening_now_is_not_chosen_and_says_why(client, letter, checked, monkeypatch):
    late = datetime(2026, 11, 24, 15, 10, tzinfo=UTC)  # 22:10 in Jakarta
    monkeypatch.setattr("django.utils.timezone.now", lambda: late)
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    page = lxml_html.document_fromstring(client.get(to("review", issue)).content.decode())

    assert page.xpath("//input[@name='when'][@checked]/@value") == ["slot"]
    assert "It is 22:10\u00a0WIB: most readers sleep." in page.text_content()


# --- checks ----------------------------------------------------------------------------------------------------------


def test_what_blocks_disables_the_button_with_the_reason_and_refuses_the_post(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    clean = fields(client.get(to("review", issue)), when="now")
    checked[:] = BLOCKED

    html = client.get(to("review", issue)).content.decode()
    answer = client.post(to("schedule", issue), clean)

    issue.refresh_from_db()
    assert re.search(r'<button class="btn primary wide"[^>]* disabled>', html)
    assert "Not possible yet: “[TK]” is still in a text." in html
    assert f"{reverse('issue-compose', args=[issue.pk])}?language=id#b001" in html
    assert (answer.status_code, issue.status) == (422, IssueStatus.DRAFT)


def test_each_warning_wants_its_own_tick(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    checked[:] = WARNED
    page = client.get(to("review", issue))

    none = client.post(to("schedule", issue), fields(page, when="now"))
    one = client.post(to("schedule", issue), fields(page, when="now", ticks=["E19.b001.id"]))
    both = client.post(to("schedule", issue), fields(page, when="now", ticks=["E19.b001.id", "E17.b002."]))

    issue.refresh_from_db()
    assert (none.status_code, one.status_code, both.status_code) == (422, 422, 302)
    assert "Tick “The picture is heavy.”" in one.content.decode()
    assert re.search(r'value="E19.b001.id" required checked', one.content.decode())
    assert issue.status == IssueStatus.SCHEDULED


def test_the_same_check_of_two_languages_names_them(client, letter, checked):
    checked[:] = [
        Check("subject", "warns", False, "Issue 2 had the same subject.", None, code) for code in ("id", "en")
    ]
    issue = make_issue(letter)
    log_in(client, letter)

    page = lxml_html.document_fromstring(client.get(to("review", issue)).content.decode())

    said = [" ".join(one.text_content().split()) for one in page.find_class("tick")]
    assert said == [
        "Issue 2 had the same subject.Indonesian · Go there",
        "Issue 2 had the same subject.English · Go there",
    ]
    assert page.xpath("//label//a/@href")[1].endswith("/compose/?language=en#subject")


def test_two_links_of_one_block_want_two_ticks():
    one, other = (
        Check("E19", "warns", False, "…", "b001", "id", about=f"https://imigrasi.example/{n}") for n in (1, 2)
    )

    assert decision.check_key(one) != decision.check_key(other)
    assert decision.check_key(one) == decision.check_key(one)


def test_the_page_says_how_far_the_slow_checks_are_and_asks_for_them(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    page = lxml_html.document_fromstring(client.get(to("review", issue)).content.decode())

    look = page.get_element_by_id("look")
    assert "Links and articles have not been checked yet." in look.text_content()
    assert look.get("hx-post") == to("look", issue)
    assert page.get_element_by_id("look-form").get("action") == to("look", issue)
    assert "looked from:body" in page.get_element_by_id("checks-box").get("hx-trigger")


def test_an_article_that_changed_is_named_and_wants_an_answer(client, letter):
    make_reader(letter)
    article = Article.objects.create(
        guid="a", url="https://kabarlintas.example/id/autogate-1", title="Autogate dibuka", language="id"
    )
    document = make_document(stories=1)
    document.blocks[0].article, document.blocks[0].seen = article.pk, {"id": issues.snapshot_article(article)}
    issue = make_issue(letter, document=document)
    Article.objects.filter(pk=article.pk).update(title="Autogate ditunda", state="gone")
    log_in(client, letter)

    page = client.get(to("review", issue))

    assert page.context["plan"].blocking
    assert any(check.block == "b001" for check in page.context["plan"].blocking)
    assert f"{reverse('issue-compose', args=[issue.pk])}?language=id#b001" in page.content.decode()


def test_a_warning_that_came_up_meanwhile_is_not_passed_over(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    before = fields(client.get(to("review", issue)), when="now")
    checked[:] = WARNED[:1]

    assert client.post(to("schedule", issue), before).status_code == 422


def test_the_real_checks_block_an_issue_without_readers(client, letter):
    issue = make_issue(letter)
    log_in(client, letter)

    assert "so nobody would get it" in client.get(to("review", issue)).content.decode()


# --- how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "must"), [(2, True), (3, False), (6, False), (12, False), (13, True)])
def test_t65_an_unusual_number_must_be_typed(client, letter, checked, before, must):
    for _ in range(6):
        make_reader(letter)
    sent_issue(letter, before)
    issue = make_issue(letter)
    log_in(client, letter)
    page = client.get(to("review", issue))

    answers = [
        client.post(to("schedule", issue), fields(page, when="now", typed=typed)).status_code for typed in ("", "7")
    ]

    assert ('id="typed"' in page.content.decode()) is must
    assert answers[0] == (422 if must else 302)


@pytest.mark.parametrize(("four_eyes", "must"), [(False, True), (True, False)])
def test_t65_a_great_number_must_be_typed_or_approved_by_a_second_person(
    client, letter, checked, monkeypatch, four_eyes, must
):
    monkeypatch.setattr(decision, "LARGE_AUDIENCE", 6)
    type(letter).objects.update(four_eyes=four_eyes)
    for _ in range(6):
        make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)

    page = client.get(to("review", issue))

    assert ('id="typed"' in page.content.decode()) is must
    answer = client.post(to("schedule", issue), fields(page, when="now"))
    assert (
        (answer.status_code, b"Type the number of readers" in answer.content) == (422, True) if must else (302, False)
    )


@pytest.mark.parametrize("typed", ["6", " 6 "])
def test_the_typed_number_lets_it_go(client, letter, checked, typed):
    for _ in range(6):
        make_reader(letter)
    sent_issue(letter, 2)
    issue = make_issue(letter)
    log_in(client, letter)

    answer = client.post(to("schedule", issue), fields(client.get(to("review", issue)), when="now", typed=typed))

    assert answer.status_code == 302


@pytest.mark.parametrize(("typed", "meant"), [("11,026", 11026), ("11.026", 11026), ("11 026", 11026), ("", None)])
def test_a_number_may_be_typed_with_separators(typed, meant):
    from workers.studio.review.forms import CountField

    assert CountField(required=False).clean(typed) == meant


def test_readers_who_came_while_the_page_was_open_want_a_second_look(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    before = fields(client.get(to("review", issue)), when="now")
    for _ in range(6):
        make_reader(letter)

    first = client.post(to("schedule", issue), before)
    second = client.post(to("schedule", issue), fields(first))

    assert first.status_code == 422
    assert "It was 1 reader when you opened this page; it is 7 readers by now." in first.content.decode()
    assert second.status_code == 302


# --- approval --------------------------------------------------------------------------------------------------------


def test_one_person_approves_and_schedules_in_one_step(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    editor = log_in(client, letter)

    client.post(to("schedule", issue), fields(client.get(to("review", issue)), when="now"))

    issue.refresh_from_db()
    assert issue.approved_by == editor
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["issue-approved", "issue-scheduled"]


def test_four_eyes_the_writer_neither_approves_nor_sends_alone(client, checked):
    letter = make_newsletter(four_eyes=True)
    make_reader(letter)
    writer = log_in(client, letter)
    issue = make_issue(letter, editor=writer)
    page = client.get(to("review", issue))

    scheduled = client.post(to("schedule", issue), fields(page, when="now"), follow=True)
    approved = client.post(to("approve", issue), fields(page), follow=True)

    issue.refresh_from_db()
    assert "a second person has to approve it first" in page.content.decode()
    assert "Another editor has to approve this issue" in scheduled.content.decode()
    assert "you made the last change" in approved.content.decode()
    assert issue.status == IssueStatus.DRAFT


def test_four_eyes_another_editor_approves_and_the_publisher_sends(client, checked):
    letter = make_newsletter(four_eyes=True)
    make_reader(letter)
    issue = make_issue(letter, editor=make_editor(letter))
    rizky = log_in(client, letter, role=Role.EDITOR, name="Rizky Pratama")
    client.post(to("approve", issue), fields(client.get(to("review", issue))))
    log_in(client, letter)

    page = client.get(to("review", issue))
    client.post(to("schedule", issue), fields(page, when="now"))

    issue.refresh_from_db()
    assert "Approved by Rizky Pratama" in page.content.decode()
    assert (issue.status, issue.approved_by) == (IssueStatus.SCHEDULED, rizky)


def test_an_approval_that_lapsed_with_the_settings_is_given_once_more(client, letter, checked):
    make_reader(letter)
    issue = issues.approve(make_issue(letter), editor=None, now=NOW)
    letter.postal_address = "Redaksi Kabar Lintas, Jl. Baru No. 2, Jakarta 12345"
    letter.save()
    log_in(client, letter)

    page = client.get(to("review", issue))
    client.post(to("schedule", issue), fields(page, when="now"))

    issue.refresh_from_db()
    assert "Something changed since it was approved" in page.content.decode()
    assert issue.status == IssueStatus.SCHEDULED


def test_an_issue_with_a_blocking_check_is_not_approved(client, letter, checked):
    issue = make_issue(letter)
    log_in(client, letter, role=Role.EDITOR)
    page = fields(client.get(to("review", issue)))
    checked[:] = BLOCKED

    answer = client.post(to("approve", issue), page, follow=True)

    issue.refresh_from_db()
    assert "Not approved: “[TK]” is still in a text." in answer.content.decode()
    assert issue.status == IssueStatus.DRAFT


# --- everything again on POST ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["schedule", "approve"])
def test_an_issue_edited_meanwhile_wants_a_second_look(client, letter, checked, name):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    before = fields(client.get(to("review", issue)), when="now")
    issues.save(issue, make_document(stories=2), version=issue.version, editor=None, now=NOW)

    answer = client.post(to(name, issue), before, follow=True)

    issue.refresh_from_db()
    assert "The issue was edited since you opened this page." in answer.content.decode()
    assert issue.status == IssueStatus.DRAFT


def test_a_second_press_says_where_the_issue_is(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter)
    pressed = fields(client.get(to("review", issue)), when="now")
    client.post(to("schedule", issue), pressed)

    answer = client.post(to("schedule", issue), pressed, follow=True)

    assert answer.redirect_chain == [(to("progress", issue), 302)]
    assert "Issue 1 is now “Scheduled”" in answer.content.decode()


@pytest.mark.parametrize("name", ["approve", "schedule", "test"])
def test_a_look_at_a_step_does_nothing(client, letter, name):
    issue = make_issue(letter)
    log_in(client, letter)

    assert client.get(to(name, issue)).status_code == 405


# --- who -------------------------------------------------------------------------------------------------------------

STEPS = {
    # name: (method, roles that may)
    "review": ("get", {"writer", "editor", "publisher", "administrator"}),
    "test": ("post", {"writer", "editor", "publisher", "administrator"}),
    "approve": ("post", {"editor", "publisher", "administrator"}),
    "schedule": ("post", {"publisher", "administrator"}),
    "progress": ("get", {"writer", "editor", "publisher", "administrator"}),
    "stop": ("post", {"publisher", "administrator"}),
    "pause": ("post", {"publisher", "administrator"}),
    "resume": ("post", {"publisher", "administrator"}),
    "cancel": ("post", {"publisher", "administrator"}),
    "send-again": ("post", {"publisher", "administrator"}),
    "report": ("get", {"writer", "editor", "publisher", "administrator"}),
    "report-csv": ("post", {"editor", "publisher", "administrator"}),
}


@pytest.mark.parametrize("role", list(Role.values))
@pytest.mark.parametrize("name", list(STEPS))
def test_t61_who_may_take_which_step(client, letter, checked, monkeypatch, role, name):
    monkeypatch.setattr(test_mail, "send", lambda *args, **kwargs: [])
    method, may = STEPS[name]
    issue = make_issue(letter)
    log_in(client, letter, role=role)

    answer = getattr(client, method)(to(name, issue))

    assert (answer.status_code != 403) is (role in may)


@pytest.mark.parametrize("name", list(STEPS))
def test_t61_issues_of_another_newsletter_are_not_there(client, letter, name):
    log_in(client, make_newsletter(), role=Role.ADMINISTRATOR)

    assert getattr(client, STEPS[name][0])(to(name, make_issue(letter))).status_code == 404


@pytest.mark.parametrize("name", list(STEPS))
def test_nobody_takes_a_step_without_logging_in(client, letter, name):
    answer = getattr(client, STEPS[name][0])(to(name, make_issue(letter)))

    assert answer.status_code == 302
    assert "/studio/account/login" in answer.headers["Location"]


def test_a_writer_sees_why_the_button_is_not_hers(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    log_in(client, letter, role=Role.WRITER)

    assert "a publisher or administrator sends" in client.get(to("review", issue)).content.decode()


VOIDING = {
    "content": None,
    "audience": None,
    "languages": ["id"],
    "brand": "Kabar Baru",
    "from_name": "Redaksi Baru",
    "from_email": "baru@kabarlintas.example",
    "reply_to": "jawab@kabarlintas.example",
    "postal_address": "Redaksi Kabar Lintas, Jl. Baru No. 2, Jakarta 12345",
    "tracking": "off",
}
"""What an approval is bound to (decision 8), and another value of it."""


def change_one(ingredient, issue):
    if ingredient == "content":
        Issue.objects.filter(pk=issue.pk).update(content=content.dump(make_document(stories=2)))
    elif ingredient == "audience":
        Issue.objects.filter(pk=issue.pk).update(audience={"language": "id"})
    else:
        setattr(issue.newsletter, ingredient, VOIDING[ingredient])
        issue.newsletter.save()


@pytest.mark.parametrize("ingredient", list(VOIDING))
def test_8_an_approval_ends_with_a_change_of_any_ingredient(client, letter, checked, ingredient):
    make_reader(letter)
    issue = issues.approve(make_issue(letter), editor=None, now=NOW)
    log_in(client, letter)
    before = client.get(to("review", issue)).context["plan"].is_approved

    change_one(ingredient, issue)

    plan = client.get(to("review", issue)).context["plan"]
    assert (before, plan.is_approved, plan.approval_lapsed) == (True, False, True)


@pytest.mark.parametrize("ingredient", list(VOIDING))
def test_8_a_scheduled_issue_is_held_back_with_the_reason(letter, checked, ingredient):
    make_reader(letter)
    issue = issues.approve(make_issue(letter), editor=None, now=NOW)
    issue = issues.schedule(issue, at=NOW, editor=None, now=NOW)

    change_one(ingredient, issue)
    begun = begin()

    issue.refresh_from_db()
    assert (begun, issue.status) == ([], IssueStatus.PAUSED)
    assert issue.pause_reason.startswith("Ada yang berubah sejak edisi ini disetujui")


def test_63_a_rise_of_the_template_version_leaves_the_approval(client, letter, checked, monkeypatch):
    issue = issues.approve(make_issue(letter), editor=None, now=NOW)
    log_in(client, letter)

    monkeypatch.setattr(issues, "TEMPLATE_VERSION", "next")

    assert client.get(to("review", issue)).context["plan"].is_approved


def test_8_what_readers_do_not_notice_leaves_the_approval(client, letter, checked):
    issue = issues.approve(make_issue(letter), editor=None, now=NOW)
    letter.first_batch, letter.hold_s, letter.description = 20, 60, "Baru"
    letter.save()
    log_in(client, letter)

    assert client.get(to("review", issue)).context["plan"].is_approved


# --- test mails ------------------------------------------------------------------------------------------------------


def test_a_test_goes_to_the_editor_in_every_language_and_makes_no_delivery(client, letter, checked):
    make_reader(letter)
    issue = make_issue(letter)
    editor = log_in(client, letter)

    answer = client.post(to("test", issue), {"ticks": ["E19.b001.id"]}, follow=True)

    html = answer.content.decode()
    assert html.count(f"Test sent to {editor.email}") == 2
    assert "Nothing changed since." in html
    assert answer.redirect_chain[0][0].endswith("?ticks=E19.b001.id")
    assert not Batch.objects.exists()
    assert AuditEntry.objects.filter(actor=editor).count() == 1


def test_by_htmx_only_the_test_box_comes_back(client, letter, checked):
    issue = make_issue(letter)
    editor = log_in(client, letter)

    answer = client.post(to("test", issue), {}, headers={"HX-Request": "true", "HX-Target": "test-box"})

    html = answer.content.decode().strip()
    assert html.startswith('<section class="sec" aria-labelledby="test" id="test-box">')
    assert html.count(f"Test sent to {editor.email}") == 2


def test_the_providers_refusal_is_shown_as_it_is(client, letter, checked, monkeypatch):
    said = [test_mail.MailTestResult("ayu@kabarlintas.example", "id", False, "554", "Sender <b>rejected</b>")]
    monkeypatch.setattr(test_mail, "send", lambda *args, **kwargs: said)
    issue = make_issue(letter)
    log_in(client, letter)

    html = client.post(to("test", issue), {}, follow=True).content.decode()

    assert "554 Sender &lt;b&gt;rejected&lt;/b&gt;" in html


def test_further_addresses_get_the_test_too_and_are_there_next_time(client, letter, checked):
    issue = make_issue(letter)
    editor = log_in(client, letter)

    answer = client.post(to("test", issue), {"to": "rizky@k.example; BUDI@K.example\nrizky@k.example"}, follow=True)

    said = answer.content.decode()
    assert [said.count(f"Test sent to {one} (") for one in (editor.email, "rizky@k.example", "BUDI@k.example")] == [
        2
    ] * 3
    assert "rizky@k.example; BUDI@K.example\nrizky@k.example</textarea>" in said
    assert "rizky@k.example" not in answer.redirect_chain[0][0]


def test_addresses_typed_survive_a_look_at_another_time(client, letter, checked):
    issue = make_issue(letter)
    log_in(client, letter)

    answer = client.post(to("review", issue), {"when": "at", "to": "rizky@k.example"}, follow=True)

    assert "rizky@k.example</textarea>" in answer.content.decode()
    assert "rizky" not in answer.redirect_chain[0][0]


def test_addresses_stay_with_their_newsletter(client, letter, checked):
    other = make_newsletter()
    editor = log_in(client, letter)
    Membership.objects.create(editor=editor, newsletter=other, role=Role.WRITER)
    client.post(to("test", make_issue(letter)), {"to": "rizky@k.example"})

    assert "rizky@k.example</textarea>" not in client.get(to("review", make_issue(other))).content.decode()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("rizky@", "“rizky@”: A part before or after the @ is missing."),
        (" ".join(f"a{number}@k.example" for number in range(6)), "A test goes to at most 5 further addresses."),
        ("marah@k.example", "marah@k.example is not to get mail from us any more, not even a test."),
        ("x" * 1001, "at most 1000 characters"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true", "HX-Target": "test-box"}])
def test_addresses_that_will_not_do_are_refused_beside_their_field(client, letter, checked, headers, typed, says):
    suppression.suppress("marah@k.example", reason=SuppressionReason.COMPLAINED, now=NOW)
    issue = make_issue(letter)
    log_in(client, letter)

    answer = client.post(to("test", issue), {"to": typed}, headers=headers)

    assert answer.status_code == 422
    page = lxml_html.document_fromstring(answer.content.decode())
    assert says in page.get_element_by_id("to-error").text_content()
    assert page.get_element_by_id("to").get("aria-invalid") == "true"
    assert not AuditEntry.objects.filter(action="issue-tested").exists()


def test_a_writer_sends_tests_to_colleagues_only(client, letter, checked):
    rizky = make_editor(letter, email="Rizky@kabarlintas.example")
    issue = make_issue(letter)
    log_in(client, letter, role=Role.WRITER)

    outside = client.post(to("test", issue), {"to": "siti@pembaca.example"})
    inside = client.post(to("test", issue), {"to": rizky.email.lower()}, follow=True)

    assert outside.status_code == 422
    assert "Your role sends tests to people who work on this newsletter." in outside.content.decode()
    assert inside.content.decode().count("Test sent to rizky@kabarlintas.example") == 2


def test_too_many_tests_are_refused_in_words(client, letter, checked):
    issue = make_issue(letter)
    editor = log_in(client, letter)
    AuditEntry.objects.create(action="issue-tested", actor=editor, detail={"mails": 60}, occurred_at=NOW)

    answer = client.post(to("test", issue), {}, follow=True)

    assert "You sent 60 test mails within ten minutes." in answer.content.decode()


def test_from_the_composer_a_line_comes_back(client, letter, checked):
    issue = make_issue(letter)
    editor = log_in(client, letter)

    answer = client.post(to("test", issue), {}, headers={"HX-Request": "true"})

    said = lxml_html.fragment_fromstring(answer.content.decode().strip())
    assert said.get("role") == "status"
    assert said.text_content().count(f"Test sent to {editor.email}") == 2


def test_from_the_composer_without_script_one_comes_back_to_it(client, letter, checked):
    issue = make_issue(letter)
    log_in(client, letter)
    compose = reverse("issue-compose", args=[issue.pk])

    answer = client.post(to("test", issue), {}, headers={"Referer": f"http://testserver{compose}?language=en"})

    assert answer.headers["Location"] == compose


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_an_issue_on_its_way_is_not_tested(client, letter, checked, headers):
    issue = make_issue(letter)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT)
    log_in(client, letter)

    answer = client.post(to("test", issue), {}, headers=headers, follow=True)

    assert "Issue 1 is now “Sent”" in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_the_page_says_how_long_ago_the_test_was_and_what_changed_since(client, letter, checked, monkeypatch):
    issue = make_issue(letter)
    log_in(client, letter)
    client.post(to("test", issue))
    document = content.parse(issue.content)
    document.blocks[0].words["id"].url = "https://kabarlintas.example/id/baru"
    issues.save(issue, document, version=issue.version, editor=None, now=NOW)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(minutes=3))

    page = lxml_html.document_fromstring(client.get(to("review", issue)).content.decode())

    box = " ".join(page.get_element_by_id("test-box").text_content().split())
    assert "Tested 3 min ago. 1 link changed since your test." in box
    assert "Imigrasi buka jalur autogate ke-1: now leads to kabarlintas.example/id/baru" in box
    assert "1 link changed since your test." in page.get_element_by_id("verdict").text_content()


# --- what each language gets, against the last issue -----------------------------------------------------------------


def test_the_matrix_says_what_each_language_gets(letter):
    document = make_document(stories=4)
    for block, policy in zip(document.blocks[1:], ("optional", "fallback", "required"), strict=True):
        del block.words["en"]
        block.policy["en"] = policy
    del document.envelopes["en"]

    rows = content_by_language.matrix(make_issue(letter, document=document))

    assert [[cell.text for cell in row.cells] for row in rows] == [
        ["37 characters", "From the first language"],
        ["Ready", "Ready"],
        ["Ready", "Left out"],
        ["Ready", "Indonesian, with a note"],
        ["Ready", "Missing"],
    ]
    assert rows[1].title == "Imigrasi buka jalur autogate ke-1"


def test_each_language_says_how_many_of_the_blocks_it_has(letter):
    document = make_document(stories=3)
    del document.blocks[1].words["en"]
    document.blocks[1].policy["en"] = "optional"

    rows = content_by_language.matrix(make_issue(letter, document=document))

    assert content_by_language.coverage(rows) == ["all 3 blocks", "2 of 3 blocks"]


def test_every_kind_of_block_has_a_name_on_the_page(client, letter, checked):
    document = content.Document(blocks=[kind() for kind in content.BLOCK_TYPES.values()])
    log_in(client, letter)

    page = client.get(to("review", make_issue(letter, document=document)))

    assert page.status_code == 200
    assert "Questions and answers" in page.content.decode()


@pytest.mark.parametrize(("changed", "says"), [([], "unchanged"), (["from_email", "hold_s"], "sender's address")])
def test_a_sender_that_changed_since_the_last_issue_is_named(client, letter, checked, changed, says):
    sent_issue(letter)
    AuditEntry.objects.create(
        action="settings-changed", newsletter=letter, detail={"fields": changed}, occurred_at=NOW - timedelta(days=1)
    )
    log_in(client, letter)

    page = lxml_html.document_fromstring(client.get(to("review", make_issue(letter))).content.decode())

    assert says in page.find_class("vs")[0].text_content()


def test_a_note_to_a_few_is_no_measure_for_the_next_issue(letter):
    regular = sent_issue(letter, 10000)
    note = sent_issue(letter, 40, scheduled_at=NOW - timedelta(days=1))
    Issue.objects.filter(pk=note.pk).update(audience={"got_issue": regular.pk})

    assert issues.last_sent(make_issue(letter)) == regular


def test_the_issue_is_compared_with_the_last_one(letter):
    last = sent_issue(letter, 10982)
    document = make_document(stories=2)
    document.blocks.append(content.Callout(words={"id": content.TextWords(heading="Awas penipuan")}))
    issue = make_issue(letter, document=document)

    rows = last_issue_comparison.compare(issue, last, count=11026)

    assert (rows[0].before, rows[0].now) == ("10,982", "11,026")
    assert (rows[2].before, rows[2].now, rows[2].why) == ("3", "3", "new: Notice")
