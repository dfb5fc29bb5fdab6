"""The list of readers and one reader's page: who may see them, what they show, what an editor may do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from newsletter.models import AuditEntry, Role
from subscribers import consent, signup, suppression
from subscribers.models import (
    ConsentEvent,
    ConsentHead,
    SignupForm,
    Subscriber,
    SubscriptionStatus,
    SuppressionReason,
)
from subscribers.studio import timeline
from tests.factories import NOW, make_editor, make_newsletter, make_reader

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
LIST = "/studio/subscribers/"


@pytest.fixture
def editor(client, letter):
    editor = make_editor(letter, role=Role.EDITOR)
    client.force_login(editor)
    return editor


def page_of(subscription):
    return reverse("subscriber", args=[subscription.subscriber.public_id])


def confirmed_by_form(letter, email="siti@pembaca.example", *, page="https://kabarlintas.example/artikel"):
    """Siti signed up under an article and pressed the button in her mail."""
    form, _made = SignupForm.objects.get_or_create(slug="kotak")
    form.newsletters.add(letter)
    texts = consent.ensure_texts(letter, now=NOW)
    request = signup.accept(
        form,
        email=email,
        newsletters=[letter],
        language="id",
        page_url=page,
        consent_texts=[text for text in texts if text.language == "id"],
        ip="203.0.113.9",
        user_agent="Firefox",
        trap=False,
        now=NOW,
    )
    signup.admit_due(now=NOW)
    return consent.confirm(request, now=NOW + timedelta(minutes=6))[0]


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"), [(Role.WRITER, 403), (Role.EDITOR, 200), (Role.PUBLISHER, 200), (Role.ADMINISTRATOR, 200)]
)
def test_t61_who_sees_readers(client, letter, role, status):
    siti = make_reader(letter)
    client.force_login(make_editor(letter, role=role))

    answers = [client.get(address).status_code for address in (LIST, page_of(siti))]

    assert answers == [status, status]


def test_t61_readers_of_another_newsletter_are_not_there(client, editor):
    hers = make_reader(make_newsletter(), email="lain@pembaca.example")

    listed, page = client.get(LIST), client.get(page_of(hers))
    tried = client.post(reverse("subscriber-unsubscribe", args=[hers.subscriber.public_id]), {"reason": "other"})

    assert "lain@pembaca.example" not in listed.content.decode()
    assert (page.status_code, tried.status_code) == (404, 404)


def test_nobody_sees_readers_without_logging_in(client, letter):
    siti = make_reader(letter)

    assert [client.get(address).status_code for address in (LIST, page_of(siti))] == [302, 302]


def test_only_an_administrator_stops_all_mail(client, editor, letter):
    siti = make_reader(letter)

    answer = client.post(reverse("subscriber-stop", args=[siti.subscriber.public_id]), {"reason": "other"})

    assert answer.status_code == 403
    assert Subscriber.objects.get().suppressed_at is None


# --- the list --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"budi@pembaca.example", "siti@pembaca.example", "charlie@pembaca.example"}),
        ("?q=SITI", {"siti@pembaca.example"}),
        ("?q=wulandari", {"siti@pembaca.example"}),
        ("?status=pending", {"budi@pembaca.example"}),
        ("?status=stopped", {"charlie@pembaca.example"}),
        ("?status=subscribed", {"siti@pembaca.example"}),
        ("?language=en", {"charlie@pembaca.example"}),
        (
            "?status=nonsense&newsletter=nowhere",
            {"budi@pembaca.example", "siti@pembaca.example", "charlie@pembaca.example"},
        ),
        ("?q=nobody", set()),
    ],
)
def test_the_list_finds_readers(client, editor, letter, query, found, headers):
    make_reader(letter, email="siti@pembaca.example", name="Siti Wulandari")
    make_reader(letter, email="budi@pembaca.example", status=SubscriptionStatus.PENDING)
    make_reader(letter, email="charlie@pembaca.example", language="en")
    suppression.suppress("charlie@pembaca.example", reason=SuppressionReason.BOUNCED, now=NOW)

    answer = client.get(LIST + query, headers=headers)

    assert {reader.email for reader in answer.context["readers"]} == found


def test_the_tabs_count_each_reader_once_a_status(client, editor, letter):
    for number in range(3):
        make_reader(letter, email=f"siti{number}@pembaca.example")
    make_reader(letter, email="budi@pembaca.example", status=SubscriptionStatus.PENDING)

    tabs = client.get(LIST).context["tabs"]

    assert [(tab["name"], tab["count"]) for tab in tabs] == [
        ("All", 4),
        ("Not confirmed", 1),
        ("Subscribed", 3),
        ("Paused", 0),
        ("Unsubscribed", 0),
        ("Stopped", 0),
    ]


def test_paging_shows_every_reader_once_there_and_back(client, editor, letter):
    for number in range(120):
        make_reader(letter, email=f"pembaca{number:03}@pembaca.example")

    seen, answer = [], client.get(LIST)
    while True:
        seen.append([reader.email for reader in answer.context["readers"]])
        if not answer.context["older"]:
            break
        answer = client.get(f"{LIST}?{answer.context['older']}")
    back = client.get(f"{LIST}?{answer.context['newer']}")

    assert [len(page) for page in seen] == [50, 50, 20]
    assert len({email for page in seen for email in page}) == 120
    assert [reader.email for reader in back.context["readers"]] == seen[1]


def test_the_list_takes_the_same_queries_for_two_readers_and_for_fifty(
    client, editor, letter, django_assert_max_num_queries
):
    for number in range(50):
        make_reader(letter, email=f"pembaca{number}@pembaca.example")

    with django_assert_max_num_queries(16):
        client.get(LIST)


def test_an_empty_list_says_what_will_be_there(client, editor):
    assert "No readers yet" in client.get(LIST).content.decode()


# --- one reader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "word"), [("en", "Subscribers"), ("id", '<html lang="id"')])
def test_a_readers_page_speaks_the_editors_language(client, letter, language, word):
    siti = confirmed_by_form(letter)
    client.force_login(make_editor(letter, language=language))

    assert word in client.get(page_of(siti)).content.decode()


def test_the_timeline_shows_both_halves_of_consent_with_the_exact_words(client, editor, letter):
    siti = confirmed_by_form(letter)
    words = consent.current_text(letter, "newsletter", "id").text

    answer = client.get(page_of(siti))

    titles = [entry.title for entry, _at in answer.context["rows"]]
    assert titles == ["Confirmed Ringkasan mingguan", "Requested Ringkasan mingguan"]
    assert words in answer.content.decode()
    assert 'href="https://kabarlintas.example/artikel"' in answer.content.decode()


def test_the_network_address_kept_as_proof_is_not_shown(client, editor, letter):
    siti = confirmed_by_form(letter)

    assert "203.0.113.9" not in client.get(page_of(siti)).content.decode()


def test_the_proof_is_intact_and_broken_when_rows_are_missing(client, editor, letter):
    siti = confirmed_by_form(letter)
    before = client.get(page_of(siti)).context["chain"]["state"]

    ConsentHead.objects.update(count=9)

    assert (before, client.get(page_of(siti)).context["chain"]["state"]) == ("intact", "broken")


def test_a_long_chain_is_checked_on_request_only(client, editor, letter, monkeypatch):
    monkeypatch.setattr("subscribers.studio.subscribers.AUTO_VERIFY_LIMIT", 1)
    siti = confirmed_by_form(letter)

    states = [client.get(page_of(siti) + query).context["chain"]["state"] for query in ("", "?verify")]

    assert states == ["unchecked", "intact"]


def test_t70_what_strangers_sent_is_inert(client, editor, letter):
    siti = make_reader(letter, name=f"Siti {HOSTILE}")
    step = consent.EventData(
        siti, "requested", text=consent.ensure_texts(letter, now=NOW)[0], page_url="javascript:alert(1)"
    )
    consent.append_event(step, now=NOW)

    pages = [client.get(address).content.decode() for address in (LIST, page_of(siti))]

    assert all(HOSTILE not in page and "javascript:alert" not in page for page in pages)
    assert "&lt;script&gt;" in pages[0]


def test_a_registered_source_tells_its_part_of_the_timeline(client, editor, letter, monkeypatch):
    siti = confirmed_by_form(letter)
    later = NOW + timedelta(days=1)
    entry = timeline.TimelineEntry(later, timeline.MAIL, "mail", "Got issue 1")
    monkeypatch.setattr(timeline, "_sources", [timeline.consent_entries])
    timeline.register(lambda span: [entry])

    everything = client.get(page_of(siti)).context["rows"]
    mail_only = client.get(page_of(siti) + "?show=mail").context["rows"]

    assert [each.title for each, _at in everything][0] == "Got issue 1"
    assert [each.title for each, _at in mail_only] == ["Got issue 1"]


def test_older_entries_follow_on_the_next_page(client, editor, letter, monkeypatch):
    siti = make_reader(letter)

    def source(span):
        for number in range(60):
            at = NOW - timedelta(hours=number)
            if span.before is None or at < span.before:
                yield timeline.TimelineEntry(at, timeline.MAIL, "mail", f"mail {number}")

    monkeypatch.setattr(timeline, "_sources", [source])
    first = client.get(page_of(siti))
    second = client.get(f"{page_of(siti)}?{first.context['older']}")

    titles = [entry.title for page in (first, second) for entry, _at in page.context["rows"]]
    assert titles == [f"mail {number}" for number in range(60)]
    assert second.context["older"] == ""


# --- what an editor may do -------------------------------------------------------------------------------------------


def test_an_editor_unsubscribes_a_reader_who_asked_by_phone(client, editor, letter):
    siti = confirmed_by_form(letter)

    answer = client.post(
        reverse("subscriber-unsubscribe", args=[siti.subscriber.public_id]),
        {"newsletter": letter.slug, "reason": "asked_by_phone"},
    )

    siti.refresh_from_db()
    last = ConsentEvent.objects.order_by("-pk").first()
    assert answer.status_code == 302
    assert siti.status == SubscriptionStatus.UNSUBSCRIBED
    assert (last.action, last.actor) == ("withdrawn", f"editor {editor.pk}")
    assert AuditEntry.objects.get().detail == {"reason": "asked_by_phone"}
    titles = [entry.title for entry, _at in client.get(page_of(siti)).context["rows"]]
    assert titles[:2] == ["Unsubscribed in the studio", "Unsubscribed from Ringkasan mingguan"]


def test_a_reason_has_to_be_chosen(client, editor, letter):
    siti = make_reader(letter)

    address = reverse("subscriber-unsubscribe", args=[siti.subscriber.public_id])
    client.post(address, {"newsletter": letter.slug, "reason": "siti@pembaca.example told me"})

    siti.refresh_from_db()
    assert siti.status == SubscriptionStatus.SUBSCRIBED
    assert not AuditEntry.objects.exists()


def test_an_administrator_stops_all_mail_and_allows_it_again(client, letter):
    siti = make_reader(letter)
    client.force_login(make_editor(letter, role=Role.ADMINISTRATOR))
    public_id = siti.subscriber.public_id

    client.post(reverse("subscriber-stop", args=[public_id]), {"reason": "not_theirs"})
    stopped = suppression.is_suppressed(siti.subscriber.email_key)
    client.post(reverse("subscriber-allow", args=[public_id]))

    assert (stopped, suppression.is_suppressed(siti.subscriber.email_key)) == (True, False)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["reader-suppressed", "reader-allowed"]


def test_s75_nobody_lifts_a_complaint_for_the_reader(client, letter):
    siti = make_reader(letter)
    suppression.suppress(siti.subscriber.email_key, reason=SuppressionReason.COMPLAINED, now=NOW)
    client.force_login(make_editor(letter, role=Role.ADMINISTRATOR))

    answer = client.post(reverse("subscriber-allow", args=[siti.subscriber.public_id]), follow=True)

    assert suppression.is_suppressed(siti.subscriber.email_key)
    assert "Only the reader can undo this" in answer.content.decode()


@pytest.mark.parametrize("name", ["subscriber-unsubscribe", "subscriber-stop", "subscriber-allow"])
def test_a_look_changes_nothing(client, editor, letter, name):
    siti = make_reader(letter)

    assert client.get(reverse(name, args=[siti.subscriber.public_id])).status_code == 405
