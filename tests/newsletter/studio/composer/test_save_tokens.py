"""A save whose answer was lost: the same page may go on, nobody else may."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter.models import Issue
from tests.factories import make_editor, make_issue, make_newsletter

pytestmark = pytest.mark.django_db


@pytest.fixture
def issue():
    newsletter = make_newsletter()
    return make_issue(newsletter, editor=make_editor(newsletter, email="ayu@kabarlintas.example"))


@pytest.fixture
def save(client, issue):
    """Post the composer's form as script does; returns the status."""
    client.force_login(issue.created_by)

    def saver(subject, *, turn, version=issue.version, page="halaman-satu"):
        form = {"version": version, "language": "id", "subject": subject, "block": ["b001", "b002", "b003"]}
        address = reverse("issue-autosave", args=[issue.pk])
        return client.post(address, form | {"page": page, "turn": turn}, headers={"HX-Request": "true"}).status_code

    return saver


def subject(issue):
    return Issue.objects.get(pk=issue.pk).content["envelopes"]["id"]["subject"]


def test_a_page_that_never_got_its_answer_saves_again(issue, save):
    save("Di dalam terowong", turn=1)

    again = save("Di dalam terowongan", turn=2)

    assert (again, subject(issue)) == (200, "Di dalam terowongan")


def test_an_older_turn_that_comes_late_overwrites_nothing(issue, save):
    save("Yang baru", turn=2)

    late = save("Yang lama", turn=1)

    assert (late, subject(issue)) == (409, "Yang baru")


def test_another_page_of_the_same_editor_is_asked(issue, save):
    save("Tab pertama", turn=1)

    other = save("Tab kedua", turn=2, page="halaman-dua")

    assert (other, subject(issue)) == (409, "Tab pertama")


def test_a_page_is_asked_once_somebody_else_saved_after_it(client, issue, save):
    save("Dari Ayu", turn=1)
    client.force_login(make_editor(issue.newsletter, email="dewi@kabarlintas.example"))
    save("Dari Dewi", turn=1, version=issue.version + 1, page="halaman-dewi")
    client.force_login(issue.created_by)

    assert save("Dari Ayu lagi", turn=2) == 409
    assert subject(issue) == "Dari Dewi"


@pytest.mark.parametrize("turn", ["", "-1", "9" * 40, "satu"])
def test_a_made_up_turn_decides_nothing(issue, save, turn):
    save("Pertama", turn=1)

    assert save("Kedua", turn=turn) == 409
