"""Reports: words first, clicks apart from scanners, opens last; and the chart's numbers beside the chart."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from django.urls import reverse

from newsletter.models import AuditEntry, Issue, IssueStatus, Link, Role, Tracking
from subscribers.studio import timeline
from subscribers.studio.timeline import TimelineQuery
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, Delivery, DeliveryStatus, Event, Outcome, Tally
from workers.studio.reports import charts
from workers.studio.reports import views as results

pytestmark = pytest.mark.django_db

LIST = "/studio/reports/"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(days=3))


def sent_issue(**fields):
    """An issue that went to three readers and has two links."""
    issue, people = make_sending_issue(readers=3, **fields)
    Batch.objects.filter(issue=issue).update(status="done", accepted=3, sent_at=NOW)
    assert ledger.finish(issue, now=NOW + timedelta(minutes=2))
    for number, label in ((1, "Baca cara memakai autogate"), (2, "Perpanjangan izin tinggal")):
        Link.objects.create(
            issue=issue,
            issue_key=issue.pk,
            number=number,
            language="id",
            url=f"https://kabarlintas.example/{number}",
            label=label,
        )
    return Issue.objects.select_related("newsletter").get(pk=issue.pk), people


def count(issue, link, number, *, hour=0, kind="clicked", agent="human", language="id"):
    at = NOW + timedelta(hours=hour)
    Tally.objects.create(issue=issue, hour=at, link=link, language=language, kind=kind, agent_class=agent, count=number)


def log_in(client, issue, role=Role.PUBLISHER, **fields):
    editor = make_editor(issue.newsletter, role=role, **fields)
    client.force_login(editor)
    return editor


def report_of(issue):
    return reverse("issue-report", args=[issue.pk])


def test_the_report_begins_with_sentences(client):
    issue, _people = sent_issue()
    count(issue, 1, 3)
    count(issue, 2, 1, hour=2)
    log_in(client, issue)

    page = client.get(report_of(issue))

    assert page.context["said"] == [
        "Ringkasan mingguan #1 went to 3 readers on Tuesday, 24 November 2026, 07:00 WIB.",
        "Its links were clicked 4 times.",
        "Most went to “Baca cara memakai autogate”: 75\u00a0%.",
        "0 readers left through it, 0 complained.",
    ]
    assert '<p class="said">' in page.content.decode()


def test_decision_35_counted_together_a_report_speaks_of_clicks_never_of_readers_who_clicked(client):
    issue, _people = sent_issue()
    count(issue, 1, 3)
    log_in(client, issue)

    html = client.get(report_of(issue)).content.decode()

    assert "Clicks by people" in html
    assert "Readers who clicked" not in html
    assert "nobody can say who clicked" in html


def test_measured_singly_the_readers_who_clicked_are_named_as_a_number(client):
    issue, people = sent_issue(tracking=Tracking.INDIVIDUAL)
    people[0].may_track = True
    people[0].save()
    Delivery.objects.create(
        issue=issue, subscription=people[0].pk, batch=Batch.objects.first(), outcome="accepted", first_clicked_at=NOW
    )
    log_in(client, issue)

    html = client.get(report_of(issue)).content.decode()

    assert "<dt>Readers who clicked</dt><dd>1<small>of 1 who agreed to be measured</small>" in html


def test_with_measurement_off_the_report_says_that_nothing_is_counted(client):
    issue, _people = sent_issue(tracking=Tracking.OFF)
    log_in(client, issue)

    html = client.get(report_of(issue)).content.decode()

    assert "nothing is counted" in html
    assert "Opened, at least" not in html


def test_s61_scanners_are_in_no_other_figure_and_opens_come_last(client):
    issue, _people = sent_issue()
    count(issue, 1, 2)
    count(issue, 1, 500, agent="scanner")
    count(issue, 1, 7, agent="unknown")
    count(issue, 0, 2, kind="opened")
    log_in(client, issue)

    html = client.get(report_of(issue)).content.decode()

    assert "clicked 500 times, unknown programs 7 times" in html
    labels = re.findall(r"<dt>([^<]*)</dt>", html)
    assert labels[-1] == "Opened, at least"
    assert "<dt>Clicks by people</dt><dd>2<" in html


@pytest.mark.parametrize(("language", "says"), [("en", "Most clicked"), ("id", '<html lang="id"')])
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_the_report_in_both_languages_plain_and_by_htmx(client, language, says, headers):
    issue, _people = sent_issue()
    log_in(client, issue, language=language)

    assert says in client.get(report_of(issue), headers=headers).content.decode()


def test_an_issue_that_has_not_begun_has_no_report_yet(client):
    issue = make_issue()
    log_in(client, issue)

    assert client.get(report_of(issue)).headers["Location"] == reverse("issue-review", args=[issue.pk])


def test_reasons_of_refusals_are_counted_and_inert(client):
    bad = "550 <script>alert(1)</script>"
    issue, people = sent_issue()
    batch = Batch.objects.first()
    for reader in people[:2]:
        Delivery.objects.create(issue=issue, subscription=reader.pk, batch=batch, outcome=Outcome.REFUSED, detail=bad)
    Delivery.objects.create(
        issue=issue,
        subscription=people[2].pk,
        batch=batch,
        outcome="accepted",
        status=DeliveryStatus.BOUNCED,
        code="5.1.1",
    )
    log_in(client, issue)

    page = client.get(report_of(issue))

    assert [(row["kind"], row["count"]) for row in page.context["reasons"]] == [("refused", 2), ("bounced", 1)]
    assert bad not in page.content.decode()


# --- clicks over time ------------------------------------------------------------------------------------------------


def test_the_table_has_the_numbers_of_the_chart_hour_by_hour(client):
    issue, _people = sent_issue()
    count(issue, 1, 3, hour=0)
    count(issue, 1, 2, hour=3)
    count(issue, 2, 1, hour=3)
    count(issue, 1, 99, hour=48)
    log_in(client, issue)

    page = client.get(report_of(issue))

    rows = [(row["hour"], row["clicks"], row["so_far"]) for row in page.context["hours"]]
    assert rows == [(1, 3, 3), (2, 0, 3), (3, 0, 3), (4, 3, 6)]
    html = page.content.decode()
    assert 'aria-label="Clicks by people in the first 4 hours: 6, half of them within 1 h."' in html
    assert html.count('<path class="line"') == 2  # for a desk and for a phone


def test_without_clicks_there_is_no_chart(client):
    issue, _people = sent_issue()
    log_in(client, issue)

    html = client.get(report_of(issue)).content.decode()

    assert '<svg class="chart"' not in html
    assert "No clicks yet." in html


@pytest.mark.parametrize(
    ("highest", "steps"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (7, [0, 2, 4, 6, 8]),
        (40, [0, 10, 20, 30, 40]),
        (41, [0, 20, 40, 60]),
        (2148, [0, 1000, 2000, 3000]),
        (10982, [0, 5000, 10000, 15000]),
    ],
)
def test_the_axis_has_round_numbers(highest, steps):
    assert charts.nice_ticks(highest) == steps


def test_a_line_runs_from_the_left_to_the_right_edge():
    chart = charts.line_chart([("This issue", [0, 10])], title="Clicks", labels=[(0, "0 h"), (1, "1 h")])

    assert chart.lines[0].path == "M56 228L936 32"
    assert [mark.at for mark in chart.x_ticks] == [56, 936]


def test_two_labels_never_stand_on_each_other():
    chart = charts.line_chart([("This issue", [0, 10]), ("Issue 6", [0, 10])], title="", labels=[])

    one, other = sorted(line.label_y for line in chart.lines)
    assert other - one >= 14
    assert 12 <= one < other < 32, "both above the lines, inside the picture"


def test_a_label_never_lies_on_the_line_below_it():
    chart = charts.line_chart([("This issue", [0, 75]), ("Issue 6", [0, 78])], title="", labels=[])

    main, before = chart.lines
    ends = [int(line.path.rsplit(" ", 1)[1]) for line in chart.lines]
    assert main.label_y < ends[0]
    assert before.label_y < ends[1]


def test_all_numbers_of_a_chart_lie_in_its_view():
    chart = charts.line_chart([("a", [0, 5, 7, 2]), ("b", [3])], title="", labels=[(3, "x")])

    numbers = [int(number) for line in chart.lines for number in re.findall(r"\d+", line.path)]
    assert all(0 <= number <= chart.width for number in numbers)


# --- the list and the export -----------------------------------------------------------------------------------------


def test_the_list_shows_issues_that_went_out_of_ones_own_newsletters(client):
    issue, _people = sent_issue()
    make_issue(issue.newsletter)
    sent_issue()
    log_in(client, issue, role=Role.WRITER)

    rows = client.get(LIST).context["rows"]

    assert [row["issue"].pk for row in rows] == [issue.pk]


def test_an_empty_list_says_what_will_be_there(client):
    client.force_login(make_editor(make_newsletter()))

    assert "No reports yet" in client.get(LIST).content.decode()


def test_t51_the_export_has_no_formulas_and_is_recorded(client):
    issue, _people = sent_issue()
    Link.objects.filter(number=1).update(label='=HYPERLINK("http://boese.example")')
    count(issue, 1, 3)
    editor = log_in(client, issue)

    answer = client.post(reverse("issue-report-csv", args=[issue.pk]))

    text = answer.content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1] == ['\'=HYPERLINK("http://boese.example")', "https://kabarlintas.example/1", "3", "100\u00a0%"]
    assert text.startswith('"Link","Address","Clicks","Share"')
    entry = AuditEntry.objects.get(action="report-exported")
    assert (entry.actor, entry.subject) == (editor, f"issue {issue.pk}")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_t51_cells_that_could_be_formulas(start):
    assert results.escape_formula(f"{start}1+1") == f"'{start}1+1"
    assert results.escape_formula(f"a{start}1+1") == f"a{start}1+1"


# --- on a reader's timeline ------------------------------------------------------------------------------------------


def deliver(issue, reader, **fields):
    given = {"outcome": Outcome.ACCEPTED, "sent_at": NOW}
    return Delivery.objects.create(
        issue=issue, subscription=reader.pk, batch=Batch.objects.first(), **{**given, **fields}
    )


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({}, "Got Ringkasan mingguan #1"),
        ({"status": "delivered", "delivered_at": NOW}, "Got Ringkasan mingguan #1"),
        ({"status": "bounced", "code": "5.2.2"}, "Ringkasan mingguan #1 bounced"),
        ({"status": "complained"}, "Complained about Ringkasan mingguan #1"),
        ({"outcome": "refused"}, "Ringkasan mingguan #1 was refused"),
        ({"outcome": "deferred"}, "Ringkasan mingguan #1 is tried again"),
        ({"outcome": "skipped", "sent_at": None}, "Left out of Ringkasan mingguan #1"),
        ({"outcome": "uncertain"}, "May have got Ringkasan mingguan #1: uncertain"),
    ],
)
def test_a_reader_s_mail_is_told_by_outcome_and_report(fields, title):
    issue, people = sent_issue()
    deliver(issue, people[0], **fields)

    entries, _older = timeline.load_entries(TimelineQuery([people[0]]), kind=timeline.MAIL)

    assert [entry.title for entry in entries] == [title]


def click(issue, reader):
    Event.objects.create(
        issue=issue.pk, subscription=reader.pk, kind="clicked", link=1, occurred_at=NOW + timedelta(hours=1)
    )


@pytest.mark.parametrize(
    ("tracking", "agreed", "shown"),
    [
        (Tracking.INDIVIDUAL, True, ["Clicked “Baca cara memakai autogate”"]),
        (Tracking.INDIVIDUAL, False, []),
        (Tracking.AGGREGATE, True, []),
        (Tracking.OFF, True, []),
    ],
)
def test_c05_clicks_are_shown_only_while_measurement_is_agreed_to(tracking, agreed, shown):
    issue, people = sent_issue(tracking=tracking)
    siti = make_reader(issue.newsletter, may_track=agreed)
    click(issue, siti)

    entries, _older = timeline.load_entries(TimelineQuery([siti]), kind=timeline.CLICK)

    assert [entry.title for entry in entries] == shown


def test_the_reader_s_page_shows_mail_between_consent(client):
    issue, people = sent_issue()
    deliver(issue, people[0], status="bounced", code="5.2.2", detail="<b>Mailbox full</b>")
    log_in(client, issue)

    html = client.get(reverse("subscriber", args=[people[0].subscriber.public_id])).content.decode()

    assert "Ringkasan mingguan #1 bounced" in html
    assert "5.2.2 &lt;b&gt;Mailbox full&lt;/b&gt;" in html
    assert f'href="{report_of(issue)}"' in html
    assert issue.status == IssueStatus.SENT
