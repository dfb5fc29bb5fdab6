"""The figures block everywhere an issue is shown: composer, checks, mail, text, archive, feed, history, languages, library."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from newsletter import checks, content, editions
from newsletter.media import library
from newsletter.studio.composer import history
from tests.factories import NOW, make_document, make_issue, make_sent
from tests.newsletter import gallery
from tests.newsletter.studio.composer.composer_client import either_way, form_of, post, step, stored
from workers.studio.review import changes_since_test, content_by_language

pytestmark = pytest.mark.django_db


def figures(*rows: tuple[str, str], heading: str = "", source: str = "") -> content.FiguresWords:
    items = [content.Figure(value=value, label=label) for value, label in rows]
    return content.FiguresWords(heading=heading, figures=items, source=source)


TWO = (("12.400", "permohonan"), ("98 %", "selesai"))


def with_block(words: content.FiguresWords, **others: content.FiguresWords) -> content.Document:
    document = make_document(stories=1)
    document.blocks.append(content.Figures(id="bfig", words={"id": words, **others}))
    return document


def found(document: content.Document) -> list[tuple[str, str, str]]:
    issue = make_issue(document=document)
    return [
        (check.id, check.severity, check.message)
        for check in checks.check_issue(issue, now=NOW)
        if not check.ok and check.block == "bfig"
    ]


# --- composer --------------------------------------------------------------------------------------------------------


@either_way
def test_figures_are_added_filled_in_moved_and_removed(studio, issue, htmx):
    step(studio, issue, "add:figures", htmx=htmx)
    key = stored(issue).blocks[-1].id
    page = studio.get(reverse("issue-compose", args=[issue.pk])).text
    assert f'name="{key}.f1.label"' in page
    assert f'name="{key}.f2.label"' not in page

    typed = {f"{key}.f0.value": "12.400", f"{key}.f0.label": "permohonan"}
    typed |= {f"{key}.f1.value": "98 %", f"{key}.f1.label": "selesai", f"{key}.source": "Sumber: redaksi"}
    post(studio, "issue-autosave", issue, form_of(issue, **typed), htmx=htmx)
    assert stored(issue).block(key).words["id"] == figures(*TWO, source="Sumber: redaksi")

    step(studio, issue, f"figure:{key}:id", htmx=htmx)
    step(studio, issue, f"figure:{key}:id", htmx=htmx)
    assert len(stored(issue).block(key).words["id"].figures) == 4
    full = step(studio, issue, f"figure:{key}:id", htmx=True)
    assert "4" in full.text
    assert len(stored(issue).block(key).words["id"].figures) == 4

    step(studio, issue, f"nofigure:{key}:id:3", htmx=htmx)
    step(studio, issue, f"nofigure:{key}:id:2", htmx=htmx)
    step(studio, issue, f"figure-up:{key}:id:1", htmx=htmx)
    assert [one.value for one in stored(issue).block(key).words["id"].figures] == ["98 %", "12.400"]


def test_a_figure_is_moved_in_all_languages_with_as_many(studio, issue):
    document = stored(issue)
    document.blocks.append(
        content.Figures(
            id="bfig", words={"id": figures(*TWO), "en": figures(("12,400", "applications"), ("98%", "done"))}
        )
    )
    issue.content = content.dump(document)
    issue.save(update_fields=["content"])

    step(studio, issue, "figure-down:bfig:id:0")

    words = stored(issue).block("bfig").words
    assert [[one.value for one in words[language].figures] for language in ("id", "en")] == [
        ["98 %", "12.400"],
        ["98%", "12,400"],
    ]


def test_a_saved_block_of_figures_comes_back(issue):
    block = content.Figures(words={"id": figures(*TWO)})

    saved = library.save_block(issue.newsletter, block, name="Angka", editor=None, now=NOW)

    assert library.copy_saved_block(saved).words == block.words


# --- checks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (figures(*TWO), []),
        (figures(("", ""), ("", "")), []),
        (figures(TWO[0]), [("headline", "blocks")]),
        (figures(heading="Oktober"), [("headline", "blocks")]),
        (figures(*TWO, ("7", "")), [("headline", "blocks")]),
        (figures(*TWO, ("", "kantor")), [("headline", "blocks")]),
        (figures(("Rp12.400.500.000", "biaya"), TWO[1]), [("headline", "warns")]),
        (figures(*TWO, *TWO[:1], ("Rp500.000", "biaya")), [("headline", "warns")]),
    ],
)
def test_figures_that_are_incomplete_or_too_long_are_reported(words, expected):
    assert [(check, severity) for check, severity, _message in found(with_block(words))] == expected


# --- mail, archive, feed ---------------------------------------------------------------------------------------------


def test_figures_are_in_the_mail_and_aligned_in_the_text_part():
    issue = make_issue(document=with_block(figures(*TWO, ("7", ""), heading="Oktober", source="Sumber: redaksi")))

    rendering = editions.render(issue, "id")

    assert "12.400  permohonan\n98 %    selesai\n" in rendering.text
    for text in ("Oktober", "12.400", "permohonan", "Sumber: redaksi"):
        assert text in rendering.html
    assert ">7<" not in rendering.html


def test_a_language_without_figures_shows_those_of_the_first_one_marked():
    rendering = editions.render(make_issue(document=with_block(figures(*TWO))), "en")

    assert 'lang="id"' in rendering.html
    assert "This article is in Indonesian." in rendering.text


@pytest.mark.usefixtures("_secure_site")
def test_figures_are_on_the_archive_page_and_in_the_feed(client):
    issue = make_sent(document=with_block(figures(*TWO, source="Sumber: redaksi")))

    page = client.get(f"/archive/2026/{issue.slug}/").text
    feed = json.loads(client.get("/archive/feed.json", {"lang": "id"}).content)["items"][0]["content_html"]

    assert "<b><bdi>12.400</bdi></b> permohonan" in page
    assert "<b>12.400</b> permohonan" in feed
    assert "Sumber: redaksi" in page
    assert "Sumber: redaksi" in feed


# --- review, history, languages --------------------------------------------------------------------------------------


def test_history_and_review_name_the_figure_that_changed():
    old, new = with_block(figures(*TWO)), with_block(figures(("12.900", "permohonan"), TWO[1]))

    (change,) = history.differences(content.dump(old), content.dump(new), ["id", "en"])
    (tested,) = changes_since_test.differences(old, new, default="id")

    assert [piece.text for piece in change.changes[0].pieces if piece.is_new] == ["12.900"]
    assert (tested.kind, tested.title) == ("text", "12.900 permohonan")
    assert "12.900" in tested.words


def test_review_and_the_table_of_languages_say_what_is_missing(studio):
    issue = make_issue(document=with_block(figures(*TWO)))

    row = next(row for row in content_by_language.matrix(issue) if row.block == "bfig")

    assert (row.title, [cell.tone for cell in row.cells]) == ("12.400 permohonan", ["yes", "part"])


def test_the_gallery_has_figures_in_four_languages():
    block = gallery.document(languages=gallery.LANGUAGES).block("bfigures")

    assert {language: len(words.figures) for language, words in block.words.items()} == dict.fromkeys(
        gallery.LANGUAGES, 3
    )
