"""From the button of a box to the mail that is due, whatever the address's state."""

from __future__ import annotations

import datetime
import re

import pytest

from subscribers import consent, signup, suppression
from subscribers.models import (
    ConsentEvent,
    ConsentText,
    Notice,
    NoticeKind,
    SignupRequest,
    Subscriber,
    Subscription,
    SubscriptionStatus,
)
from tests.factories import NOW, make_newsletter, make_reader
from tests.subscribers.signup_helpers import (
    BROWSER,
    PAGE,
    STATES,
    ask,
    ask_and_admit,
    make_form,
    make_state,
    post,
    stamp,
)

pytestmark = pytest.mark.django_db
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)


# --- the answer ------------------------------------------------------------------------------------------------------


def test_a_sign_up_is_kept_and_leads_to_the_check_your_inbox_page(client):
    form = make_form()

    answer = post(client, form, "Siti@Contoh.ID", page=PAGE + "?ref=siti#top", headers={"user-agent": BROWSER})

    kept = SignupRequest.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == f"/check-inbox/{kept.public_id}/"
    assert (kept.email, kept.cap_key, kept.language) == ("Siti@contoh.id", "siti@contoh.id", "id")
    assert (kept.page_url, kept.ip, kept.network, kept.user_agent) == (PAGE, "127.0.0.1", "127.0.0.0/24", BROWSER)
    assert list(kept.newsletters.all()) == list(form.newsletters.all())
    assert [text.purpose for text in kept.consent_texts.all()] == ["newsletter"]


@pytest.mark.parametrize(
    "page",
    [
        "https://You have won! Go to prize.example/x",
        "https://prize.example/",
        "https://kabarlintas.example.prize.example/",
        "https://kabarlintas.example/You have won",
        "http://kabarlintas.example/",
        "javascript:alert(1)",
    ],
)
def test_t24_a_visitor_cannot_choose_what_a_strangers_mail_says(client, page):
    post(client, make_form(), page=page)

    assert SignupRequest.objects.get().page_url == ""


def test_c02_a_page_of_ours_or_of_a_registered_site_is_kept(client):
    form = make_form(allowed_origins=["https://mitra.example"])

    for page in ("https://mitra.example/a", "http://127.0.0.1:8000/subscribe/", PAGE):
        post(client, form, page=page)

    assert list(SignupRequest.objects.order_by("pk").values_list("page_url", flat=True)) == [
        "https://mitra.example/a",
        "http://127.0.0.1:8000/subscribe/",
        PAGE,
    ]


def masked(answer) -> tuple:
    """An answer without what is random in every one: the request's id, and the time stamp of the box."""
    body = re.sub(rb"check-inbox/[\w-]+/", b"check-inbox/ID/", answer.content)
    body = re.sub(rb'name="stamp" value="[\w-]+"', b"STAMP", body)
    headers = {name: re.sub(r"check-inbox/[\w-]+/", "check-inbox/ID/", value) for name, value in answer.items()}
    return answer.status_code, body, headers, dict(answer.client.cookies)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_t01_six_states_of_an_address_get_one_answer(client, accept):
    form = make_form()
    answers = []

    for state in STATES:
        make_state(form.newsletters.get(), state, "siti@contoh.id")
        answers.append(masked(post(client, form, headers={"accept": accept})))
        Subscriber.objects.all().delete()

    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == {"text/html": 303, "application/json": 200}[accept]
    assert answers[0][3] == {}


def test_t01_six_states_of_an_address_get_one_page_after_the_answer(client):
    form = make_form()
    pages = []

    for state in STATES:
        make_state(form.newsletters.get(), state, "siti@contoh.id")
        answer = client.get(post(client, form)["Location"])
        signup.admit_due(now=SignupRequest.objects.latest("pk").created_at)
        again = client.get(answer.request["PATH_INFO"])
        body = masked(again)[1]
        assert body == masked(answer)[1]
        pages.append(re.sub(rb"\d\d[:.]\d\d", b"TIME", body))
        Subscriber.objects.all().delete()

    assert all(page == pages[0] for page in pages)


def test_t01_the_public_form_asks_the_same_of_the_database_in_every_state(client, django_assert_num_queries):
    form = make_form()
    counts = set()

    for number, state in enumerate(STATES):
        make_state(form.newsletters.get(), state, f"siti{number}@contoh.id")
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as queries:
            post(client, form, f"siti{number}@contoh.id")
        counts.add(len(queries))
        assert not any("subscribers_subscri" in query["sql"] for query in queries)

    assert len(counts) == 1


