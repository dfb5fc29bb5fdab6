"""Pictures for a block: uploaded or picked, as plain forms and with script."""

from __future__ import annotations

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from newsletter import content, issues
from newsletter.media import library
from newsletter.models import MediaFile
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter
from tests.newsletter.studio.composer.composer_client import HTMX, either_way, form_of, post, step, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def issue(newsletter):
    document = make_document()
    document.blocks.append(content.Image(id="bimg"))
    return make_issue(newsletter, document=document)


def photo(size=(1600, 900), colour="#0E5A55", name="loket.jpg"):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return SimpleUploadedFile(name, out.getvalue(), "image/jpeg")


def upload(client, issue, *, htmx, **fields):
    form = {"file": photo(), "block": "bimg", **fields}
    form = {name: value for name, value in form.items() if value is not None}
    return client.post(reverse("issue-image-add", args=[issue.pk]), form, headers=HTMX if htmx else {})


def picture_of(newsletter, colour="#0E5A55", alt=""):
    return library.add_picture(newsletter, photo(colour=colour).read(), alt=alt)


# --- uploading -------------------------------------------------------------------------------------------------------


@either_way
def test_an_upload_is_in_its_block_and_in_the_library(studio, newsletter, issue, htmx):
    response = upload(studio, issue, htmx=htmx, alt="Loket imigrasi")

    block = stored(issue).block("bimg")
    assert (block.picture.width, block.picture.height) == (1200, 675)
    assert block.words["id"].image_alt == "Loket imigrasi"
    assert [file.pk for file in library.search(newsletter)] == [block.picture.media]
    if not htmx:
        assert response.url == f"{reverse('issue-compose', args=[issue.pk])}#bimg"


def test_script_gets_the_card_and_the_version_that_belongs_to_it(studio, issue):
    response = upload(studio, issue, htmx=True)

    assert 'id="bimg" hx-swap-oob="true"' in response.text
    assert f'id="version" value="{issue.version + 1}"' in response.text
    assert response["HX-Trigger"] == "preview-stale"
    assert "b001-headline" not in response.text


@either_way
def test_the_form_goes_on_from_an_upload_without_a_conflict(studio, issue, htmx):
    upload(studio, issue, htmx=htmx)

    assert post(studio, "issue-autosave", issue, form_of(issue, subject="Lain"), htmx=htmx).status_code != 409


def test_an_upload_can_be_undone(studio, issue):
    upload(studio, issue, htmx=False)

    post(studio, "issue-undo", issue, form_of(issue))

    assert stored(issue).block("bimg").picture is None


@either_way
def test_a_form_that_is_behind_keeps_the_picture_in_the_library_only(studio, newsletter, issue, htmx):
    response = upload(studio, issue, htmx=htmx, version=str(issue.version - 1))

    assert response.status_code == 409
    assert stored(issue).block("bimg").picture is None
    assert library.search(newsletter).count() == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "Choose an image first."),
        (b"<svg/>", "This is an SVG drawing, which mail programs do not show."),
        (b"halo", "This file cannot be read as a picture."),
        (b"x" * (10 * 1024 * 1024 + 1), "This file has 11 MB; the limit is 10 MB."),
    ],
    ids=["none", "svg", "text", "large"],
)
@either_way
def test_what_is_wrong_with_a_file_is_said_and_changes_nothing(studio, issue, body, words, htmx):
    response = upload(studio, issue, htmx=htmx, file=body and SimpleUploadedFile("a.jpg", body))

    assert response.status_code == 422
    assert words in response.text
    assert response["Content-Type"].startswith("text/plain" if htmx else "text/html")
    assert stored(issue).block("bimg").picture is None


@pytest.mark.parametrize("block", ["b999", "../x"])
def test_a_block_that_is_gone_takes_no_picture(studio, issue, block):
    assert upload(studio, issue, htmx=True, block=block).status_code == 400


def test_a_text_takes_no_picture(studio, newsletter):
    document = make_document()
    document.blocks.append(content.Text(id="btxt"))

    assert upload(studio, make_issue(newsletter, document=document), htmx=True, block="btxt").status_code == 400


