"""The library of a newsletter: images and saved blocks."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from newsletter import content, issues
from newsletter.media import images, library
from newsletter.models import Article, MediaFile
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter

pytestmark = pytest.mark.django_db


def photo(size=(1600, 900), kind="JPEG", colour="#0E5A55", mode="RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind)
    return out.getvalue()


def shown(width=1200, height=600, size=90_000, **fields):
    number = MediaFile.objects.count()
    return MediaFile.objects.create(
        file=f"images/{number}.jpg", hash=f"{number}", width=width, height=height, size=size, **fields
    )


def with_picture(file) -> content.Document:
    document = make_document()
    document.blocks[0].picture = issues.build_picture(file)
    return document


# --- images ----------------------------------------------------------------------------------------------------------


def test_an_upload_is_made_smaller_and_shown_in_the_library():
    newsletter = make_newsletter()

    file = library.add_picture(newsletter, photo(), alt="Loket imigrasi")

    assert (file.width, file.height, file.alt) == (1200, 675, "Loket imigrasi")
    assert list(library.search(newsletter)) == [file]


def test_the_same_picture_is_stored_once_and_shown_in_both_libraries():
    first, second = make_newsletter(), make_newsletter()

    assert library.add_picture(first, photo()) == library.add_picture(second, photo())
    assert (library.search(first).count(), library.search(second).count()) == (1, 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "This file is empty. Choose another one."),
        (b"x" * (10 * 1024 * 1024 + 1), "This file has 11 MB; the limit is 10 MB. Make the picture smaller first."),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "Save it as PNG first."),
        (b"<svg onload='alert(1)'>", "Save it as PNG first."),
        (b"%PDF-1.7", "This file cannot be read as a picture. Use JPEG, PNG, GIF or WebP."),
        (photo(size=(40, 40)), "This picture is too small to show."),
        (photo(size=(9000, 9000), kind="PNG", mode="1", colour=1), "This picture has too many pixels."),
    ],
    ids=["empty", "large", "svg", "svg script", "pdf", "tiny", "bomb"],
)
def test_what_cannot_be_shown_in_a_mail_is_refused_in_words(body, words):
    newsletter = make_newsletter()

    with pytest.raises(images.InvalidPicture, match=words.replace(".", r"\.")):
        library.add_picture(newsletter, body)

    assert not library.search(newsletter).exists()


def test_pictures_are_found_by_all_words_of_what_they_show():
    newsletter = make_newsletter()
    counter, gate = shown(alt="Loket paspor di Denpasar"), shown(alt="Autogate di Denpasar")
    newsletter.media.add(counter, gate)

    assert list(library.search(newsletter, "denpasar loket")) == [counter]
    assert list(library.search(newsletter, "")) == [gate, counter]


@pytest.mark.parametrize("key", ["", "x", "-1", "9" * 30])
def test_a_picture_that_no_form_names_is_none(key):
    assert library.find_picture(make_newsletter(), key) is None


def test_a_picture_of_another_newsletter_is_not_there():
    file = shown()
    make_newsletter().media.add(file)

    assert library.find_picture(make_newsletter(), str(file.pk)) is None


def test_the_picture_of_an_article_joins_the_library_with_its_issue():
    newsletter = make_newsletter()
    file = shown(alt="Loket")
    article = Article.objects.create(guid="a", url="https://x.example/a", title="Loket", language="id", image=file)

    issues.add_article(make_issue(newsletter, document=content.Document()), article, editor=None, now=NOW)

    assert list(library.search(newsletter)) == [file]


def test_what_an_editor_writes_is_kept_for_a_picture_without_words():
    bare, described = shown(), shown(alt="Autogate")
    document = with_picture(bare)
    document.blocks[0].words["id"].image_alt = "Loket imigrasi di Denpasar"
    document.blocks.append(
        content.Image(picture=issues.build_picture(described), words={"id": content.ImageWords(image_alt="Lain")})
    )

    library.remember_alt_texts(document, "id")

    bare.refresh_from_db()
    described.refresh_from_db()
    assert (bare.alt, described.alt) == ("Loket imigrasi di Denpasar", "Autogate")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 400, "height": 300}, "Only 400 pixels wide: it will look blurred. 1072 pixels are good."),
        ({"width": 600, "height": 1200}, "Much taller than wide"),
        ({"width": 1200, "height": 200}, "A very flat strip"),
        ({"size": 420_000}, "Heavy: 420 kB, where all pictures of a mail should stay below 600 kB."),
    ],
)
def test_what_readers_would_not_like_is_said_in_words(fields, words):
    file = shown(**fields)

    (said,) = library.picture_warnings(with_picture(file))[file.pk]

    assert words in said


def test_a_good_picture_has_no_warning():
    assert library.picture_warnings(with_picture(shown())) == {}


def test_warnings_ask_the_database_once(django_assert_num_queries):
    document = content.Document(
        blocks=[content.Image(picture=issues.build_picture(shown(width=300))) for _ in range(9)]
    )

    with django_assert_num_queries(1):
        assert len(library.picture_warnings(document)) == 9


# --- saved blocks ----------------------------------------------------------------------------------------------------


def kept(newsletter, name="Sponsor"):
    block = content.Callout(id="b001", tone="info", words={"id": content.TextWords(heading="Terima kasih")})
    return library.save_block(newsletter, block, name=name, editor=make_editor(), now=NOW)


def test_a_kept_block_comes_back_as_a_new_one():
    saved = kept(make_newsletter())

    one, other = library.copy_saved_block(saved), library.copy_saved_block(saved)

    assert one.words["id"].heading == other.words["id"].heading == "Terima kasih"
    assert len({one.id, other.id, "b001"}) == 3


def test_a_deleted_block_is_brought_back():
    newsletter = make_newsletter()
    saved = kept(newsletter)

    library.delete_block(saved, now=NOW)
    while_away = library.saved_blocks(newsletter).count()
    library.undelete_block(saved)

    assert (while_away, library.saved_blocks(newsletter).count()) == (0, 1)


def test_blocks_are_listed_by_name_for_their_newsletter_only():
    newsletter = make_newsletter()
    kept(newsletter, "Sponsor")
    kept(newsletter, "Pembuka")
    kept(make_newsletter(), "Lain")

    assert [saved.name for saved in library.saved_blocks(newsletter)] == ["Pembuka", "Sponsor"]