def test_json_says_where_to_look(client):
    form = make_form()

    answer = post(client, form, headers={"accept": "application/json"}).json()

    assert answer["status"] == "check_inbox"
    assert answer["sender"] == "Kabar Lintas <redaksi@kabarlintas.example>"
    assert "Kabar Lintas" in answer["subject"]
    assert SignupRequest.objects.get().public_id in answer["url"]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    "bot", [{"website": "https://spam.example"}, {"stamp": ""}, {"stamp": "forged"}, {"stamp": "fast"}]
)
def test_s72_a_trapped_robot_gets_the_same_answer_and_goes_no_further(client, bot, accept):
    form = make_form()
    person = masked(post(client, form, "budi@contoh.id", headers={"accept": accept}))
    fields = {"stamp": stamp(seconds_ago=0)} if bot == {"stamp": "fast"} else bot

    robot = masked(post(client, form, headers={"accept": accept}, **fields))
    signup.admit_due(now=NOW)

    assert (robot[0], robot[2], robot[3]) == (
        person[0],
        person[2] | {"Content-Length": robot[2]["Content-Length"]},
        person[3],
    )
    assert robot[1] == person[1].replace(b"budi@contoh.id", b"siti@contoh.id")
    assert SignupRequest.objects.get(email="siti@contoh.id").outcome == "trap"
    assert not Subscriber.objects.filter(email="siti@contoh.id").exists()


# --- what is wrong with the form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("dé@example.net", "letters from a to z"),
        ("siti@contoh,id", "comma"),
        ("postmaster@contoh.id", "belongs to a role or department"),
        ("", "Please enter your e-mail address"),
    ],
)
def test_an_invalid_address_comes_back_with_words_and_what_was_typed(client, typed, words):
    form = make_form()

    answer = post(client, form, typed, language="en")

    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'role="alert"' in page
    assert f'<a href="#email-{form.slug}">' in page
    assert 'aria-invalid="true"' in page
    assert f'value="{typed}"' in page
    assert words in page
    assert not SignupRequest.objects.exists()


def test_t23_what_was_typed_comes_back_escaped(client):
    answer = post(client, make_form(), '"><script>alert(1)</script>')

    assert b"<script>" not in answer.content


def test_at_least_one_newsletter_must_be_ticked(client):
    form = make_form(make_newsletter(), make_newsletter())

    answer = post(client, form, language="en")

    assert answer.status_code == 422
    assert "Choose at least one newsletter" in answer.content.decode()


def test_only_newsletters_of_the_form_can_be_ticked(client):
    one, two, foreign = make_newsletter(), make_newsletter(), make_newsletter()
    form = make_form(one, two)

    post(client, form, newsletters=[two.pk, foreign.pk])

    assert list(SignupRequest.objects.get().newsletters.all()) == [two]


def test_a_consent_box_must_be_ticked_where_the_form_has_one(client):
    form = make_form(consent_style="checkbox")

    refused = post(client, form, language="en")
    accepted = post(client, form, agree="yes")

    assert refused.status_code == 422
    assert "tick the box" in refused.content.decode()
    assert accepted.status_code == 303


def test_a_page_that_was_open_for_days_asks_for_one_more_press(client):
    answer = post(client, make_form(), stamp=stamp(seconds_ago=3 * 24 * 3600), language="en")

    assert answer.status_code == 422
    assert "press the button again" in answer.content.decode()
    assert 'value="siti@contoh.id"' in answer.content.decode()


def test_s72_too_many_from_one_network_are_told_to_wait(client):
    form = make_form()
    for number in range(30):
        post(client, form, f"siti{number}@contoh.id")

    answer = post(client, form, "budi@contoh.id", language="en")

    assert answer.status_code == 429
    assert "try again in ten minutes" in answer.content.decode()
    assert not SignupRequest.objects.filter(email="budi@contoh.id").exists()


def test_s72_too_many_for_one_form_are_told_to_wait(client, monkeypatch):
    from subscribers.signup import limits

    monkeypatch.setattr(limits, "MAX_PER_FORM", 3)
    form = make_form()
    for number in range(3):
        ask(form, f"siti{number}@contoh.id", ip=f"203.0.{number}.1", now=datetime.datetime.now(datetime.UTC))

    assert post(client, form).status_code == 429


# --- other sites -----------------------------------------------------------------------------------------------------


