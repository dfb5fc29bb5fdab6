"""Start page, lists, articles, settings, editors and the log, as people use them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from newsletter import articles, issues
from newsletter.models import Article, AuditEntry, Issue, Membership, Newsletter, Role, Source
from newsletter.studio.start import dashboard
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter, make_scheduled_issue

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(newsletter):
    return make_editor(newsletter)


@pytest.fixture
def studio(client, admin):
    client.force_login(admin)
    return client


def make_article(title="Paspor hilang", **fields):
    number = Article.objects.count()
    url = f"https://kabarlintas.example/id/{number}"
    return Article.objects.create(**{"guid": url, "url": url, "title": title, "language": "id", **fields})


PAGES = [
    "studio-start",
    "issue-list",
    "article-list",
    "source-list",
    "settings-newsletters",
    "settings-newsletter-create",
    "settings-editors",
    "settings-account",
    "audit",
]


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_in_both_languages(studio, newsletter, name, htmx, language):
    make_issue(newsletter)

    page = studio.get(reverse(name), {"lang": language}, headers={"HX-Request": "true"} if htmx else {})

    assert page.status_code == 200
    assert f'<html lang="{language}"' in page.text
    assert page.text.count("<h1") == 1
    assert "style=" not in page.text


# --- this week -------------------------------------------------------------------------------------------------------


def test_the_start_page_shows_the_draft_and_what_it_lacks(studio, newsletter):
    document = make_document()
    del document.block("b002").words["en"]
    issue = make_issue(newsletter, document=document)

    page = studio.get(reverse("studio-start")).text

    assert "Autogate baru dan izin tinggal daring" in page
    assert f"1 block of Issue {issue.number} has no English version" in page
    assert f'src="{reverse("issue-preview", args=[issue.pk])}"' in page


def test_a_paused_issue_comes_first_with_its_reason(studio, newsletter):
    issue = make_issue(newsletter)
    Issue.objects.filter(pk=issue.pk).update(status="paused", pause_reason="12 of 50 addresses were refused.")
    Source.objects.create(newsletter=newsletter, url="https://x.example/feed", error="The site did not answer.")

    page = studio.get(reverse("studio-start")).text

    assert page.index("12 of 50 addresses were refused.") < page.index("The site did not answer.")


def test_the_last_issue_is_told_in_one_sentence(studio, newsletter):
    issue = make_issue(newsletter)
    figures = {"audience_count": 10982, "accepted_count": 10931, "refused_count": 51, "click_count": 2148}
    Issue.objects.filter(pk=issue.pk).update(status="sent", sent_at=NOW, **figures)

    page = studio.get(reverse("studio-start")).text

    assert "reached <strong>10,931</strong> of 10,982 readers" in page
    assert "were clicked <strong>2,148</strong> times" in page


def test_a_correction_to_a_few_is_not_told_as_the_last_issue(studio, newsletter):
    issue, note = make_issue(newsletter), make_issue(newsletter)
    Issue.objects.filter(pk=issue.pk).update(
        status="sent", sent_at=NOW - timedelta(days=1), audience_count=10982, accepted_count=10931
    )
    Issue.objects.filter(pk=note.pk).update(
        status="sent", sent_at=NOW, audience_count=7, accepted_count=7, audience={"got_issue": issue.pk}
    )

    assert "reached <strong>10,931</strong> of 10,982 readers" in studio.get(reverse("studio-start")).text


def test_with_measurement_off_the_sentence_speaks_of_no_clicks(studio, newsletter):
    Newsletter.objects.update(tracking="off")
    Issue.objects.filter(pk=make_issue(newsletter).pk).update(status="sent", sent_at=NOW)

    assert "clicked" not in studio.get(reverse("studio-start")).text


def test_the_set_up_names_what_is_left(newsletter):
    Newsletter.objects.update(postal_address="")
    newsletter.refresh_from_db()

    left = [step.title for step in dashboard.list_setup_steps(newsletter) if not step.is_done]

    assert [title for title in left if "Sign-up" not in title] == [
        "Postal address",
        "A feed or a first article",
        "Mail provider",
        "First issue",
    ]


def test_pages_above_add_their_own_steps_and_needs(newsletter, admin, monkeypatch):
    monkeypatch.setattr(dashboard, "_setup_step_sources", [])
    monkeypatch.setattr(dashboard, "_action_item_sources", [])
    dashboard.register_setup_steps(lambda letter: [dashboard.SetupStep("Sign-up box", "1 min", "/x/", False, 15)])
    dashboard.register_action_items(
        lambda editor, mine: [dashboard.ActionItem("A reader asked", "72 h", "/y/", tone="danger")]
    )

    assert "Sign-up box" in [step.title for step in dashboard.list_setup_steps(newsletter)]
    assert dashboard.list_action_items(admin, [newsletter])[0].title == "A reader asked"


def test_somebody_without_a_newsletter_is_told_what_to_do(client):
    client.force_login(make_editor())

    assert "Ask an administrator." in client.get(reverse("studio-start")).text


# --- issues ----------------------------------------------------------------------------------------------------------


def test_issues_are_found_by_number_subject_and_status(studio, newsletter):
    make_issue(newsletter)
    other = make_issue(newsletter)
    document = make_document()
    document.envelopes["id"].subject = "Kuota Denpasar"
    issues.save(other, document, version=other.version, editor=None, now=NOW)
    address = reverse("issue-list")

    by_word = studio.get(address, {"q": "kuota"}).text
    by_number = studio.get(address, {"q": "#1"}).text
    sent = studio.get(address, {"status": "sent"}).text

    assert "Kuota Denpasar" in by_word
    assert "Autogate baru" not in by_word
    assert "Autogate baru" in by_number
    assert "Kuota Denpasar" not in sent


def test_an_issue_is_started_in_the_newsletter_asked_for(studio, admin, newsletter):
    other = make_newsletter()
    Membership.objects.create(editor=admin, newsletter=other, role=Role.WRITER)

    response = studio.post(reverse("issue-create"), {"newsletter": other.slug})

    assert response.url == reverse("issue-compose", args=[other.issues.get().pk])


def test_a_deleted_draft_leaves_the_list_and_can_be_undone(studio, newsletter):
    issue = make_issue(newsletter)

    page = studio.post(reverse("issue-delete", args=[issue.pk]), follow=True).text
    gone = studio.get(reverse("issue-list")).text
    studio.post(reverse("issue-bring-back", args=[issue.pk]))

    assert reverse("issue-bring-back", args=[issue.pk]) in page
    assert "Start your first issue" in gone
    assert "Autogate baru" in studio.get(reverse("issue-list")).text


def test_a_deleted_draft_opens_nowhere(studio, newsletter):
    issue = make_issue(newsletter)
    issues.delete(issue, editor=None, now=NOW)

    answers = {studio.get(reverse(name, args=[issue.pk])).status_code for name in ("issue-compose", "issue-preview")}

    assert answers == {404}


def test_an_issue_that_is_scheduled_cannot_be_deleted(studio, newsletter):
    issue = make_scheduled_issue(newsletter)

    page = studio.post(reverse("issue-delete", args=[issue.pk]), follow=True).text

    assert "so this step is not possible" in page
    assert Issue.objects.get(pk=issue.pk).deleted_at is None


# --- articles --------------------------------------------------------------------------------------------------------


def test_articles_say_where_they_stand(studio, newsletter):
    old, draft = make_issue(newsletter), None
    issues.add_article(old, make_article("Lama"), editor=None, now=NOW)
    Issue.objects.filter(pk=old.pk).update(status="sent", sent_at=NOW - timedelta(days=7))
    draft = make_issue(newsletter)
    issues.add_article(draft, make_article("Dipakai"), editor=None, now=NOW)
    make_article("Baru")
    make_article("Hilang", state="gone")
    address = reverse("article-list")

    titles = {
        state: [
            title
            for title in ("Lama", "Dipakai", "Baru", "Hilang")
            if f">{title}</a>" in studio.get(address, {"state": state}).text
        ]
        for state in ("", "new", "draft", "used", "gone")
    }

    assert titles == {
        "": ["Lama", "Dipakai", "Baru", "Hilang"],
        "new": ["Baru"],
        "draft": ["Dipakai"],
        "used": ["Lama"],
        "gone": ["Hilang"],
    }


def test_an_article_goes_into_the_draft(studio, newsletter):
    issue, article = make_issue(newsletter), make_article()

    page = studio.post(reverse("article-use"), {"article": article.pk}, follow=True).text

    assert list(article.issues.all()) == [issue]
    assert f"added to the draft of #{issue.number}." in page


def test_without_a_draft_an_article_starts_an_issue(studio, newsletter):
    article = make_article()

    studio.post(reverse("article-use"), {"article": article.pk})

    assert newsletter.issues.get().content["blocks"][0]["kind"] == "lead"


def test_a_second_use_asks_first(studio, newsletter):
    article = make_article()
    old = issues.add_article(make_issue(newsletter), article, editor=None, now=NOW)
    Issue.objects.filter(pk=old.pk).update(status="sent", sent_at=NOW)
    draft = make_issue(newsletter)

    asked = studio.post(reverse("article-use"), {"article": article.pk}, follow=True).text
    before = draft.articles.count()
    studio.post(reverse("article-use"), {"article": article.pk, "again": "yes"})

    assert f"was in #{old.number}" in asked
    assert (before, draft.articles.count()) == (0, 1)


def test_a_pasted_address_becomes_an_article(studio, newsletter, monkeypatch):
    asked = []

    def add_by_url(url, *, newsletter, **_):
        asked.append((url, newsletter))
        return make_article("Dari alamat")

    monkeypatch.setattr(articles, "add_by_url", add_by_url)

    page = studio.post(reverse("article-add"), {"url": "kabarlintas.example/x"}, follow=True).text

    assert asked == [("https://kabarlintas.example/x", newsletter)]
    assert "“Dari alamat” has been added." in page


def test_an_address_without_an_article_says_why_and_stays_typed(studio, monkeypatch):
    def nothing(url, **_):
        raise articles.NotAnArticle("There is no article at this address.")

    monkeypatch.setattr(articles, "add_by_url", nothing)

    response = studio.post(reverse("article-add"), {"url": "https://kabarlintas.example/x"})

    assert response.status_code == 422
    assert "There is no article at this address." in response.text
    assert 'value="https://kabarlintas.example/x"' in response.text


def test_a_feed_is_connected_and_read_at_once(studio, newsletter, monkeypatch):
    def connect(url, *, newsletter):
        return Source.objects.create(newsletter=newsletter, url=url)

    monkeypatch.setattr(articles, "connect_source", connect)
    monkeypatch.setattr(articles, "collect", lambda source, now: articles.CollectResult(new=3))

    page = studio.post(reverse("source-add"), {"url": "https://kabarlintas.example/feed"}, follow=True).text

    assert "3 new articles." in page
    assert AuditEntry.objects.get().action == "source-added"


def test_a_feed_that_fails_says_so_in_words(studio, newsletter, monkeypatch):
    source = Source.objects.create(newsletter=newsletter, url="https://kabarlintas.example/feed")
    monkeypatch.setattr(
        articles, "collect", lambda source, now: articles.CollectResult(error="The site did not answer.")
    )

    page = studio.post(reverse("source-read", args=[source.pk]), follow=True).text

    assert "The feed could not be read: The site did not answer." in page


def test_a_feed_can_be_stopped_and_started_again(studio, newsletter):
    source = Source.objects.create(newsletter=newsletter, url="https://kabarlintas.example/feed")
    states = []

    for _ in range(2):
        studio.post(reverse("source-stop", args=[source.pk]))
        source.refresh_from_db()
        states.append(source.is_active)

    assert states == [False, True]


# --- settings of a newsletter ----------------------------------------------------------------------------------------


def settings_form(**changes):
    return {
        "brand": "Kabar Lintas",
        "title": "Ringkasan mingguan",
        "description": "Lima kabar imigrasi",
        "accent": "#0E5A55",
        "default_language": "id",
        "more_languages": ["en"],
        "title_en": "Weekly summary",
        "description_en": "Five stories",
        "from_name": "Kabar Lintas",
        "from_email": "redaksi@kabarlintas.example",
        "reply_to": "halo@kabarlintas.example",
        "postal_address": "Redaksi Kabar Lintas, Jl. Contoh No. 10, Jakarta 12345",
        "site_url": "https://kabarlintas.example",
        "privacy_url": "https://kabarlintas.example/privasi/",
        "time_zone": "Asia/Makassar",
        "tracking": "aggregate",
        "hold_s": "120",
        "first_batch": "50",
        "is_public": "on",
        "archive_is_public": "on",
        **changes,
    }


def test_settings_are_saved_and_logged_by_field(studio, newsletter):
    studio.post(reverse("settings-newsletter", args=[newsletter.slug]), settings_form(hold_s="30"))

    newsletter.refresh_from_db()
    entry = AuditEntry.objects.get(action="settings-changed")
    assert (newsletter.hold_s, newsletter.time_zone, newsletter.languages) == (30, "Asia/Makassar", ["id", "en"])
    assert {"hold_s", "time_zone"} <= set(entry.detail["fields"])
    assert "redaksi" not in str(entry.detail)


def test_saving_without_a_change_is_not_logged(studio, newsletter):
    address = reverse("settings-newsletter", args=[newsletter.slug])
    studio.post(address, settings_form())
    before = AuditEntry.objects.count()

    page = studio.post(address, settings_form(), follow=True).text

    assert AuditEntry.objects.count() == before
    assert "Nothing changed." in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("accent", "#7FC7BE", "Too light to read on white: 1.9 : 1"),
        ("accent", "teal", "Write a colour as # and six digits"),
        ("postal_address", "Jakarta", "Enter the complete address"),
        ("postal_address", "Redaksi Kabar Lintas Jl. Contoh No. 10 Jakarta", "The postcode is missing."),
        ("postal_address", "", "This field is required."),
        ("hold_s", "301", "Ensure this value is less than or equal to 300."),
        ("from_email", "redaksi", "Enter a valid email address."),
        ("time_zone", "Mars/Olympus", "Select a valid choice."),
        ("tracking", "everything", "Select a valid choice."),
    ],
)
def test_a_wrong_setting_is_refused_beside_its_field_and_stays_typed(studio, newsletter, field, value, said):
    address = reverse("settings-newsletter", args=[newsletter.slug])

    response = studio.post(address, settings_form(**{field: value, "brand": "Belum tersimpan"}))

    newsletter.refresh_from_db()
    assert response.status_code == 422
    assert said in response.text
    assert 'value="Belum tersimpan"' in response.text
    assert newsletter.brand == "Kabar Lintas"


def test_the_accent_shows_its_contrast_and_its_partner_for_dark_mail(studio, newsletter):
    page = studio.get(reverse("settings-newsletter", args=[newsletter.slug])).text

    assert "Contrast on white: 8.0 : 1" in page
    assert "The colour for dark mail, #" in page


def test_a_changed_sender_ends_approvals_and_says_so(studio, newsletter):
    issue = make_scheduled_issue(newsletter)
    address = reverse("settings-newsletter", args=[newsletter.slug])

    page = studio.post(address, settings_form(from_email="kabar@kabarlintas.example"), follow=True).text

    issue = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    assert "need a new approval" in page
    assert issue.approved_hash != issues.approval_digest(issue)


def test_a_new_newsletter_has_its_maker_as_administrator(studio, admin):
    studio.post(reverse("settings-newsletter-create"), settings_form(title="Kabar Visa"))

    made = Newsletter.objects.get(slug="kabar-visa")
    assert made.memberships.get().editor == admin
    assert made.list_id == "kabar-visa.kabarlintas.example"


def test_the_list_id_stays_when_title_and_sender_change(studio, newsletter):
    before = newsletter.list_id

    studio.post(
        reverse("settings-newsletter", args=[newsletter.slug]),
        settings_form(title="Judul lain", from_email="x@lain.example"),
    )

    newsletter.refresh_from_db()
    assert newsletter.list_id == before


def test_two_newsletters_of_one_title_get_addresses_of_their_own(studio):
    for _ in range(2):
        studio.post(reverse("settings-newsletter-create"), settings_form(title="New"))

    slugs = Newsletter.objects.filter(title="New").values_list("slug", flat=True)
    assert len(set(slugs)) == 2
    assert "new" not in slugs


# --- editors ---------------------------------------------------------------------------------------------------------


def test_a_changed_role_ends_the_sessions_of_its_owner(studio, newsletter):
    writer = make_editor(newsletter, role=Role.WRITER)
    theirs = Client()
    theirs.force_login(writer)

    studio.post(reverse("settings-editor-role", args=[writer.memberships.get().pk]), {"role": "publisher"})

    assert writer.memberships.get().role == Role.PUBLISHER
    assert theirs.get(reverse("studio-start")).status_code == 302
    assert AuditEntry.objects.get().detail == {"from": "writer", "to": "publisher"}


def test_ones_own_changed_role_keeps_this_session(studio, newsletter, admin):
    make_editor(newsletter)

    studio.post(reverse("settings-editor-role", args=[admin.memberships.get().pk]), {"role": "editor"})

    assert studio.get(reverse("studio-start")).status_code == 200
    assert studio.get(reverse("settings-editors")).status_code == 403


@pytest.mark.parametrize("name", ["settings-editor-role", "settings-editor-remove"])
def test_the_last_administrator_cannot_go(studio, newsletter, admin, name):
    make_editor(newsletter, role=Role.PUBLISHER)
    member = admin.memberships.get()

    page = studio.post(reverse(name, args=[member.pk]), {"role": "writer"}, follow=True).text

    assert "A newsletter needs an administrator." in page
    assert admin.memberships.get().role == Role.ADMINISTRATOR


def test_a_removed_editor_keeps_the_account_and_loses_the_newsletter(studio, newsletter):
    writer = make_editor(newsletter, role=Role.WRITER)

    studio.post(reverse("settings-editor-remove", args=[writer.memberships.get().pk]))

    writer.refresh_from_db()
    assert writer.is_active
    assert not writer.memberships.exists()


def test_a_role_that_does_not_exist_is_not_given(studio, newsletter):
    member = make_editor(newsletter, role=Role.WRITER).memberships.get()

    assert studio.post(reverse("settings-editor-role", args=[member.pk]), {"role": "god"}).status_code == 404


# --- the log ---------------------------------------------------------------------------------------------------------


def test_the_log_says_who_did_what(studio, newsletter, admin):
    issue = make_issue(newsletter)
    issues.approve(issue, editor=admin, now=NOW)

    page = studio.get(reverse("audit")).text

    assert f"<b>Ayu Lestari</b> approved Issue {issue.number}" in page


def test_the_log_shows_only_ones_own_newsletters(studio):
    other = make_newsletter()
    issues.approve(make_issue(other), editor=make_editor(name="Orang Lain"), now=NOW)

    assert "Orang Lain" not in studio.get(reverse("audit")).text


def test_the_log_names_the_address_behind_our_proxy(studio, newsletter, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    address = reverse("settings-newsletter", args=[newsletter.slug])

    studio.post(address, settings_form(hold_s="9"), headers={"x-forwarded-for": "203.0.113.9, 198.51.100.7"})

    assert AuditEntry.objects.get().ip == "198.51.100.7"


def test_without_a_proxy_a_forwarded_address_is_not_believed(studio, newsletter):
    address = reverse("settings-newsletter", args=[newsletter.slug])

    studio.post(address, settings_form(hold_s="9"), headers={"x-forwarded-for": "203.0.113.9"})

    assert AuditEntry.objects.get().ip == "127.0.0.1"


def test_a_story_and_its_twin_in_another_language_are_one_row(studio, newsletter):
    original = Article.objects.create(
        guid="a",
        url="https://x.example/a",
        title="Paspor hilang",
        language="id",
        alternates={"en": "https://x.example/en/a"},
    )
    Article.objects.create(
        guid="b", url="https://x.example/en/a", title="A lost passport", language="en", alternates={"id": original.url}
    )
    Article.objects.create(guid="c", url="https://x.example/en/c", title="Only in English", language="en")

    page = studio.get(reverse("article-list")).content.decode()

    assert "Paspor hilang" in page
    assert "Only in English" in page
    assert "A lost passport" not in page
