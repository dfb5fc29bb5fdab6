"""Blocks kept for other issues: kept from the composer, renamed, deleted and brought back."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter.media import library
from newsletter.models import SavedBlock
from tests.factories import NOW, make_editor, make_newsletter
from tests.newsletter.studio.composer.composer_client import HTMX, either_way, form_of, post, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(newsletter):
    return make_editor(newsletter)


@pytest.fixture
def saved(newsletter, issue):
    return library.save_block(newsletter, stored(issue).block("b001"), name="Pembuka", editor=None, now=NOW)


@either_way
def test_a_block_is_kept_with_what_was_just_typed(studio, issue, htmx):
    typed = {"shelve": "b002", "b002.name": "Sponsor", "b002.headline": "Terima kasih"}

    response = post(studio, "issue-block-keep", issue, form_of(issue, **typed), htmx=htmx)
    page = response.text if htmx else studio.get(response.url).text

    kept = SavedBlock.objects.get()
    assert (kept.name, kept.content["words"]["id"]["headline"]) == ("Sponsor", "Terima kasih")
    assert stored(issue).block("b002").words["id"].headline == "Terima kasih"
    assert "“Sponsor” was saved." in page
    assert f'value="saved:{kept.pk}"' in page


def test_without_a_name_it_is_called_by_its_headline(studio, issue):
    post(studio, "issue-block-keep", issue, form_of(issue, shelve="b002"))

    assert SavedBlock.objects.get().name == "Imigrasi buka jalur autogate ke-2"


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"shelve": "b999"}, 400), ({"shelve": "b002", "b002.url": "javascript:1"}, 422), ({"block": ["x"]}, 400)],
)
def test_what_cannot_be_saved_is_not_kept(studio, issue, changes, status):
    response = post(studio, "issue-block-keep", issue, form_of(issue, **changes), htmx=True)

    assert response.status_code == status
    assert not SavedBlock.objects.exists()


def test_a_form_that_is_behind_keeps_nothing(studio, issue):
    response = post(studio, "issue-block-keep", issue, form_of(issue, shelve="b002", version=1), htmx=True)

    assert response.status_code == 409
    assert not SavedBlock.objects.exists()


def test_the_list_names_blocks_and_their_kind(studio, newsletter, saved):
    page = studio.get(reverse("saved-blocks"), {"newsletter": newsletter.slug}).text

    assert 'value="Pembuka"' in page
    assert "Lead story" in page


def test_an_empty_list_says_where_blocks_are_kept(studio):
    assert "choose “Save” under “This block”" in studio.get(reverse("saved-blocks")).text


@either_way
def test_a_block_is_renamed(studio, saved, htmx):
    headers = HTMX if htmx else {}

    studio.post(reverse("saved-block-rename", args=[saved.pk]), {"name": "  Salam  pembuka "}, headers=headers)

    saved.refresh_from_db()
    assert saved.name == "Salam pembuka"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_name_that_is_none_is_said_and_stays_typed(studio, saved, name):
    response = studio.post(reverse("saved-block-rename", args=[saved.pk]), {"name": name})

    assert response.status_code == 422
    assert "Enter a name of at most 80 characters." in response.text
    assert f'value="{" ".join(name.split())}"' in response.text
    saved.refresh_from_db()
    assert saved.name == "Pembuka"


@either_way
def test_a_deleted_block_is_offered_back_and_comes_back(studio, newsletter, saved, htmx):
    headers = HTMX if htmx else {}

    response = studio.post(reverse("saved-block-delete", args=[saved.pk]), headers=headers)
    page = studio.get(response.url).text
    away = library.saved_blocks(newsletter).count()
    studio.post(reverse("saved-block-bring-back", args=[saved.pk]), headers=headers)

    assert "“Pembuka” was deleted." in page
    assert reverse("saved-block-bring-back", args=[saved.pk]) in page
    assert (away, library.saved_blocks(newsletter).count()) == (0, 1)


def test_another_newsletters_blocks_are_not_there(client, saved):
    client.force_login(make_editor(make_newsletter()))

    for name in ("saved-block-rename", "saved-block-delete", "saved-block-bring-back"):
        assert client.post(reverse(name, args=[saved.pk]), {"name": "x"}).status_code == 404
    assert client.get(reverse("saved-blocks"), {"newsletter": saved.newsletter.slug}).status_code == 404


def test_getting_changes_nothing(studio, issue, saved):
    for name in ("saved-block-rename", "saved-block-delete", "saved-block-bring-back"):
        assert studio.get(reverse(name, args=[saved.pk])).status_code == 405
    assert studio.get(reverse("issue-block-keep", args=[issue.pk])).status_code == 405
