"""The composer: a form that saves itself, step by step, as plain requests and as htmx."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from newsletter import issues
from newsletter.blocks.forms import FORMS
from newsletter.models import Article, Editor, Issue, MediaFile, Membership, Role
from newsletter.studio.shared import document_form
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter
from tests.newsletter.studio.composer.composer_client import form_of, ids, post, stored

pytestmark = pytest.mark.django_db


# --- showing ---------------------------------------------------------------------------------------------------------


def test_the_page_is_one_form_with_every_block_in_order(studio, issue):
    page = studio.get(reverse("issue-compose", args=[issue.pk])).text

    assert [page.index(f'name="block" value="b00{number}"') for number in (1, 2, 3)] == sorted(
        page.index(f'name="block" value="b00{number}"') for number in (1, 2, 3)
    )
    assert page.count("<h1") == 1
    assert "Imigrasi buka jalur autogate ke-1" in page


def test_the_other_language_is_a_tab_with_its_own_words(studio, issue):
    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text

    assert re.search(r'name="b001.headline"[^>]*>Autogate lane 1 opens</textarea>', page)
    assert not re.search(r"<textarea[^>]*>Imigrasi buka jalur", page)


def test_an_unknown_language_shows_the_first(studio, issue):
    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "fr"}).text

    assert 'name="language" value="id"' in page


@pytest.mark.parametrize("status", ["scheduled", "sending", "sent", "cancelled", "paused"])
def test_an_issue_on_its_way_opens_read_only(studio, issue, status):
    Issue.objects.filter(pk=issue.pk).update(status=status, scheduled_at=NOW, sent_at=NOW)

    page = studio.get(reverse("issue-compose", args=[issue.pk])).text

    assert 'id="compose"' not in page
    assert reverse("issue-preview", args=[issue.pk]) in page


# --- saving ----------------------------------------------------------------------------------------------------------


def test_what_is_typed_is_saved_and_the_version_goes_up(studio, issue):
    response = post(studio, "issue-autosave", issue, form_of(issue, subject="Judul baru"), htmx=True)

    assert stored(issue).envelopes["id"].subject == "Judul baru"
    assert f'id="version" value="{issue.version + 1}"' in response.text
    assert response["HX-Trigger"] == "preview-stale"


def test_a_plain_post_saves_as_well_and_returns_to_the_page(studio, issue):
    response = post(studio, "issue-autosave", issue, form_of(issue, subject="Judul baru"))

    assert stored(issue).envelopes["id"].subject == "Judul baru"
    assert response.url == reverse("issue-compose", args=[issue.pk])


def test_saving_one_language_leaves_the_other_alone(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue, "en", **{"b001.headline": "New lanes"}))

    words = stored(issue).block("b001").words
    assert words["en"].headline == "New lanes"
    assert words["id"].headline == "Imigrasi buka jalur autogate ke-1"


def test_saving_without_a_change_makes_no_version(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue), htmx=True)

    assert Issue.objects.get(pk=issue.pk).version == issue.version


def test_article_and_picture_survive_a_save(studio, newsletter, editor):
    article = Article.objects.create(guid="a", url="https://kabarlintas.example/a", title="Paspor", language="id")
    issue = issues.add_article(make_issue(newsletter), article, editor=editor, now=NOW)

    post(studio, "issue-autosave", issue, form_of(issue, subject="Lain"))

    assert stored(issue).article_ids() == [article.pk]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Satu\n\nDua", "<p>Satu</p><p>Dua</p>"),
        ("Satu\nbaris", "<p>Satu<br />baris</p>"),
        ("- paspor\n- KTP", "<ul><li>paspor</li><li>KTP</li></ul>"),
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("<strong>Penting</strong><script>alert(1)</script>", "<p><strong>Penting</strong></p>"),
        ('<a href="javascript:alert(1)" onclick="x">klik</a>', "<p>klik</p>"),
        ('<a href="https://imigrasi.example/">situs</a>', '<p><a href="https://imigrasi.example/">situs</a></p>'),
    ],
)
def test_a_summary_is_cleaned_to_a_little_html(studio, issue, typed, kept):
    post(studio, "issue-autosave", issue, form_of(issue, **{"b001.summary": typed}))

    assert stored(issue).block("b001").words["id"].summary == kept


@pytest.mark.parametrize("typed", ["Satu\n\nDua & tiga", "- a\n- b", "1. a\n2. b", "<strong>x</strong>\ny"])
def test_a_summary_comes_back_as_it_was_typed(typed):
    assert document_form.html_to_typed(document_form.typed_to_html(typed)) == typed


@pytest.mark.parametrize("htmx", [False, True])
def test_a_wrong_address_is_refused_and_everything_typed_stays(studio, issue, htmx):
    changes = {"b001.url": "javascript:alert(1)", "subject": "Belum tersimpan"}

    response = post(studio, "issue-autosave", issue, form_of(issue, **changes), htmx=htmx)

    assert response.status_code == 422
    assert stored(issue).envelopes["id"].subject == "Autogate baru dan izin tinggal daring"
    assert "Write a whole address that begins with https://" in response.text
    if not htmx:
        assert 'value="javascript:alert(1)"' in response.text
        assert ">Belum tersimpan</textarea>" in response.text


def test_a_text_that_is_too_long_names_its_limit(studio, issue):
    response = post(studio, "issue-autosave", issue, form_of(issue, subject="x" * 201), htmx=True)

    assert "Too long: 201 characters, and 200 fit." in response.text


@pytest.mark.parametrize(
    "broken",
    [
        {"block": ["b001", "b001"]},
        {"block": ["b999"]},
        {"block": ["../../x"]},
        {"block": [f"b{number:03d}" for number in range(61)]},
        {"do": "explode:b001"},
        {"do": "up:b999"},
        {"do": "add:script"},
        {"do": "article:999"},
    ],
)
def test_a_form_that_our_page_cannot_have_made_is_refused(studio, issue, broken):
    response = post(studio, "issue-autosave", issue, form_of(issue, **broken))

    assert response.status_code == 400
    assert ids(issue) == ["b001", "b002", "b003"]


def test_saving_takes_a_post(studio, issue):
    for name in ("issue-autosave", "issue-undo", "issue-redo", "issue-copy"):
        assert studio.get(reverse(name, args=[issue.pk])).status_code == 405


# --- steps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "order"),
    [
        ("up:b002", ["b002", "b001", "b003"]),
        ("down:b002", ["b001", "b003", "b002"]),
        ("up:b001", ["b001", "b002", "b003"]),
        ("down:b003", ["b001", "b002", "b003"]),
        ("remove:b002", ["b001", "b003"]),
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_blocks_move_and_go(studio, issue, step, order, htmx):
    post(studio, "issue-autosave", issue, form_of(issue, do=step), htmx=htmx)

    assert ids(issue) == order


@pytest.mark.parametrize("kind", list(document_form.KIND_LABELS))
def test_a_block_of_every_kind_can_be_added_and_typed_into(studio, issue, kind):
    post(studio, "issue-autosave", issue, form_of(issue, do=f"add:{kind}"))
    added = stored(issue).blocks[-1]
    filled = {
        f"{added.id}.{field.name}": "3:45" if field.kind == "duration" else "https://kabarlintas.example/x"
        for field in FORMS[kind].fields
    }
    filled |= (
        {
            f"{added.id}.{FORMS[kind].items.prefix}{number}.{field.name}": "98 %" if field.most == 24 else "tepat waktu"
            for number in range(2)
            for field in FORMS[kind].items.fields
        }
        if kind == "figures"
        else {}
    )
    filled |= (
        {f"{added.id}.q0.question": "Berapa biayanya?", f"{added.id}.q0.answer": "Rp350.000."} if kind == "faq" else {}
    )

    saved = post(studio, "issue-autosave", issue, form_of(issue, **filled), htmx=True)

    assert added.kind == kind
    assert saved.status_code == 200
    assert kind == "divider" or stored(issue).blocks[-1].words["id"].is_complete


def test_a_step_keeps_what_was_typed_before_it(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue, do="remove:b003", **{"b003.headline": "Sempat diketik"}))

    back = post(studio, "issue-undo", issue, form_of(issue), htmx=True)

    assert stored(issue).block("b003").words["id"].headline == "Sempat diketik"
    assert "Sempat diketik" in back.text


def test_an_order_that_was_dragged_is_saved(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue, block=["b003", "b001", "b002"]))

    assert ids(issue) == ["b003", "b001", "b002"]


def test_an_article_from_the_tray_becomes_a_block(studio, issue):
    article = Article.objects.create(
        guid="a", url="https://kabarlintas.example/a", title="Paspor hilang", language="id"
    )

    response = post(studio, "issue-autosave", issue, form_of(issue, do=f"article:{article.pk}"), htmx=True)

    assert stored(issue).blocks[-1].words["id"].headline == "Paspor hilang"
    assert "Paspor hilang" in response.text


def test_a_second_use_of_an_article_has_to_be_meant(studio, newsletter, issue):
    article = Article.objects.create(guid="a", url="https://kabarlintas.example/a", title="Paspor", language="id")
    other = issues.add_article(make_issue(newsletter), article, editor=None, now=NOW)

    refused = post(studio, "issue-autosave", issue, form_of(issue, do=f"article:{article.pk}"), htmx=True)
    count_before = len(ids(issue))
    post(studio, "issue-autosave", issue, form_of(issue, do=f"again:{article.pk}"), htmx=True)

    assert f"Already used in #{other.number}" in refused.text
    assert (count_before, len(ids(issue))) == (3, 4)


def test_what_to_do_where_a_translation_is_missing_is_kept(studio, issue):
    document = make_document()
    del document.block("b002").words["en"]
    issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW)

    page = studio.get(reverse("issue-compose", args=[issue.pk]), {"language": "en"}).text
    post(studio, "issue-autosave", issue, form_of(issue, "en", **{"b002.policy": "optional"}))

    assert 'name="b002.policy"' in page
    assert stored(issue).block("b002").policy == {"en": "optional"}


# --- undo, redo, history ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True])
def test_undo_and_redo_survive_a_reload(studio, issue, htmx):
    post(studio, "issue-autosave", issue, form_of(issue, do="remove:b002"), htmx=htmx)
    studio.get(reverse("issue-compose", args=[issue.pk]))

    post(studio, "issue-undo", issue, form_of(issue), htmx=htmx)
    undone = ids(issue)
    studio.get(reverse("issue-compose", args=[issue.pk]))
    post(studio, "issue-redo", issue, form_of(issue), htmx=htmx)

    assert undone == ["b001", "b002", "b003"]
    assert ids(issue) == ["b001", "b003"]


def test_undo_takes_back_what_is_typed_and_not_saved_yet(studio, issue):
    response = post(studio, "issue-undo", issue, form_of(issue, subject="Salah ketik"), htmx=True)

    assert stored(issue).envelopes["id"].subject == "Autogate baru dan izin tinggal daring"
    assert ">Autogate baru dan izin tinggal daring</textarea>" in response.text


def test_nothing_to_redo_is_said_and_is_no_error(studio, issue):
    response = post(studio, "issue-redo", issue, form_of(issue), htmx=True)

    assert response.status_code == 200
    assert "There is nothing to redo." in response.text


def test_history_names_changes_and_brings_a_version_back(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue, do="remove:b002"))
    page = studio.get(reverse("issue-history", args=[issue.pk])).text

    studio.post(reverse("issue-history", args=[issue.pk]), {"number": "2"})

    assert "Removed: Imigrasi buka jalur autogate ke-2" in page
    assert ids(issue) == ["b001", "b002", "b003"]


def test_a_version_that_is_not_there_changes_nothing(studio, issue):
    response = studio.post(reverse("issue-history", args=[issue.pk]), {"number": "99"}, follow=True)

    assert "This version is no longer in the history." in response.text


# --- two people ------------------------------------------------------------------------------------------------------


def somebody_saves(issue, subject="Dari Dewi"):
    document = stored(issue)
    document.envelopes["id"].subject = subject
    current = Issue.objects.get(pk=issue.pk)
    dewi = make_editor(issue.newsletter, name="Dewi Anggraini")
    return issues.save(current, document, version=current.version, editor=dewi, now=NOW)


@pytest.mark.parametrize("htmx", [False, True])
def test_a_save_over_somebody_elses_is_a_conflict_that_names_them(studio, issue, htmx):
    form = form_of(issue, subject="Dari saya")
    somebody_saves(issue)

    response = post(studio, "issue-autosave", issue, form, htmx=htmx)

    assert response.status_code == 409
    assert "Dewi Anggraini saved it at" in response.text
    assert stored(issue).envelopes["id"].subject == "Dari Dewi"
    if not htmx:
        assert ">Dari saya</textarea>" in response.text
        assert f'id="version" value="{form["version"]}"' in response.text


def test_an_undo_over_somebody_elses_save_is_a_conflict(studio, issue):
    form = form_of(issue)
    somebody_saves(issue)

    response = post(studio, "issue-undo", issue, form, htmx=True)

    assert response.status_code == 409
    assert stored(issue).envelopes["id"].subject == "Dari Dewi"


@pytest.mark.parametrize("htmx", [False, True])
def test_mine_can_be_kept_as_a_copy(studio, issue, htmx):
    form = form_of(issue, subject="Dari saya")
    somebody_saves(issue)

    response = post(studio, "issue-copy", issue, form, htmx=htmx)

    twin = Issue.objects.get(number=issue.number + 1)
    assert stored(twin).envelopes["id"].subject == "Dari saya"
    assert stored(issue).envelopes["id"].subject == "Dari Dewi"
    assert (response["HX-Redirect"] if htmx else response.url) == reverse("issue-compose", args=[twin.pk])


def test_a_copy_keeps_blocks_that_somebody_removed_meanwhile(studio, issue):
    form = form_of(issue)
    current = Issue.objects.get(pk=issue.pk)
    document = stored(issue)
    document.blocks = document.blocks[:1]
    issues.save(current, document, version=current.version, editor=None, now=NOW)

    post(studio, "issue-copy", issue, form)

    twin = Issue.objects.get(number=issue.number + 1)
    assert ids(twin) == ["b001", "b002", "b003"]
    assert stored(twin).block("b003").words["en"].headline == "Autogate lane 3 opens"


def test_twelve_saves_in_a_row_are_no_conflict(studio, issue):
    answers = [
        post(studio, "issue-autosave", issue, form_of(issue, subject=f"Judul {number}"), htmx=True).status_code
        for number in range(12)
    ]

    assert answers == [200] * 12


def test_a_scheduled_issue_refuses_a_save_that_was_still_on_its_way(studio, issue):
    form = form_of(issue, subject="Terlambat")
    Issue.objects.filter(pk=issue.pk).update(status="scheduled", scheduled_at=NOW)

    response = post(studio, "issue-autosave", issue, form, htmx=True)

    assert response.status_code == 409
    assert "can no longer be edited" in response.text


# --- preview and checks ----------------------------------------------------------------------------------------------


def test_the_preview_brings_its_own_policy(studio, issue):
    response = studio.get(reverse("issue-preview", args=[issue.pk]))

    policy = response["Content-Security-Policy"]
    assert "script-src 'none'" in policy
    assert "sandbox allow-same-origin" in policy
    assert "allow-scripts" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "Imigrasi buka jalur autogate ke-1" in response.text


def test_the_preview_speaks_each_language_and_look(studio, issue):
    address = reverse("issue-preview", args=[issue.pk])

    english = studio.get(address, {"language": "en"}).text
    dark = studio.get(address, {"look": "dark"}).text
    text = studio.get(address, {"view": "text"}).text

    assert "Autogate lane 1 opens" in english
    assert "prefers-color-scheme: dark" not in dark
    assert "<pre>" in text


def test_a_check_leads_to_its_block(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue, **{"b002.headline": "[TK] judul"}), htmx=True)

    for name in ("issue-checks", "issue-compose"):
        page = studio.get(reverse(name, args=[issue.pk])).text

        assert 'href="#b002"' in page
        assert "Must be fixed before sending" in page


def test_a_check_of_the_other_language_leads_there(studio, issue):
    post(studio, "issue-autosave", issue, form_of(issue, "en", **{"b002.headline": "TKTK title"}), htmx=True)

    assert 'href="?language=en#b002"' in studio.get(reverse("issue-checks", args=[issue.pk])).text


def test_every_answer_of_the_composer_speaks_indonesian_too(studio, issue):
    for name in ("issue-compose", "issue-history", "issue-preview"):
        assert studio.get(reverse(name, args=[issue.pk]), {"lang": "id"}).status_code == 200


# --- speed -----------------------------------------------------------------------------------------------------------


def big(newsletter, blocks, languages=("id", "en")):
    """An issue of `blocks` stories that tell articles with pictures."""
    document = make_document(stories=blocks, languages=languages)
    for number, block in enumerate(document.blocks):
        file = MediaFile.objects.create(
            file=f"{number}.jpg", hash=f"{newsletter.pk}-{number}", width=900, height=600, size=9
        )
        url = f"https://kabarlintas.example/{newsletter.pk}/{number}"
        block.article = Article.objects.create(guid=url, url=url, title=f"Kabar {number}", language="id").pk
        block.picture = issues.build_picture(file)
    return make_issue(newsletter, document=document)


def queries(client, issue, language="id", *, do="", htmx=True):
    form = form_of(issue, language, do=do, subject=f"Judul {language}")
    with CaptureQueriesContext(connection) as counted:
        response = post(client, "issue-autosave", issue, form, htmx=htmx)
        if not htmx:
            client.get(response.url)
    assert response.status_code in {200, 302}
    return len(counted)


@pytest.mark.parametrize("do", ["", "up:b002"], ids=["save", "step"])
@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_save_asks_the_database_as_often_for_forty_blocks_as_for_four(studio, newsletter, do, htmx):
    few, many = big(newsletter, 4), big(make_newsletter(), 40)
    make_editor_of(studio, many)

    assert queries(studio, few, do=do, htmx=htmx) == queries(studio, many, do=do, htmx=htmx)


def test_a_save_asks_the_database_as_often_in_four_languages_as_in_one(studio):
    one = big(make_newsletter(languages=["id"]), 6, ("id",))
    four = big(make_newsletter(languages=["id", "en", "ar", "zh-hans"]), 6, ("id", "en"))
    make_editor_of(studio, one)
    make_editor_of(studio, four)

    assert queries(studio, one) == queries(studio, four, "ar")


def make_editor_of(client, issue):
    editor = Editor.objects.get(pk=client.session["_auth_user_id"])
    Membership.objects.create(editor=editor, newsletter=issue.newsletter, role=Role.WRITER)