def test_a_scheduled_issue_takes_no_picture(studio, issue):
    issue.__class__.objects.filter(pk=issue.pk).update(status="scheduled", scheduled_at=NOW)

    assert upload(studio, issue, htmx=True).status_code == 409


def test_an_upload_for_no_block_joins_the_library(studio, newsletter, issue):
    response = upload(studio, issue, htmx=False, block=None)

    assert response.url == reverse("issue-images", args=[issue.pk])
    assert library.search(newsletter).count() == 1


def test_getting_changes_nothing(studio, issue):
    file = MediaFile.objects.create(file="a.jpg", hash="a", width=1, height=1, size=1)
    for name, args in (("issue-image-add", [issue.pk]), ("issue-image-take", [issue.pk])):
        assert studio.get(reverse(name, args=args)).status_code == 405
    assert studio.get(reverse("issue-image-describe", args=[issue.pk, file.pk])).status_code == 405


# --- the library -----------------------------------------------------------------------------------------------------


@either_way
def test_choosing_a_picture_saves_what_was_typed_and_leads_to_the_library(studio, issue, htmx):
    response = step(studio, issue, "pick:bimg", htmx=htmx, subject="Baru diketik")

    address = response["HX-Redirect"] if htmx else response.url
    assert address == f"{reverse('issue-images', args=[issue.pk])}?block=bimg&language=id"
    assert stored(issue).envelopes["id"].subject == "Baru diketik"
    assert "An image for “Picture”" in studio.get(address).text


@either_way
def test_a_picture_of_the_library_brings_what_it_shows(studio, newsletter, issue, htmx):
    file = picture_of(newsletter, alt="Autogate di Soekarno-Hatta")

    step(studio, issue, f"picture:bimg:{file.pk}", htmx=htmx)

    block = stored(issue).block("bimg")
    assert (block.picture.media, block.words["id"].image_alt) == (file.pk, "Autogate di Soekarno-Hatta")


def test_the_page_puts_a_picture_into_its_block(studio, newsletter, issue):
    file = picture_of(newsletter, alt="Autogate")
    page = studio.get(reverse("issue-images", args=[issue.pk]), {"block": "bimg"}).text

    response = studio.post(reverse("issue-image-take", args=[issue.pk]), {"block": "bimg", "media": file.pk})

    assert 'name="media" value="' in page
    assert response.url == f"{reverse('issue-compose', args=[issue.pk])}#bimg"
    assert stored(issue).block("bimg").picture.media == file.pk


def test_words_about_another_picture_go_with_it(studio, newsletter, issue):
    first, second = picture_of(newsletter, alt="Loket"), picture_of(newsletter, "#762B00", alt="Gerbang")
    step(studio, issue, f"picture:bimg:{first.pk}")
    post(studio, "issue-autosave", issue, form_of(issue, "en", **{"bimg.image_alt": "A counter"}))

    step(studio, issue, f"picture:bimg:{second.pk}")

    words = stored(issue).block("bimg").words
    assert (words["id"].image_alt, words["en"].image_alt) == ("Gerbang", "")


@either_way
def test_a_picture_is_taken_out_again(studio, newsletter, issue, htmx):
    file = picture_of(newsletter)
    step(studio, issue, f"picture:bimg:{file.pk}")

    step(studio, issue, "nopicture:bimg", htmx=htmx)

    assert stored(issue).block("bimg").picture is None
    assert library.search(newsletter).count() == 1


@either_way
def test_a_picture_of_another_newsletter_cannot_be_taken(studio, issue, htmx):
    file = picture_of(make_newsletter())

    response = step(studio, issue, f"picture:bimg:{file.pk}", htmx=htmx)
    page = response.text if htmx else studio.get(response.url).text

    assert "This picture is not in the library of this newsletter." in page
    assert stored(issue).block("bimg").picture is None