def test_t62_a_registered_site_may_post_and_read_the_answer(client):
    form = make_form(allowed_origins=["https://kabarlintas.example"])

    answer = post(
        client, form, stamp="", headers={"origin": "https://kabarlintas.example", "accept": "application/json"}
    )

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == "https://kabarlintas.example"
    assert "Origin" in answer["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer
    assert SignupRequest.objects.get().outcome == ""


@pytest.mark.parametrize("origin", ["https://evil.example", "https://kabarlintas.example.evil.example", "null"])
def test_t62_another_site_may_not(client, origin):
    form = make_form(allowed_origins=["https://kabarlintas.example"])

    answer = post(client, form, headers={"origin": origin})

    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer
    assert not SignupRequest.objects.exists()


def test_t62_our_own_pages_may_post_but_need_no_cors(client):
    form = make_form()

    answer = post(client, form, headers={"origin": "http://testserver"})

    assert answer.status_code == 303
    assert "Access-Control-Allow-Origin" not in answer


def test_t62_no_csrf_token_is_needed_and_no_cookie_set():
    from django.test import Client

    client = Client(enforce_csrf_checks=True)

    answer = post(client, make_form())

    assert answer.status_code == 303
    assert not answer.cookies


# --- admitting -------------------------------------------------------------------------------------------------------


def test_c02_a_new_reader_waits_with_the_first_half_of_the_proof():
    form = make_form()

    request = ask_and_admit(form)

    subscription = Subscription.objects.get()
    event = ConsentEvent.objects.get()
    notice = Notice.objects.get()
    assert request.outcome == "confirmation"
    assert (subscription.status, subscription.language) == (SubscriptionStatus.PENDING, "id")
    assert (event.action, event.subscription, event.consent_text) == (
        "requested",
        subscription.pk,
        form_text(form),
    )
    assert (event.page_url, event.ip, event.user_agent, event.form_slug) == (PAGE, "192.0.2.7", BROWSER, "subscribe")
    assert (notice.kind, notice.request, notice.subscriber) == (
        NoticeKind.CONFIRMATION,
        request,
        subscription.subscriber,
    )
    assert notice.payload == {"subscriptions": [subscription.pk]}


def form_text(form):
    return ConsentText.objects.get(newsletter__in=form.newsletters.all(), purpose="newsletter", language="id")


def test_c01_the_words_in_the_proof_are_those_that_were_shown(client):
    form = make_form()
    shown = form_text(form)
    consent.publish_text(shown.newsletter, "newsletter", "id", text="Kata baru.", now=NOW)

    post(client, form, text=[shown.pk])
    signup.admit_due(now=NOW)

    assert ConsentEvent.objects.get().consent_text == shown


def test_c01_words_of_another_newsletter_cannot_be_smuggled_in(client):
    foreign = form_text(make_form(slug="other"))
    form = make_form()

    post(client, form, text=[foreign.pk])

    assert list(SignupRequest.objects.get().consent_texts.all()) == [form_text(form)]


def test_c03_measurement_is_agreed_to_only_by_its_own_box(client):
    form = make_form(make_newsletter(tracking="individual"))
    newsletter = form.newsletters.get()

    post(client, form, "siti@contoh.id")
    post(client, form, "john@contoh.id", measurement=[newsletter.pk])

    purposes = {
        request.email: [text.purpose for text in request.consent_texts.order_by("purpose")]
        for request in SignupRequest.objects.all()
    }
    assert purposes == {"siti@contoh.id": ["newsletter"], "john@contoh.id": ["measurement", "newsletter"]}


def test_one_mail_confirms_several_newsletters():
    form = make_form(make_newsletter(), make_newsletter())

    ask_and_admit(form)

    assert Subscription.objects.count() == 2
    assert len(Notice.objects.get().payload["subscriptions"]) == 2


def test_t01_a_reader_who_has_it_already_gets_a_mail_that_says_so():
    form = make_form()
    make_reader(form.newsletters.get(), email="siti@contoh.id")

    request = ask_and_admit(form)

    assert request.outcome == "already subscribed"
    assert Notice.objects.get().kind == NoticeKind.ALREADY_SUBSCRIBED
    assert not ConsentEvent.objects.exists()


def test_a_reader_of_one_newsletter_confirms_only_the_other():
    first, second = make_newsletter(), make_newsletter()
    siti = make_reader(first, email="siti@contoh.id")

    ask_and_admit(make_form(first, second))

    siti.refresh_from_db()
    assert siti.status == SubscriptionStatus.SUBSCRIBED
    assert Notice.objects.get().payload == {"subscriptions": [Subscription.objects.get(newsletter=second).pk]}


@pytest.mark.parametrize("reason", ["bounced", "complained", "erased", "manual"])
def test_s75_nothing_is_sent_to_a_suppressed_address(reason):
    form = make_form()
    suppression.suppress("siti@contoh.id", reason=reason, now=NOW)

    request = ask_and_admit(form)

    assert request.outcome == "suppressed"
    assert not Notice.objects.exists()
    assert not Subscriber.objects.exists()


def test_admitting_twice_changes_nothing():
    form = make_form()
    ask_and_admit(form)

    again = signup.admit_due(now=NOW)

    assert again == 0
    assert (Notice.objects.count(), ConsentEvent.objects.count()) == (1, 1)


def test_two_ticks_that_saw_the_same_request_admit_it_once():
    request = ask(make_form())

    first, second = signup._admit(request.pk, now=NOW), signup._admit(request.pk, now=NOW)

    assert (first, second) == (True, False)
    assert Notice.objects.count() == 1


def test_one_odd_request_does_not_keep_the_others_waiting(monkeypatch, caplog):
    form = make_form()
    odd = ask(form, "odd@contoh.id")
    ask(form, "siti@contoh.id")
    outcome = signup._process_request

    def fail_for_the_odd_one(request, *, now):
        if request.pk == odd.pk:
            raise RuntimeError("odd")
        return outcome(request, now=now)

    monkeypatch.setattr("subscribers.signup.requests._process_request", fail_for_the_odd_one)

    assert signup.admit_due(now=NOW) == 1
    assert SignupRequest.objects.get(pk=odd.pk).admitted_at is None
    assert "contoh.id" not in caplog.text


# --- caps ------------------------------------------------------------------------------------------------------------


def test_s72_one_confirmation_a_day():
    form = make_form()
    ask_and_admit(form)

    second = ask_and_admit(form, now=NOW + 23 * HOUR)
    third = ask_and_admit(form, now=NOW + 25 * HOUR)

    assert (second.outcome, third.outcome) == ("capped", "confirmation")


def test_s72_send_again_passes_the_daily_cap_but_three_is_the_end():
    form = make_form()
    request = ask_and_admit(form)

    outcomes = []
    for number in range(1, 4):
        request = signup.accept_resend(request, ip="192.0.2.7", user_agent=BROWSER, now=NOW + number * MINUTE)
        signup.admit_due(now=request.created_at)
        request.refresh_from_db()
        outcomes.append(request.outcome)

    assert outcomes == ["confirmation", "confirmation", "capped"]
    assert ask_and_admit(form, now=NOW + 48 * HOUR).outcome == "capped"


def test_s72_a_confirmation_starts_the_count_afresh():
    form, other = make_form(), make_form(slug="other")
    consent.confirm(ask_and_admit(form), now=NOW + MINUTE)

    request = ask_and_admit(other, now=NOW + 2 * MINUTE)

    assert request.outcome == "confirmation"


def test_t07_plus_tags_and_gmail_dots_count_as_one_mailbox():
    form = make_form()
    ask_and_admit(form, "siti.rahma@gmail.com")

    outcomes = {
        ask_and_admit(form, email, now=NOW + MINUTE).outcome
        for email in ("sitirahma+a@gmail.com", "s.i.t.irahma@googlemail.com", "sitirahma@gmail.com")
    }

    assert outcomes == {"capped"}


def test_s72_a_list_bombing_leaves_one_mail_for_each_victim():
    forms = [make_form(slug=f"form-{number}") for number in range(3)]
    for number in range(96):
        victim = f"victim{number % 8}+{number}@contoh.id" if number % 2 else f"victim{number % 8}@contoh.id"
        ask(forms[number % 3], victim, ip=f"203.0.{number % 200}.9", now=NOW + number * MINUTE / 10)

    signup.admit_due(now=NOW + HOUR, limit=500)

    mails = list(Notice.objects.values_list("request__cap_key", flat=True))
    assert sorted(mails) == [f"victim{number}@contoh.id" for number in range(8)]
    assert ask_and_admit(forms[0], "siti@contoh.id", now=NOW + 2 * HOUR).outcome == "confirmation"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://kabarlintas.example/id/a?email=siti@contoh.id#x", "https://kabarlintas.example/id/a"),
        ("javascript:alert(1)", ""),
        ("https://siti:geheim@kabarlintas.example/", ""),
        ("https://[bad/", ""),
        ("https://kabarlintas.example/" + "x" * 1000, ""),
        ("not a url", ""),
    ],
)
def test_c02_the_page_is_kept_without_query(url, kept):
    assert signup.strip_query(url) == kept
