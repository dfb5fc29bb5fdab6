"""The block gallery passes every check; each check finds what it is for, and names the block."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter import checks, content, editions
from newsletter.checks import document_rules as documents
from newsletter.models import Issue, MediaFile
from tests.examples import examples
from tests.factories import make_document, make_issue, make_newsletter, story_words
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


def failed(found: list[checks.Check]) -> list[tuple[str, str | None]]:
    """What is wrong; not what no worker has looked at yet."""
    return [(check.id, check.block) for check in found if not check.ok and not check.is_pending]


def wrong(issue: Issue, **options) -> list[checks.Check]:
    return [check for check in checks.check_issue(issue, **options) if not check.ok and not check.is_pending]


@pytest.fixture
def rendering():
    issue = make_issue(document=gallery.document())
    return editions.render(issue, "en", tracked=True)


def spoiled(rendering: editions.Rendering, before: str, after: str) -> list[tuple[str, str | None]]:
    assert before in rendering.html
    other = dataclasses.replace(rendering, html=rendering.html.replace(before, after))
    return failed(checks.check_rendering(other, newsletter=make_newsletter()))


# --- all is well -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("tracked", [True, False])
def test_the_gallery_of_all_blocks_has_no_defect(language, tracked):
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))

    found = checks.check_rendering(editions.render(issue, language, tracked=tracked), newsletter=issue.newsletter)

    assert failed(found) == []
    assert {check.id for check in found} >= {f"E{number:02d}" for number in range(1, 29)} - {"E19", "E26"}


@pytest.mark.parametrize("kind", list(content.BLOCK_TYPES))
@pytest.mark.parametrize("language", ["id", "en"])
def test_each_kind_of_block_alone_has_no_defect(kind, language):
    document = gallery.document(picture=gallery.make_picture())
    document.blocks = [block for block in document.blocks if block.kind == kind]
    issue = make_issue(document=document)

    assert failed(checks.check_rendering(editions.render(issue, language), newsletter=issue.newsletter)) == []


@pytest.mark.parametrize("accent", ["#0000FF", "#FFCC00", "#E10600", "#000000", "#FFFFFF", "#00A651", "#7F7F7F"])
def test_the_gallery_has_no_defect_in_anybodys_accent(accent):
    issue = make_issue(make_newsletter(accent=accent), document=gallery.document())

    assert failed(checks.check_rendering(editions.render(issue, "id"), newsletter=issue.newsletter)) == []


def test_a_whole_issue_has_no_defect():
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))

    assert failed(checks.check_issue(issue)) == []


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=3, max_size=60).filter(
    str.strip
)


@hypothesis_settings(
    deadline=None, max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_issues_of_any_words_have_no_defect_of_ours(data):
    issue = _any_issue(data)

    found = checks.check_rendering(editions.render(issue, "id", tracked=True), newsletter=issue.newsletter)

    assert [
        check for check in found if not check.ok and (check.is_system or check.id in ("E04", "E10", "E11", "E23"))
    ] == []


def _any_issue(data) -> Issue:
    from newsletter.models import Newsletter

    newsletter = Newsletter.objects.filter(slug="sekali").first() or make_newsletter(slug="sekali")
    blocks = data.draw(st.lists(st.sampled_from(gallery.document().blocks), min_size=1, max_size=12))
    renamed = [block.model_copy(update={"id": f"b{number:03d}"}) for number, block in enumerate(blocks)]
    for block in renamed:
        words = block.words.get("id")
        if isinstance(words, content.StoryWords):
            block.words = {"id": words.model_copy(update={"headline": data.draw(WORDS), "summary": data.draw(WORDS)})}
    document = content.Document(
        envelopes={"id": content.Envelope(subject=data.draw(WORDS), preheader=data.draw(WORDS))}, blocks=renamed
    )
    return Issue(newsletter=newsletter, number=7, slug="x-7", content=content.dump(document))


# --- each check finds what it is for ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "defect"),
    [
        ('<html lang="en" dir="ltr"', "<html", ("E01", None)),
        ('role="article" lang="en" dir="ltr"', 'role="article"', ("E02", None)),
        ("<title>", "<title>Lain ", ("E03", None)),
        ("<h1 ", "<h2 ", ("E04", None)),
        ("<h3 ", "<h5 ", ("E04", "btarif")),
        ('role="presentation"', "", ("E05", None)),
        (">Read how to use the autogate<", "><", ("E08", "blead")),
        (">Read how to use the autogate<", ">Read more …<", ("E09", "blead")),
        (">Read how to use the autogate<", ">KLIK DI SINI<", ("E09", "blead")),
        ("color:#1D1B17", "color:#8A8A8A", ("E10", "blead")),
        (".h div, .h a, .body div, img { color: #F2EDE3 !important; }", "", ("E11", "blead")),
        ("color:#0E5A55;text-decoration:underline", "color:#0E5A55;text-decoration:none", ("E12", "bvisa")),
        ("font-size:16px;line-height:1.55", "font-size:12px;line-height:1.55", ("E13", "btarif")),
        ("padding:13px 22px", "padding:6px 22px", ("E14", "blead")),
        ("'Segoe UI', Roboto", "'Segoe\nUI', Roboto", ("E13", "bscam")),
        ("width=device-width, initial-scale=1", "width=device-width, user-scalable=no", ("E15", None)),
        ("<h1 ", '<h1 id="a"><span id="a"></span></h1><h1 ', ("E25", None)),
        ('<h1 style="', '<h1 style="position:absolute;', ("E27", None)),
        ("<h1 ", "<h1 title=" + '"' + "x" * 1000 + '" ', ("E28", None)),
        ("<title>", "<title>", None),
    ],
)
def test_a_spoiled_mail_is_noticed(rendering, before, after, defect):
    found = spoiled(rendering, before, after)

    assert (defect in found) if defect else (found == [])


def test_e06_and_e07_pictures_need_descriptions():
    issue = make_issue(document=gallery.document(picture=gallery.make_picture()))
    rendering = editions.render(issue, "en")

    assert ("E06", "blead") in spoiled(rendering, 'alt="People walk', 'x-alt="People walk')
    assert ("E07", "blead") in spoiled(
        rendering, 'alt="People walk through autogates in the arrivals hall"', 'alt="IMG_1"'
    )


def test_e16_a_mail_that_gmail_would_cut_off_cannot_leave(rendering):
    def severity(size):
        longer = dataclasses.replace(
            rendering, html=rendering.html.replace("</body>", "<!--x-->\n" * (size // 9) + "</body>")
        )
        found = checks.check_rendering(longer, newsletter=make_newsletter())
        return [check.severity for check in found if check.id == "E16" and not check.ok]

    assert [severity(0), severity(15_000), severity(80_000)] == [[], ["warns"], ["blocks"]]


@pytest.mark.parametrize(
    ("url", "defects"),
    [
        ("http://kabarlintas.example/a", 1),
        ("https://bit.ly/abc", 1),
        ("http://www.s.id/abc", 2),
        ("https://kabarlintas.example/a", 0),
    ],
)
def test_e18_insecure_and_hidden_targets_are_named(url, defects):
    block = content.Story(id="bstory", words={"id": story_words(1).model_copy(update={"url": url})})
    document = make_document(stories=0)
    document.blocks = [block]
    issue = make_issue(document=document)

    found = checks.check_rendering(editions.render(issue, "id", tracked=True), newsletter=issue.newsletter)

    assert failed(found) == [("E18", "bstory")] * defects


def test_e18_embedded_mode_allows_exactly_its_own_loopback_address(settings):
    settings.SITE_URL = "http://127.0.0.1:8000"
    document = make_document(stories=2)
    document.blocks[0].words["id"].url = "http://127.0.0.1:8000/demo/artikel/1/"
    document.blocks[1].words["id"].url = "http://127.0.0.1:8001/demo/artikel/1/"
    issue = make_issue(document=document)

    found = checks.check_rendering(editions.render(issue, "id"), newsletter=issue.newsletter)

    assert failed(found) == [("E18", "b002")] * 2
    assert "leads to a number" in found[-1].message or any("leads to a number" in one.message for one in found)


@pytest.mark.parametrize(
    ("subject", "preheader", "defects"),
    [
        ("", "x" * 50, ["E21"]),
        ("Pendek", "x" * 50, ["E21"]),
        ("x" * 79, "y" * 50, ["E21"]),
        ("Autogate baru di Soekarno-Hatta", "", ["E20"]),
        ("Autogate baru di Soekarno-Hatta", "Terlalu pendek", ["E20"]),
        ("x" * 60, "x" * 60, ["E20"]),
    ],
)
def test_e20_e21_subject_and_preview_line_fit(subject, preheader, defects):
    document = make_document(stories=1)
    document.envelopes["id"] = content.Envelope(subject=subject, preheader=preheader)
    issue = make_issue(document=document)

    found = checks.check_rendering(editions.render(issue, "id"), newsletter=issue.newsletter)

    assert [check.id for check in found if not check.ok] == defects


def test_an_issue_without_a_subject_cannot_leave():
    document = make_document(stories=1)
    document.envelopes = {}

    found = checks.check_issue(make_issue(document=document))

    assert {check.severity for check in found if check.id == "E21" and not check.ok} == {"blocks"}


@pytest.mark.parametrize(
    "words", ["Tarif [TK] rupiah", "TKTK", "Lorem ipsum dolor", "Hubungi XXX", "Hai {{ nama }}", "*|FNAME|*"]
)
def test_e22_what_is_still_to_be_filled_in_blocks(words):
    document = make_document(stories=2)
    document.blocks[1].words["id"].summary = f"<p>{words}</p>"

    found = checks.check_issue(make_issue(document=document))

    assert failed(found) == [("E22", "b002")]
    assert found[0].severity == "blocks"


def test_tk_alone_is_a_kindergarten():
    document = make_document(stories=1)
    document.blocks[0].words["id"].summary = "<p>Paspor untuk anak TK dan SD</p>"

    assert failed(checks.check_issue(make_issue(document=document))) == []


def test_e23_a_mail_that_nobody_can_leave_cannot_leave(rendering):
    assert ("E23", None) in spoiled(rendering, "https://surat.example/u/⟦u⟧/", "https://surat.example/")


def test_e24_headings_and_links_missing_from_the_text_are_noticed(rendering):
    shorter = dataclasses.replace(rendering, text=rendering.text.replace("Stay permits", "").replace("/l/4/", "/l/x/"))

    found = checks.check_rendering(shorter, newsletter=make_newsletter())

    assert ("E24", "bpermit") in failed(found)


def test_e26_a_foreign_text_without_its_language_is_noticed():
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2)}
    issue = make_issue(document=document)
    rendering = editions.render(issue, "en")
    unmarked = dataclasses.replace(rendering, html=rendering.html.replace('lang="id"', ""))

    assert list(documents.find_unmarked_fallbacks(rendering, document, "id")) == []
    assert [defect.block for defect in documents.find_unmarked_fallbacks(unmarked, document, "id")] == ["b002"]


# --- what a document lacks -------------------------------------------------------------------------------------------


def test_a_required_language_that_is_missing_blocks():
    document = make_document(stories=2)
    document.blocks[1].words = {"id": story_words(2)}
    document.blocks[1].policy = {"en": "required"}

    found = wrong(make_issue(document=document))

    assert [(check.id, check.severity, check.block, check.language) for check in found] == [
        ("language", "blocks", "b002", "en")
    ]
    assert found[0].message == "This block has to be written in English."


def test_a_newsletter_without_postal_address_cannot_send():
    issue = make_issue(make_newsletter(postal_address=" "))

    assert ("address", None) in failed(checks.check_issue(issue))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"url": "https://a.example/x"}, "This block has no headline."),
        ({"headline": "Judul"}, "This story has no link to its article."),
    ],
)
def test_a_half_written_block_is_named_rather_than_left_out(words, message):
    document = make_document(stories=2)
    document.blocks[1].words = {"id": content.StoryWords(**words)}

    found = wrong(make_issue(document=document))

    assert [(check.id, check.block, check.message, check.language) for check in found] == [
        ("headline", "b002", message, "id")
    ]


def test_an_address_that_is_none_is_named():
    document = make_document(stories=2)
    document.blocks[1].words["id"].url = "javascript:alert(1)"

    assert ("link", "b002") in failed(checks.check_issue(make_issue(document=document)))


def test_an_empty_issue_has_nothing_to_read():
    assert ("language", None) in failed(checks.check_issue(make_issue(stories=0)))


def test_e17_heavy_pictures_are_named():
    picture = gallery.make_picture()
    MediaFile.objects.update(size=900_000, width=2400)

    found = checks.check_issue(make_issue(document=gallery.document(picture=picture)))

    assert failed(found) == [("E17", "blead"), ("E17", None)]


def test_a_block_that_cannot_be_rendered_is_named():
    document = make_document(stories=1)
    document.blocks[0].words["id"].summary = "<em>" * 5000

    assert ("render", "b001") in failed(checks.check_issue(make_issue(document=document)))


def test_editors_are_not_asked_to_mend_what_only_we_can():
    assert checks.Check("E05", "blocks", False, "").is_system
    assert not checks.Check("E09", "warns", False, "").is_system


def test_a_place_for_a_name_needs_words_for_readers_without_one():
    document = make_document(stories=1)
    document.blocks[0].words["en"].summary = '<p>Hello <span data-merge="name"></span>!</p>'

    found = checks.check_issue(make_issue(document=document))

    missing = [check for check in found if check.id == "name"]
    assert [(check.ok, check.severity, check.block, check.language) for check in missing] == [
        (False, "blocks", "b001", "en")
    ]
