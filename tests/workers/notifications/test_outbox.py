"""Notices: texts, layout, and that no recipient gets one twice."""

from __future__ import annotations

import datetime
import re
from email import message_from_bytes, policy

import pytest

from newsletter import editions
from newsletter.models import IssueStatus
from subscribers import consent, signup, suppression, tokens
from subscribers.models import ConsentEvent, Notice, SignupForm
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader
from workers import routes
from workers.models import Event
from workers.notifications import outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def newsletter():
    return make_newsletter(from_name="Redaksi Kabar Lintas")


@pytest.fixture
def form(newsletter):
    form = SignupForm.objects.create(slug="artikel")
    form.newsletters.set([newsletter])
    return form


def ask(form, *, email="siti@pembaca.example", language="id", now=NOW):
    chosen = list(form.newsletters.all())
    request = signup.accept(
        form,
        email=email,
        newsletters=chosen,
        language=language,
        page_url="https://kabarlintas.example/autogate",
        consent_texts=[
            text for one in chosen for text in consent.ensure_texts(one, now=now) if text.language == language
        ],
        ip="203.0.113.7",
        user_agent="Mozilla/5.0",
        trap=False,
        now=now,
    )
    signup.admit_due(now=now)
    return request


def caught(place=0):
    """Return a caught mail: (parsed message, text, HTML)."""
    opened = routes.mailbox.open_message(routes.mailbox.messages()[place].name)
    return message_from_bytes(opened.source, policy=policy.default), opened.text, opened.html


