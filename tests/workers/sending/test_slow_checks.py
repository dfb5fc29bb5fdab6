"""Slow checks in a worker: one at a time, shown by the checks; a due issue waits for them or is held."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from newsletter import content, issues
from newsletter.articles import article_changes
from newsletter.checks import link_checker
from newsletter.fetching import http_client
from newsletter.models import Article, ArticleState, Issue, IssueStatus
from tests.factories import NOW, make_document, make_issue, make_newsletter, make_reader
from workers.sending import lifecycle, preflight, slow_checks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_network")]


def due_issue(document: content.Document | None = None, **fields) -> Issue:
    """A due issue without a check."""
    newsletter = make_newsletter(languages=["id"], **fields)
    make_reader(newsletter)
    issue = issues.approve(
        make_issue(newsletter, document=document or make_document(languages=("id",))), editor=None, now=NOW
    )
    return issues.schedule(issue, at=NOW, editor=None, now=NOW)


def again(issue: Issue) -> Issue:
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def lines(issue: Issue, name: str, *, now=NOW) -> list[tuple[str, bool, str]]:
    return [(one.severity, one.ok, one.message) for one in preflight.run_checks(issue, now=now) if one.id == name]


# --- the task --------------------------------------------------------------------------------------------------------


def test_a_tick_names_who_waits_and_a_look_ends_it():
    issue = make_issue()
    link_checker.request_check(issue, now=NOW)
    assert slow_checks.due_issues(now=NOW) == [issue.pk]

    slow_checks.check(issue.pk, now=NOW + timedelta(seconds=1))

    assert slow_checks.due_issues(now=NOW + timedelta(seconds=2)) == []


def test_two_workers_do_not_look_at_the_same_issue(monkeypatch):
    issue = make_issue()
    link_checker.request_check(issue, now=NOW)
    nested = []
    monkeypatch.setattr(
        article_changes, "refresh_articles", lambda *_, **__: nested.append(slow_checks.due_issues(now=NOW))
    )

    slow_checks.check(issue.pk, now=NOW)
    slow_checks.check(999, now=NOW)

    assert nested == [[]]


def test_the_checks_say_when_every_link_answered():
    issue = due_issue()
    slow_checks.check(issue.pk, now=NOW)

    assert lines(again(issue), "E19", now=NOW + timedelta(minutes=2)) == [
        ("warns", True, "All 3 links answer. Checked 2 minutes ago.")
    ]


def test_e19_a_dead_link_is_named_with_the_reason_and_the_age(monkeypatch):
    def try_link(url, **_):
        if url.endswith("autogate-2"):
            raise http_client.PageGone("There is no page at this address (any more).")
        if url.endswith("autogate-3"):
            raise http_client.AccessDenied("The site does not let us in.")
        return url

    monkeypatch.setattr(http_client, "check_link", try_link)
    issue = due_issue()

    assert slow_checks.check(issue.pk, now=NOW) == 2

    found = [one for one in preflight.run_checks(again(issue), now=NOW) if one.id == "E19"]
    assert [(one.severity, one.block, one.language, one.message) for one in found] == [
        (
            "warns",
            "b002",
            "id",
            (
                "The link “Imigrasi buka jalur autogate ke-2” does not work: There is no page at this address (any more). "
                "Checked just now."
            ),
        ),
        (
            "suggests",
            "b003",
            "id",
            (
                "The link “Imigrasi buka jalur autogate ke-3” leads to a site that keeps programs out. Open it once "
                "yourself. Checked just now."
            ),
        ),
    ]


def test_e19_links_edited_since_are_not_tried_yet():
    issue = make_issue(make_newsletter(languages=["id"]), document=make_document(languages=("id",)))
    slow_checks.check(issue.pk, now=NOW)
    document = content.parse(issue.content)
    document.blocks[0].words["id"].url = "https://kabarlintas.example/lain"
    issue = issues.save(again(issue), document, version=issue.version, editor=None, now=NOW)

    [pending] = [one for one in preflight.run_checks(again(issue), now=NOW) if one.id == "E19"]

    assert (pending.ok, pending.is_pending, pending.severity) == (False, True, "suggests")
    assert pending.message == "1 link has not been tried yet."


# --- SpamAssassin ----------------------------------------------------------------------------------------------------


REPORT = """\
X-Spam-Checker-Version: SpamAssassin 4.0.1
X-Spam-Level: *
X-Spam-Status: No, score=1.7 required=5.0 tests=HTML_IMAGE_RATIO_02,
\tMISSING_DATE autolearn=no autolearn_force=no version=4.0.1
Subject: x

