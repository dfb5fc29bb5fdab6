"""One click mends what a check found: each fix does what its label says, and the check is satisfied then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import checks, content, issues
from newsletter.checks import fixes, link_checker
from newsletter.media import images
from newsletter.models import Article, MediaFile
from newsletter.rendering import richtext
from newsletter.studio.composer import fix_steps
from newsletter.studio.shared import document_form
from tests.factories import NOW, make_document, make_issue, make_newsletter, story_words
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


def wrong(issue, *names: str) -> list[checks.Check]:
    return [check for check in checks.check_issue(issue, now=NOW) if not check.ok and check.id in names]


def fix_all(issue, *names: str) -> list[str]:
    """Press every button that checks of these names offer; what the buttons said."""
    said = []
    while offered := fix_steps.available_fixes(issue, content.parse(issue.content), wrong(issue, *names)):
        do, label = next(iter(offered.values()))
        document = content.parse(issue.content)
        fix_steps.apply_fix(issue, document, do.removeprefix("fix:"))
        issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW)
        said.append(label)
        assert len(said) < 20
    assert wrong(issue, *names) == []
    return said


def one_block(block: content.Block, **fields):
    document = make_document(stories=0, languages=("id",))
    document.blocks = [block]
    return make_issue(make_newsletter(languages=["id"], **fields), document=document)


def words_of(issue, block: str = "b001", language: str = "id"):
    issue.refresh_from_db()
    return content.parse(issue.content).block(block).words[language]


# --- subject and preview text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("Pendek", 10, "Pendek"),
        ("Autogate baru di bandara", 14, "Autogate baru…"),
        ("Autogate baru, di bandara", 15, "Autogate baru…"),
        ("x" * 30, 10, "xxxxxxxxx…"),
        ("ab " + "x" * 30, 10, "ab xxxxxx…"),
    ],
)
def test_a_text_is_cut_behind_a_word(text, most, short):
    assert fixes.shorten(text, most) == short


@given(st.text(max_size=200), st.integers(10, 100))
def test_a_shortened_text_is_never_longer_than_it_may_be(text, most):
    short = fixes.shorten(text, most)

    assert len(short) <= most
    assert short == text or short.endswith("…")


def test_a_long_subject_is_shortened_in_its_own_language():
    document = make_document(stories=1)
    document.envelopes["en"].subject = "New autogates at Soekarno-Hatta, online permits, Saturday service and much more"
    issue = make_issue(document=document)

    assert fix_all(issue, "E21") == [
        "Write “New autogates at Soekarno-Hatta, online permits, Saturday service and much…”"
    ]


def test_a_missing_subject_becomes_the_first_headline():
    document = make_document(stories=2, languages=("id",))
    document.envelopes = {}
    issue = make_issue(make_newsletter(languages=["id"]), document=document)

    assert fix_all(issue, "E21") == ["Write “Imigrasi buka jalur autogate ke-1”"]


@pytest.mark.parametrize("preheader", ["", "Pendek", "Autogate baru dan izin tinggal daring"])
def test_the_preview_text_becomes_the_leads_summary(preheader):
    document = make_document(stories=1, languages=("id",))
    document.envelopes["id"].preheader = preheader
    issue = make_issue(make_newsletter(languages=["id"]), document=document)

    assert fix_all(issue, "E20") == ["Write “Pemegang paspor elektronik dapat melintas dalam kurang dari 30 detik.”"]


def test_without_a_summary_there_is_nothing_to_offer():
    document = make_document(stories=1, languages=("id",))
    document.envelopes["id"].preheader = ""
    document.blocks[0].words["id"].summary = ""
    issue = make_issue(make_newsletter(languages=["id"]), document=document)

    assert fix_steps.available_fixes(issue, document, wrong(issue, "E20")) == {}


# --- pictures --------------------------------------------------------------------------------------------------------


def pictured(**words):
    return content.Story(
        id="b001", picture=gallery.make_picture(), words={"id": story_words(1).model_copy(update=words)}
    )


@pytest.mark.parametrize("alt", ["", "IMG_1234.jpg"])
def test_a_picture_is_described_by_its_headline(alt):
    issue = one_block(pictured(image_alt=alt))

    assert fix_all(issue, "E07", "alt") == ["Describe it as “Imigrasi buka jalur autogate ke-1”"]


def test_a_picture_is_described_as_its_article_does():
    article = Article.objects.create(
        guid="1", url=story_words(1).url, title="Judul", language="id", image_alt="Orang berjalan lewat gerbang"
    )
    block = pictured(image_alt="")
    block.article = article.pk
    issue = one_block(block)

    assert fix_all(issue, "alt") == ["Describe it as “Orang berjalan lewat gerbang”"]


def test_a_description_in_another_language_is_not_taken():
    Article.objects.create(guid="1", url=story_words(1).url, title="Judul", language="en", image_alt="People walk")

    assert fix_all(one_block(pictured(image_alt="")), "alt") == ["Describe it as “Imigrasi buka jalur autogate ke-1”"]


def test_a_picture_of_the_library_is_described_as_it_is_there():
    picture = gallery.make_picture()
    MediaFile.objects.filter(pk=picture.media).update(alt="Gerbang autogate")
    issue = one_block(
        content.Image(id="b001", picture=picture, words={"id": content.ImageWords(caption="Foto: redaksi")})
    )

    assert fix_all(issue, "headline") == ["Describe it as “Gerbang autogate”"]


def test_decoration_loses_its_link():
    block = content.Image(
        id="b001",
        picture=gallery.make_picture(),
        is_decorative=True,
        words={"id": content.ImageWords(url="https://kabarlintas.example/")},
    )

    assert fix_all(one_block(block), "decoration") == ["Take the link away"]


def noisy_picture(width: int, seed: int) -> content.Picture:
    import io
    import random

    from PIL import Image

    noise = random.Random(seed).randbytes(width * width * 3)
    body = io.BytesIO()
    Image.frombytes("RGB", (width, width), noise).save(body, "PNG")
    return issues.build_picture(images.store(body.getvalue()))


def test_e17_heavy_pictures_become_lighter_and_join_the_library():
    document = make_document(stories=2, languages=("id",))
    for block, picture in zip(document.blocks, (noisy_picture(1000, 1), noisy_picture(300, 2)), strict=True):
        block.picture = picture
        block.words["id"].image_alt = "Pola"
    issue = make_issue(make_newsletter(languages=["id"]), document=document)
    assert MediaFile.objects.get(pk=document.blocks[0].picture.media).size > 600_000

    assert fix_all(issue, "E17") == ["Make the heaviest smaller"]

    issue.refresh_from_db()
    heavy, light = content.parse(issue.content).blocks
    file = MediaFile.objects.get(pk=heavy.picture.media)
    assert file.size <= 300_000
    assert (heavy.picture.width, heavy.picture.path) == (file.width, file.file.name)
    assert list(file.newsletters.all()) == [issue.newsletter]
    assert light.picture == document.blocks[1].picture


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_generic_link_says_the_headline_in_the_mails_language():
    document = make_document(stories=1)
    for language in ("id", "en"):
        document.blocks[0].words[language].link_text = "Baca selengkapnya" if language == "id" else "Read more"
    issue = make_issue(document=document)

    said = fix_all(issue, "E09")

    assert len(said) == 2
    assert "Say “Read: Autogate lane 1 opens”" in said
    assert words_of(issue).link_text.endswith(": Imigrasi buka jalur autogate ke-1")


def test_a_generic_link_in_a_text_says_what_is_told_there_or_names_the_site():
    Article.objects.create(guid="1", url="https://kabarlintas.example/a", title="Syarat baru", language="id")
    body = (
        '<p>Lihat <a href="https://kabarlintas.example/a"><strong>di sini</strong></a> atau '
        '<a href="https://imigrasi.example/x">klik di sini</a>, bukan <a href="https://a.example/">Syarat lama</a>.</p>'
    )
    issue = one_block(content.Text(id="b001", words={"id": content.TextWords(body=body)}))

    assert len(fix_all(issue, "E09")) == 1

    links = dict(richtext.link_targets(richtext.parse(words_of(issue).body)))
    assert links["https://kabarlintas.example/a"].endswith(": Syarat baru")
    assert links["https://imigrasi.example/x"].endswith(" imigrasi.example")
    assert links["https://a.example/"] == "Syarat lama"
    assert "<strong>" in words_of(issue).body


def test_a_generic_button_names_where_it_leads():
    block = content.Button(
        id="b001", words={"id": content.ButtonWords(label="Selengkapnya", url="https://a.example/x")}
    )
    issue = one_block(block)

    assert len(fix_all(issue, "E09")) == 1
    assert words_of(issue).label.endswith(" a.example")


def test_http_becomes_https_where_the_site_is_ours():
    body = '<p><a href="http://www.kabarlintas.example/a">Tarif baru</a></p>'
    issue = one_block(content.Text(id="b001", words={"id": content.TextWords(body=body)}))

    assert fix_all(issue, "E18") == ["Use https://www.kabarlintas.example/a"]
    assert 'href="https://www.kabarlintas.example/a"' in words_of(issue).body


def test_http_of_another_site_is_not_touched():
    issue = one_block(
        content.Story(id="b001", words={"id": story_words(1).model_copy(update={"url": "http://a.example/"})})
    )

    assert fix_steps.available_fixes(issue, content.parse(issue.content), wrong(issue, "E18")) == {}


def test_a_shortener_is_replaced_by_where_it_led_when_it_was_tried():
    issue = one_block(
        content.Story(id="b001", words={"id": story_words(1).model_copy(update={"url": "https://s.id/abc"})})
    )
    said = {"fine": True, "why": "", "to": "https://kabarlintas.example/panjang", "at": NOW.isoformat()}
    link_checker.store_results(issue, {"links": {"https://s.id/abc": said}}, now=NOW)

    assert fix_all(issue, "E18") == ["Use https://kabarlintas.example/panjang"]
    assert words_of(issue).url == "https://kabarlintas.example/panjang"


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_of_two_blocks_with_the_same_article_the_second_goes():
    article = Article.objects.create(guid="1", url="https://kabarlintas.example/a", title="Judul", language="id")
    document = make_document(stories=3, languages=("id",))
    document.blocks[0].article = document.blocks[2].article = article.pk
    issue = make_issue(make_newsletter(languages=["id"]), document=document)

    assert fix_all(issue, "twice") == ["Remove this one"]

    issue.refresh_from_db()
    assert [block.id for block in content.parse(issue.content).blocks] == ["b001", "b002"]


def test_a_place_for_a_name_gets_words_for_readers_without_one():
    body = '<p>Halo <span data-merge="name"></span>, selamat pagi.</p>'
    issue = one_block(content.Text(id="b001", words={"id": content.TextWords(body=body)}))

    assert len(fix_all(issue, "name")) == 1
    [(field, word)] = richtext.merge_fields(richtext.parse(words_of(issue).body))
    assert field == "name"
    assert word


def test_the_articles_new_words_are_taken_with_the_guards_own_step():
    check = checks.Check("changed", "warns", False, "…", "b001", "id")
    issue = make_issue()

    assert fix_steps.available_fixes(issue, content.parse(issue.content), [check]) == {
        check: ("take:b001:id", "Use the article’s current text")
    }


# --- the step --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["E05:b001:id", "E99::", "E07:b001:fr", ""])
def test_what_no_button_of_ours_posts_is_refused(rest):
    issue = make_issue()

    with pytest.raises(document_form.BadForm):
        fix_steps.apply_fix(issue, content.parse(issue.content), rest)


@pytest.mark.parametrize("rest", ["E07:b001:id", "E21::id", "E09:bgone:id", "twice:b001:"])
def test_where_nothing_is_left_to_mend_the_editor_is_told(rest):
    issue = make_issue()

    with pytest.raises(document_form.StepNotPossible):
        fix_steps.apply_fix(issue, content.parse(issue.content), rest)


def test_the_offers_of_forty_blocks_take_as_many_queries_as_those_of_five(django_assert_num_queries):
    for blocks in (5, 40):
        document = make_document(stories=blocks, languages=("id",))
        for block in document.blocks:
            block.words["id"].link_text = "Selengkapnya"
        issue = make_issue(make_newsletter(languages=["id"]), document=document)
        found = wrong(issue, "E09")
        assert len(found) == blocks

        with django_assert_num_queries(2):
            assert len(fix_steps.available_fixes(issue, document, found)) == blocks