def test_the_library_shows_the_pictures_of_its_newsletter_only(studio, newsletter, issue):
    picture_of(newsletter, alt="Loket paspor")
    picture_of(make_newsletter(), "#762B00", alt="Rahasia")

    page = studio.get(reverse("issue-images", args=[issue.pk])).text

    assert 'alt="Loket paspor"' in page
    assert "Rahasia" not in page


def test_an_editor_of_another_newsletter_sees_no_library(client, newsletter, issue):
    client.force_login(make_editor(make_newsletter()))

    assert client.get(reverse("issue-images", args=[issue.pk])).status_code == 404
    assert upload(client, issue, htmx=True).status_code == 404


def test_a_search_that_finds_nothing_says_so(studio, newsletter, issue):
    picture_of(newsletter, alt="Loket paspor")

    assert "No image matches “kapal”." in studio.get(reverse("issue-images", args=[issue.pk]), {"q": "kapal"}).text
    assert 'alt="Loket paspor"' in studio.get(reverse("issue-images", args=[issue.pk]), {"q": "paspor"}).text


def test_what_a_picture_shows_is_kept_for_the_next_issue(studio, newsletter, issue):
    file = picture_of(newsletter)

    studio.post(reverse("issue-image-describe", args=[issue.pk, file.pk]), {"alt": "Loket imigrasi", "block": "bimg"})

    file.refresh_from_db()
    assert file.alt == "Loket imigrasi"


def test_a_picture_of_another_newsletter_is_not_described(studio, issue):
    file = picture_of(make_newsletter(), alt="Loket")

    response = studio.post(reverse("issue-image-describe", args=[issue.pk, file.pk]), {"alt": "Lain"})

    assert response.status_code == 404


# --- in the card -----------------------------------------------------------------------------------------------------


@either_way
def test_a_picture_is_ticked_as_decoration_and_unticked(studio, newsletter, issue, htmx):
    step(studio, issue, f"picture:bimg:{picture_of(newsletter).pk}")

    post(studio, "issue-autosave", issue, form_of(issue, **{"bimg.is_decorative": ["", "yes"]}), htmx=htmx)
    ticked = stored(issue).block("bimg").is_decorative
    post(studio, "issue-autosave", issue, form_of(issue, **{"bimg.is_decorative": [""]}), htmx=htmx)

    assert (ticked, stored(issue).block("bimg").is_decorative) == (True, False)


def test_a_decoration_lacks_no_translation(studio, newsletter, issue):
    step(studio, issue, f"picture:bimg:{picture_of(newsletter).pk}")
    post(studio, "issue-autosave", issue, form_of(issue, **{"bimg.is_decorative": ["", "yes"]}))

    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    assert "Not translated" not in page


def test_a_small_picture_is_said_to_be_small(studio, newsletter, issue):
    file = library.add_picture(newsletter, photo(size=(320, 200)).read())
    step(studio, issue, f"picture:bimg:{file.pk}")

    page = studio.get(reverse("issue-compose", args=[issue.pk])).text

    assert "Only 320 pixels wide: it will look blurred. 1072 pixels are good." in page


def test_words_written_for_a_picture_are_there_in_the_next_issue(studio, newsletter, issue):
    file = picture_of(newsletter)
    step(studio, issue, f"picture:bimg:{file.pk}")
    post(studio, "issue-autosave", issue, form_of(issue, **{"bimg.image_alt": "Loket imigrasi di Denpasar"}))
    document = content.Document(blocks=[content.Image(id="bnew")])
    other = make_issue(newsletter, document=document)

    step(studio, other, f"picture:bnew:{file.pk}")

    assert stored(other).block("bnew").words["id"].image_alt == "Loket imigrasi di Denpasar"


def test_pictures_of_articles_keep_their_own_words(newsletter):
    file = picture_of(newsletter, alt="Loket")
    document = make_document()
    document.blocks[0].picture = issues.build_picture(file)
    document.blocks[0].words["id"].image_alt = "Ditulis redaksi"
    library.remember_alt_texts(document, "id")

    file.refresh_from_db()
    assert file.alt == "Loket"