"""


@pytest.fixture
def spamassassin(monkeypatch, tmp_path):
    """Install a program that prints this SpamAssassin report."""
    program = tmp_path / "spamassassin"

    def install(report: str) -> None:
        (tmp_path / "report").write_text(report)
        program.write_text(f'#!/bin/sh\ncat > /dev/null\ncat "{tmp_path}/report"\n')
        program.chmod(0o700)
        monkeypatch.setattr(shutil, "which", lambda _program: str(program))

    return install


def test_e29_where_it_is_not_installed_nothing_is_asked_of_anybody():
    issue = due_issue()
    slow_checks.check(issue.pk, now=NOW)

    assert lines(again(issue), "E29") == [
        ("warns", True, "SpamAssassin is not installed here, so there is no spam score.")
    ]


def test_e29_a_high_score_names_its_rules(spamassassin):
    spamassassin(REPORT)
    issue = due_issue()
    slow_checks.check(issue.pk, now=NOW)

    assert lines(again(issue), "E29") == [
        (
            "warns",
            False,
            (
                "The SpamAssassin score of the finished mail is 1.7; up to 1 is good. Rules: HTML_IMAGE_RATIO_02, MISSING_DATE. "
                "Checked just now."
            ),
        )
    ]


def test_e29_a_low_score_is_good_and_an_edit_makes_it_unknown(spamassassin):
    spamassassin(REPORT.replace("1.7", "-1.0"))
    issue = make_issue(make_newsletter(languages=["id"]))
    slow_checks.check(issue.pk, now=NOW)
    assert [ok for _severity, ok, _message in lines(again(issue), "E29")] == [True]

    document = content.parse(issue.content)
    document.envelopes["id"].subject = "Judul yang lain sama sekali"
    issues.save(again(issue), document, version=issue.version, editor=None, now=NOW)

    assert lines(again(issue), "E29") == [("suggests", False, "The finished mail has no spam score yet.")]


def test_e29_an_answer_that_is_none_is_no_score(spamassassin):
    spamassassin("nothing of use\n")
    issue = due_issue()
    slow_checks.check(issue.pk, now=NOW)

    assert [ok for _severity, ok, _message in lines(again(issue), "E29")] == [False]


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("spamassassin") is None, reason="SpamAssassin is not installed here")
def test_e29_our_mail_scores_well(monkeypatch, settings):
    monkeypatch.undo()
    settings.SITE_URL = "https://surat.example"
    issue = make_issue(make_newsletter(languages=["id"]))

    score, _rules = slow_checks.spam_score(preflight.sample_message(issue, "id", now=NOW).data)

    assert score <= 1.0


# --- an issue that is due --------------------------------------------------------------------------------------------


def test_a_due_issue_waits_for_its_look_and_begins_with_the_next_tick():
    issue = due_issue()

    assert lifecycle.begin_due(now=NOW) == []
    assert slow_checks.due_issues(now=NOW) == [issue.pk]
    slow_checks.check(issue.pk, now=NOW + timedelta(seconds=1))

    assert lifecycle.begin_due(now=NOW + timedelta(seconds=2)) == [issue.pk]


def test_a_look_that_does_not_come_delays_an_issue_by_a_minute_at_most():
    issue = due_issue()
    lifecycle.begin_due(now=NOW)

    assert lifecycle.begin_due(now=NOW + timedelta(seconds=59)) == []
    assert lifecycle.begin_due(now=NOW + timedelta(seconds=60)) == [issue.pk]


def test_a_dead_site_stops_no_issue(monkeypatch):
    def try_link(url, **_):
        raise http_client.TemporaryFetchError("The site cannot be reached just now. Try again later.")

    monkeypatch.setattr(http_client, "check_link", try_link)
    issue = due_issue()
    lifecycle.begin_due(now=NOW)
    slow_checks.check(issue.pk, now=NOW + timedelta(seconds=1))

    assert lifecycle.begin_due(now=NOW + timedelta(seconds=2)) == [issue.pk]


def told_issue() -> tuple[Issue, Article]:
    """A due issue with an article."""
    article = Article.objects.create(
        guid="1", url="https://kabarlintas.example/a", title="Autogate baru", language="id", looked_at=NOW
    )
    document = make_document(stories=1, languages=("id",))
    document.blocks[0].article = article.pk
    document.blocks[0].words["id"] = content.StoryWords(headline="Autogate baru", url=article.url)
    document.blocks[0].seen = {"id": issues.snapshot_article(article)}
    return due_issue(document), article


def test_an_article_that_is_gone_holds_the_issue_back_and_is_named():
    issue, article = told_issue()
    link_checker.store_results(issue, {}, now=NOW)
    Article.objects.filter(pk=article.pk).update(state=ArticleState.GONE)

    assert lifecycle.begin_due(now=NOW + timedelta(seconds=1)) == []

    held = again(issue)
    assert held.status == IssueStatus.PAUSED
    assert held.pause_reason.startswith(("Halaman “Autogate baru”", "The page of “Autogate baru” is gone"))


def test_an_article_with_a_new_headline_stops_nothing():
    issue, article = told_issue()
    link_checker.store_results(issue, {}, now=NOW)
    Article.objects.filter(pk=article.pk).update(title="Autogate lama")

    [changed] = [one for one in preflight.run_checks(issue, now=NOW) if one.id == "changed"]
    assert (changed.ok, changed.severity, changed.block) == (False, "warns", "b001")
    assert lifecycle.begin_due(now=NOW + timedelta(seconds=1)) == [issue.pk]
