"""Checks before an issue may begin."""

from __future__ import annotations

import pytest

from newsletter import editions
from newsletter.models import Newsletter
from tests.factories import make_document, make_issue, make_newsletter, make_reader
from workers.sending import preflight

pytestmark = pytest.mark.django_db


def blocking(issue) -> set[str]:
    return {check.id for check in preflight.blocking_checks(issue)}


def ready_issue(**fields):
    newsletter = make_newsletter(**fields)
    make_reader(newsletter)
    return make_issue(newsletter)


def test_a_good_issue_for_somebody_may_begin():
    assert blocking(ready_issue()) == set()


def test_an_issue_needs_readers():
    assert blocking(make_issue()) == {"audience"}


def test_an_audience_nobody_understands_blocks():
    issue = ready_issue()
    issue.audience = {"shoe_size": 43}

    assert "audience" in blocking(issue)


def test_a_sender_that_mail_cannot_carry_blocks():
    issue = ready_issue()
    Newsletter.objects.filter(pk=issue.newsletter_id).update(from_email="redaksi@@kabar")
    issue.newsletter.refresh_from_db()

    assert "sender" in blocking(issue)


def test_a_newsletter_without_a_sender_blocks():
    issue = make_issue(make_newsletter(from_email=""))

    assert "sender" in {check.id for check in preflight.blocking_checks(issue)}


def test_a_newsletter_without_a_postal_address_blocks():
    assert "address" in blocking(ready_issue(postal_address=""))


@pytest.mark.parametrize(("size", "severity"), [(50_000, "warns"), (103_000, "blocks")])
def test_e16_the_finished_mail_is_measured_after_personalisation(monkeypatch, size, severity):
    issue = ready_issue()
    render = editions.render

    def long(*args, **kwargs):
        done = render(*args, **kwargs)
        return editions.Rendering(
            done.language, done.subject, done.preheader, done.html + "\n<!--é-->" * (size // 10), done.text, done.links
        )

    monkeypatch.setattr(editions, "render", long)

    [check, *_more] = [
        one for one in preflight.run_checks(issue) if one.id == "E16" and not one.ok and "finished" in one.message
    ]
    assert check.severity == severity


def test_e23_a_mail_without_its_unsubscribe_link_blocks(monkeypatch):
    issue = ready_issue()
    render = editions.render

    def without(*args, **kwargs):
        done = render(*args, **kwargs)
        text = done.text.replace("⟦u⟧", "")
        return editions.Rendering(done.language, done.subject, done.preheader, done.html, text, done.links)

    monkeypatch.setattr(editions, "render", without)

    assert "E23" in blocking(issue)


def test_e28_no_line_of_a_finished_copy_is_too_long():
    issue = make_issue(document=make_document(stories=12))

    for language in ("id", "en"):
        assert {
            check.ok for check in preflight.run_checks(issue) if check.id == "E28" and check.language == language
        } == {True}
