"""As whom a preview is seen."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter import content
from newsletter.models import Role
from newsletter.studio.composer import preview_readers
from tests.factories import make_document, make_editor, make_issue, make_newsletter, make_reader

pytestmark = pytest.mark.django_db
GREETING = '<p>Halo <span data-merge="name">Pembaca</span>, selamat pagi.</p>'


@pytest.fixture
def issue(newsletter):
    document = make_document(stories=1)
    words = {"id": content.TextWords(body=GREETING), "en": content.TextWords(body=GREETING)}
    document.blocks.append(content.Text(id="b900", words=words))
    return make_issue(newsletter, document=document)


@pytest.fixture
def preview(client, newsletter, issue):
    """The preview as an editor of some role sees it, as one reader."""

    def viewer(reader="", *, role=Role.ADMINISTRATOR, **query):
        client.force_login(make_editor(newsletter, role=role))
        return client.get(reverse("issue-preview", args=[issue.pk]), {"reader": reader, **query}).text

    return viewer


def test_a_reader_without_a_name_sees_the_other_words(preview):
    assert "Halo Pembaca, selamat pagi." in preview()


def test_a_long_name_stands_in_the_mail(preview):
    assert f"Halo {preview_readers.LONG_NAME}, selamat pagi." in preview("long")
    assert f"Halo {preview_readers.LONG_NAME}, selamat pagi." in preview("long", view="text")


def test_a_real_reader_is_offered_by_name_and_seen(preview, newsletter):
    siti = make_reader(newsletter, name="Siti <b>Rahma</b>")

    assert "Halo Siti &lt;b&gt;Rahma&lt;/b&gt;, selamat pagi." in preview(str(siti.pk))


def test_who_may_not_see_people_is_offered_none(preview, newsletter, issue):
    siti = make_reader(newsletter, name="Siti Rahma")
    writer = make_editor(newsletter, role=Role.WRITER)

    assert [reader.key for reader in preview_readers.choices(issue, "id", writer)] == ["", "long"]
    assert "Siti" not in preview(str(siti.pk), role=Role.WRITER)


def test_readers_of_another_newsletter_stay_there(preview):
    other = make_reader(make_newsletter(), name="Budi Santoso")

    assert "Budi" not in preview(str(other.pk))