class Failing:
    """A route that returns the given answers and counts the calls."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    def __call__(self, message):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_confirmation_has_one_button_and_the_same_address_in_plain_words(form):
    request = ask(form)

    assert outbox.send_due(now=NOW) == 1

    message, text, html = caught()
    url = signup.confirm_url(request)
    assert message["To"] == "siti@pembaca.example"
    assert message["Subject"] == signup.confirmation_subject(form.newsletters.get(), "id")
    assert message["From"] == "Redaksi Kabar Lintas <redaksi@kabarlintas.example>"
    assert html.count(f'href="{url}"') == 2
    assert url in re.sub(r"<[^>]+>", "", html)
    assert url in text


def test_s18_s20_a_confirmation_is_an_automatic_mail_without_list_headers(form):
    request = ask(form)
    outbox.send_due(now=NOW)

    message, _text, _html = caught()

    notice = Notice.objects.get()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == tokens.notice_message_id(notice.pk, "kabarlintas.example")
    assert [name for name in message if name.startswith("List-") or name == "Precedence"] == []
    event = ConsentEvent.objects.get(action="confirmation_sent")
    assert event.evidence == {"request": request.pk, "message_id": message["Message-ID"]}


def test_the_text_part_comes_first_and_holds_the_same_words(form):
    ask(form)
    outbox.send_due(now=NOW)

    message, text, html = caught()

    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    for words in ("Ringkasan mingguan", "kabarlintas.example", "Jl. Contoh No. 10"):
        assert words in text
        assert words in html


def test_a_mail_speaks_the_readers_language(form):
    ask(form, language="en")
    outbox.send_due(now=NOW)

    _message, text, html = caught()

    assert "Weekly summary" in text
    assert '<html lang="en" dir="ltr"' in html


def test_e01_to_e08_hold_for_notices_too(form):
    ask(form)
    outbox.send_due(now=NOW)

    _message, _text, html = caught()

    assert '<html lang="id" dir="ltr"' in html
    assert len(re.findall(r"<h1\b", html)) == 1
    assert "<mj-" not in html
    assert not re.search(r"<table(?![^>]*role=)", html)
    assert max(len(line.encode()) for line in html.splitlines()) < 998


def test_confirming_leads_to_a_welcome_with_ways_to_choose_and_leave(form, newsletter):
    request = ask(form, language="en")
    outbox.send_due(now=NOW)
    (subscription,) = consent.confirm(request, now=NOW, ip=None, user_agent="")

    outbox.send_due(now=NOW)

    message, text, html = next(one for one in (caught(0), caught(1)) if "Welcome" in one[0]["Subject"])
    unsubscribe = f"http://127.0.0.1:8000/u/{tokens.make_unsubscribe(subscription.pk)}/"
    assert message["Subject"] == "Welcome to Weekly summary"
    assert message["List-Unsubscribe"].replace(" ", "").replace("\n", "") == f"<{unsubscribe}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for part in (text, html):
        assert unsubscribe in part
        assert f"/p/{tokens.make_preferences(subscription.pk)}/" in part
        assert "We never ask for a password" in " ".join(part.split())


def test_the_welcome_leads_to_the_latest_issue(newsletter):
    issue = make_issue(newsletter)
    editions.freeze(issue, now=NOW)
    issue.status, issue.sent_at = IssueStatus.SENT, NOW
    issue.save()

    latest = outbox.latest_issue(newsletter, "en")

    assert latest == {"subject": "New autogates, online permits", "url": f"{editions.web_url(issue)}?lang=en"}


def test_who_is_subscribed_already_hears_so_in_the_mailbox_only(form, newsletter):
    siti = make_reader(newsletter, email="siti@pembaca.example")
    ask(form, language="en")

    outbox.send_due(now=NOW)

    message, text, _html = caught()
    assert message["Subject"] == "You already receive Weekly summary"
    assert f"/p/{tokens.make_preferences(siti.pk)}/" in text


def test_an_invitation_leads_to_a_password(newsletter, client):
    editor = make_editor(newsletter, name="Dewi Anggraini")
    Notice.objects.create(kind="invitation", editor=editor, newsletter=newsletter, language="en", due_at=NOW)

    outbox.send_due(now=NOW)

    message, text, _html = caught()
    assert message["To"] == editor.email
    assert "/studio/account/password/reset/key/" in text
    assert "Good day, Dewi." in text


def test_an_alert_names_the_issue(newsletter):
    issue = make_issue(newsletter)
    editor = make_editor(newsletter)
    Notice.objects.create(kind="alert", editor=editor, language="en", payload={"storm": issue.pk}, due_at=NOW)
    Event.objects.create(issue=issue.pk, subscription=1, kind="held_complained", occurred_at=NOW)

    outbox.send_due(now=NOW)

    message, text, _html = caught()
    assert f"/studio/issues/{issue.pk}/held-back/" in text
    assert message["Subject"] == "Unusually many bounces or complaints: Weekly summary, issue 1"
    assert "have not changed any subscription yet" in text


def test_a_notice_is_sent_once(form):
    ask(form)

    assert [outbox.send_due(now=NOW), outbox.send_due(now=NOW + datetime.timedelta(days=1))] == [1, 0]
    assert len(routes.mailbox.messages()) == 1


def test_two_workers_never_send_the_same_notice(form, monkeypatch):
    ask(form)
    deliver = Failing(routes.SendResult("accepted"))

    def another_worker_looks_meanwhile(message):
        assert outbox.send_due(now=NOW) == 0
        return deliver(message)

    monkeypatch.setattr(outbox.routes, "deliver", another_worker_looks_meanwhile)
    stale = Notice.objects.select_related("subscriber", "request", "newsletter").get()

    outbox.send_due(now=NOW)

    assert outbox._claim(stale, now=NOW) is False
    assert deliver.asked == 1


def test_a_mail_server_that_is_away_is_asked_again_later_and_later(form, monkeypatch):
    ask(form)
    away = Failing(routes.RouteUnavailable("no answer in time"))
    monkeypatch.setattr(outbox.routes, "deliver", away)
    moments = []

    for _ in range(8):
        outbox.send_due(now=NOW if not moments else moments[-1])
        moments.append(Notice.objects.get().due_at)

    notice = Notice.objects.get()
    waits = [(later - earlier).total_seconds() for earlier, later in zip([NOW, *moments], moments, strict=False)]
    assert waits == [30, 120, 600, 3600, 14400, 43200, 300, 0]
    assert (away.asked, notice.failed_at is not None, notice.error) == (7, True, "no answer in time")


def test_what_came_of_a_mail_decides_what_follows(form, monkeypatch):
    outcomes = {
        "refused": (True, False),
        "deferred": (False, False),
        "uncertain": (False, True),
        "accepted": (False, True),
    }

    for number, outcome in enumerate(outcomes):
        ask(form, email=f"siti{number}@pembaca.example")
        monkeypatch.setattr(outbox.routes, "deliver", Failing(routes.SendResult(outcome, "550", "unknown user")))
        outbox.send_due(now=NOW)

    found = [(one.failed_at is not None, one.sent_at is not None) for one in Notice.objects.order_by("pk")]
    assert found == list(outcomes.values())


def test_nothing_is_sent_to_a_suppressed_reader(form):
    ask(form)
    suppression.suppress("siti@pembaca.example", reason="complained", now=NOW)

    assert outbox.send_due(now=NOW) == 0

    assert routes.mailbox.messages() == []
    assert Notice.objects.get().error == "The address is suppressed."


def test_a_confirmation_that_comes_too_late_is_not_sent(form):
    request = ask(form)
    consent.confirm(request, now=NOW, ip=None, user_agent="")
    Notice.objects.filter(kind="welcome").delete()

    assert outbox.send_due(now=NOW) == 0
    assert Notice.objects.get().error == "There is nothing left to confirm."


def test_one_broken_notice_does_not_keep_the_others_waiting(form, newsletter, monkeypatch, caplog):
    ask(form, email="budi@pembaca.example")
    ask(form, email="siti@pembaca.example")
    confirmation = outbox._BUILDERS["confirmation"]

    def broken_for_budi(notice, now):
        if notice.subscriber.email == "budi@pembaca.example":
            raise KeyError("broken")
        return confirmation(notice, now)

    monkeypatch.setitem(outbox._BUILDERS, "confirmation", broken_for_budi)

    assert outbox.send_due(now=NOW) == 1

    assert "budi@" not in caplog.text
    assert Notice.objects.filter(sent_at__isnull=True).count() == 1


def test_words_of_a_newsletter_cannot_become_markup(form, newsletter):
    newsletter.brand = 'Kabar "Lintas" <b>&'
    newsletter.save()
    ask(form)

    outbox.send_due(now=NOW)

    _message, text, html = caught()
    assert "<b>&" not in html
    assert 'Kabar "Lintas" <b>&' in text
