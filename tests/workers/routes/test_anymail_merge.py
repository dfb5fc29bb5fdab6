"""Many readers by one call: what each of them gets, and what became of them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parseaddr
from html import unescape

import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from newsletter.models import Edition, IssueStatus, Tracking
from subscribers import audience, tokens
from subscribers.models import Subscriber, Subscription, SubscriptionStatus
from tests.factories import make_newsletter, make_reader
from tests.workers.provider_api_servers import mailgun, mailgun_url, mailjet, mailjet_url, sendgrid, sendgrid_url
from tests.workers.sending_helpers import HTML, TEXT, equation, make_sending_issue, make_words
from workers import ledger, routes
from workers.message import builder, merge_template
from workers.models import Delivery, Outcome
from workers.routes import anymail_merge
from workers.routes.base import boottime
from workers.sending import lifecycle

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(settings):
    """A server in Mailgun's shape that everything goes to."""
    with mailgun() as server:
        settings.MAIL_ROUTES = [mailgun_url(server)]
        yield server
        routes.first().close()


def test_one_call_carries_all_readers_and_each_gets_what_smtp_would_bring(api):
    issue, people = make_sending_issue(readers=3)

    assert lifecycle.send(issue.pk) == 3

    assert len(api.calls) == 1
    assert api.recipients == [reader.subscriber.email for reader in people]
    mail = builder.compile_template(make_words(issue.pk, subject="Autogate baru"), issue.newsletter)
    known = builder.load_recipients(reader.pk for reader in people)
    for copy, reader in zip(api.copies, people, strict=True):
        message = builder.build_email(mail, known[reader.pk])
        assert (copy.subject, copy.text, copy.html) == (message.subject, message.body, message.alternatives[0].content)
        expected = {key.title(): value for key, value in message.extra_headers.items() if key != "Message-ID"}
        assert copy.headers == {**expected, "Reply-To": message.reply_to[0]}
        assert tokens.read_event_token(copy.metadata["warta"]) == (issue.pk, reader.id)
    assert equation(issue) == (3, 0, 0, 0, 0, 0)
    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENT
    assert set(Delivery.objects.values_list("provider_id", flat=True)) == {"<call-1@mg.example>"}


HOSTILE = [
    '"Siti, A" <siti>; Budi',
    "%recipient.v:warta% %unsubscribe_url% %recipient%",
    "[[var:u]] {{var:u}} <%unsubscribe%> -u-",
    "Zoë Ängström 🌸",
    "a\r\nBcc: budi@p.example",
    "\u202eitiS\u202c <b>&amp;</b>",
]


def test_no_name_and_no_article_is_filled_in_by_the_provider(api):
    newsletter = make_newsletter(tracking=Tracking.INDIVIDUAL, tracking_needs_consent=False)
    readers = [make_reader(newsletter) for _ in HOSTILE]
    for reader, name in zip(readers, HOSTILE, strict=True):
        Subscriber.objects.filter(pk=reader.subscriber_id).update(name=name)
    issue, _people = make_sending_issue(newsletter=newsletter, readers=0)
    field = merge_template.slots.format_field("name", "Pembaca")
    strange = "100%recipient.u% %unsubscribe_url% [[var:u]] {{u}}"
    html = HTML.replace("<h1>", f"<p>{field}, {strange}</p><h1>")
    Edition.objects.filter(issue=issue).update(html=html, text=f"{field}: {strange}\n{TEXT}", subject=strange)

    assert lifecycle.send(issue.pk) == len(HOSTILE)

    mail = builder.template_for_edition(Edition.objects.get(issue=issue, language="id"), issue.newsletter)
    known = builder.load_recipients(reader.pk for reader in readers)
    for copy, reader in zip(api.copies, (known[reader.pk] for reader in readers), strict=True):
        message = builder.build_email(mail, reader)
        assert unescape(copy.html) == unescape(message.alternatives[0].content)
        assert copy.text.replace(merge_template.WORD_JOINER, "") == message.body
        assert copy.subject.replace(merge_template.WORD_JOINER, "") == strange
        assert "from the provider" not in copy.html + copy.text + copy.subject + copy.name
        assert copy.name.replace(merge_template.WORD_JOINER, "") == builder.header_fields.clean(reader.name)
        assert f"/l/1/{tokens.make_hit(issue.pk, reader.id)}" in copy.html


def test_two_readers_with_one_address_never_share_a_call(api):
    issue, (siti, budi, _ayu) = make_sending_issue(readers=3)
    Subscriber.objects.filter(pk=siti.subscriber_id).update(email="Siti@p.example")
    Subscriber.objects.filter(pk=budi.subscriber_id).update(email="siti@P.example")

    assert lifecycle.send(issue.pk) == 3

    assert len(api.calls) == 2
    assert {tokens.read_event_token(copy.metadata["warta"])[1] for copy in api.copies} == {siti.pk, budi.pk, _ayu.pk}
    assert all(
        tokens.read_event_token(copy.metadata["warta"])[1] == budi.pk for copy in api.copies if "P.ex" in copy.to
    )


# --- what may go wrong -----------------------------------------------------------------------------------------------


def addresses(call):
    return [parseaddr(to)[1] for to in call.fields["to"]]


def test_s64_a_provider_that_takes_fewer_at_once_gets_half_and_nobody_twice(api):
    issue, people = make_sending_issue(readers=7)
    limit = (400, {"message": "Domain mg.example is not allowed to send: recipient limit exceeded"})
    api.answer = lambda call: limit if len(call.fields["to"]) > 3 else None

    assert lifecycle.send(issue.pk) == 7

    assert api.recipients == [reader.subscriber.email for reader in people]
    assert [len(call.fields["to"]) for call in api.calls] == [7, 3, 3, 1]
    assert equation(issue) == (7, 0, 0, 0, 0, 0)


def test_what_a_provider_takes_at_once_grows_back_slowly():
    route = anymail_merge.AnymailMergeRoute("mailgun-1", "mailgun://key@mg.example?batch=100")
    route._reduce_call_size(100, 400, "too many recipients", lasting=True)
    sizes = []
    for call in range(1, 31):
        route._adjust_call_size([routes.SendResult("accepted")] * route.at_once)
        if call % 10 == 0:
            sizes.append(route.at_once)

    assert sizes == [55, 60, 66]


def test_s64_one_bad_address_in_a_call_is_found_and_the_others_get_it(api):
    issue, people = make_sending_issue(readers=8)
    bad = people[5].subscriber.email
    refusal = (400, {"message": "'to' parameter is not a valid address. please check documentation"})
    api.answer = lambda call: refusal if bad in addresses(call) else None

    assert lifecycle.send(issue.pk) == 7

    assert sorted(api.recipients) == sorted(reader.subscriber.email for reader in people if reader is not people[5])
    assert Delivery.objects.get(subscription=people[5].pk).outcome == Outcome.REFUSED
    assert equation(issue) == (7, 1, 0, 0, 0, 0)


def test_one_reader_refused_in_unknown_words_waits_and_does_not_stop_the_others(api):
    issue, people = make_sending_issue(readers=6)
    odd = people[2].subscriber.email
    api.answer = lambda call: (400, {"message": "Something is odd."}) if odd in addresses(call) else None

    assert lifecycle.send(issue.pk) == 5

    assert Delivery.objects.get(subscription=people[2].pk).outcome == Outcome.DEFERRED
    assert equation(issue) == (5, 0, 1, 0, 0, 0)


def test_a_second_reader_refused_in_unknown_words_stops_the_route(api):
    issue, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: (400, {"message": "Something is odd."})

    lifecycle.send(issue.pk)

    assert equation(issue) == (0, 0, 1, 0, 0, 2)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((429, {"message": "too many requests"}), (0, 0, 3, 0, 0, 0)),
        ((500, {"message": "internal"}), (0, 0, 0, 0, 3, 0)),
        ((502, b"<html>bad gateway</html>"), (0, 0, 0, 0, 3, 0)),
        ((200, b"no json"), (0, 0, 0, 0, 3, 0)),
        ((200, {"message": "Queued"}), (0, 0, 0, 0, 3, 0)),
        ("reset", (0, 0, 0, 0, 3, 0)),
        ("cut", (0, 0, 0, 0, 3, 0)),
        ((401, {"message": "Forbidden"}), (0, 0, 0, 0, 0, 3)),
        ((400, {"message": "Recipient limit exceeded for this month"}), (0, 0, 0, 0, 0, 3)),
        ((404, {"message": "Domain not found: mg.example"}), (0, 0, 0, 0, 0, 3)),
        ((400, {"message": "'from' parameter is not a valid address"}), (0, 0, 0, 0, 0, 3)),
    ],
)
def test_s64_each_answer_to_a_call_has_one_meaning_for_its_readers(api, answer, told):
    issue, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: answer

    lifecycle.send(issue.pk)
    api.answer = lambda _call: None
    lifecycle.send(issue.pk)

    assert equation(issue) == told
    assert len(api.copies) == (3 if answer == "cut" else 0)
    assert not Delivery.objects.filter(detail__contains="@").exists()


def test_no_answer_in_time_is_uncertain(api, settings):
    settings.MAIL_ROUTES = [mailgun_url(api).replace("timeout=2", "timeout=0.2")]
    api.before = lambda _call: time.sleep(0.4)
    issue, _people = make_sending_issue(readers=3)

    lifecycle.send(issue.pk)

    assert equation(issue) == (0, 0, 0, 0, 3, 0)


def test_nobody_there_means_not_sent(settings):
    with mailgun() as api:
        settings.MAIL_ROUTES = [mailgun_url(api)]
    issue, _people = make_sending_issue(readers=3)

    lifecycle.send(issue.pk)

    assert equation(issue) == (0, 0, 0, 0, 0, 3)


# --- in mid-send -----------------------------------------------------------------------------------------------------


def test_s17_before_each_call_its_readers_are_asked_for(api, settings, monkeypatch):
    settings.MAIL_ROUTES = [mailgun_url(api, "&batch=2")]
    issue, people = make_sending_issue(readers=6)
    ask = audience.no_longer_allowed

    def ask_after_one_left(ids):
        if len(api.calls) == 1:
            Subscription.objects.filter(pk=people[2].pk).update(status=SubscriptionStatus.UNSUBSCRIBED)
        return ask(ids)

    monkeypatch.setattr(audience, "no_longer_allowed", ask_after_one_left)
    assert lifecycle.send(issue.pk) == 5

    assert people[2].subscriber.email not in api.recipients
    assert [len(call.fields["to"]) for call in api.calls] == [2, 1, 2]
    assert equation(issue) == (5, 0, 0, 1, 0, 0)


def test_t64_a_sender_that_dies_in_a_call_leaves_exactly_its_readers_uncertain(api, settings, monkeypatch):
    settings.MAIL_ROUTES = [mailgun_url(api, "&batch=2")]
    issue, people = make_sending_issue(readers=6)
    send_many = anymail_merge.AnymailMergeRoute.send_many

    def die_in_the_second(self, mailing, parts, *, deadline):
        results = send_many(self, mailing, parts, deadline=deadline)
        if len(api.calls) == 2:
            raise KeyboardInterrupt
        return results

    monkeypatch.setattr(anymail_merge.AnymailMergeRoute, "send_many", die_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.send(issue.pk)
    monkeypatch.setattr(anymail_merge.AnymailMergeRoute, "send_many", send_many)
    assert lifecycle.settle_orphaned(now=timezone.now()) == 2
    lifecycle.send(issue.pk)

    assert [row.subscription for row in ledger.uncertain_deliveries(issue)] == [people[2].pk, people[3].pk]
    assert api.recipients == [reader.subscriber.email for reader in people]
    assert equation(issue) == (4, 0, 0, 0, 2, 0)


def test_nothing_is_called_after_the_deadline(api):
    route = routes.first()
    mailing = merge_template.MergeMessage(
        "Redaksi", "redaksi@kabarlintas.example", "", "Kabar", "Halo", "<p>Halo</p>", {}
    )
    siti = merge_template.MergeRecipient("siti@p.example", "Siti", "<a@k.example>", "token")

    with pytest.raises(routes.DeadlineExceeded):
        route.send_many(mailing, [siti], deadline=boottime() - 1)

    assert api.calls == []


# --- other providers -------------------------------------------------------------------------------------------------


SHAPES = {"mailgun": (mailgun, mailgun_url), "mailjet": (mailjet, mailjet_url), "sendgrid": (sendgrid, sendgrid_url)}


@contextmanager
def provider(settings, kind, options=""):
    serve, url = SHAPES[kind]
    with serve() as api:
        settings.MAIL_ROUTES = [url(api, options)]
        yield api
        routes.first().close()


@pytest.mark.parametrize("kind", ["mailjet", "sendgrid"])
def test_each_provider_fills_in_the_same_copies(settings, kind):
    newsletter = make_newsletter(tracking=Tracking.INDIVIDUAL, tracking_needs_consent=False)
    readers = [make_reader(newsletter) for _ in HOSTILE]
    for reader, name in zip(readers, HOSTILE, strict=True):
        Subscriber.objects.filter(pk=reader.subscriber_id).update(name=name)
    issue, _people = make_sending_issue(newsletter=newsletter, readers=0)
    field = merge_template.slots.format_field("name", "Pembaca")
    html = HTML.replace("<h1>", f"<p>{field} [[var:u]] {{{{u}}}} [unsubscribe]</p><h1>")
    Edition.objects.filter(issue=issue).update(html=html, text=f"{field} <%asm%> [[var:x]]\n{TEXT}")
    with provider(settings, kind) as api:
        assert lifecycle.send(issue.pk) == len(HOSTILE)

    assert len(api.calls) == 1
    mail = builder.template_for_edition(Edition.objects.get(issue=issue, language="id"), issue.newsletter)
    known = builder.load_recipients(reader.pk for reader in readers)
    for copy, reader in zip(api.copies, (known[reader.pk] for reader in readers), strict=True):
        message = builder.build_email(mail, reader)
        assert unescape(copy.html) == unescape(message.alternatives[0].content)
        assert copy.text.replace(merge_template.WORD_JOINER, "") == message.body
        assert "from the provider" not in copy.html + copy.text
        own = {key: value for key, value in message.extra_headers.items() if key != "Message-ID"}
        assert {**copy.headers, **own} == copy.headers
        assert tokens.make_event_token(issue.pk, reader.id) in str(copy.metadata)
    ours = [tokens.message_id(issue.pk, reader.pk, "kabarlintas.example") for reader in readers]
    kept = kind == "sendgrid"
    assert [copy.headers.get("Message-ID") for copy in api.copies] == (ours if kept else [None] * len(ours))
    assert set(Delivery.objects.values_list("message_id", flat=True)) == (set(ours) if kept else {""})


@pytest.mark.parametrize("kind", ["mailjet", "sendgrid"])
def test_s64_a_bad_address_among_three_is_refused_and_the_others_get_it(settings, kind):
    with provider(settings, kind) as api:
        issue, people = make_sending_issue(readers=3)
        Subscriber.objects.filter(pk=people[1].subscriber_id).update(email="bad@p.example")
        assert lifecycle.send(issue.pk) == 2

    assert sorted(api.recipients) == sorted(people[place].subscriber.email for place in (0, 2))
    refused = Delivery.objects.get(subscription=people[1].pk)
    assert (refused.outcome, "@" in refused.detail) == (Outcome.REFUSED, False)
    assert equation(issue) == (2, 1, 0, 0, 0, 0)


SUCCESS = {"Status": "success", "To": [{"Email": "x", "MessageID": 9}]}
FORBIDDEN = {"Status": "error", "Errors": [{"StatusCode": 403, "ErrorMessage": "Not an authorized sender"}]}
NOT_OURS = {"Status": "error", "Errors": [{"StatusCode": 400, "ErrorMessage": "No", "ErrorRelatedTo": ["From"]}]}


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        ("mailjet", (200, {"Messages": [SUCCESS, SUCCESS]}), (0, 0, 0, 0, 3, 0)),
        ("mailjet", (400, {"Messages": [SUCCESS, {"Status": "error", "Errors": []}, SUCCESS]}), (2, 0, 0, 0, 1, 0)),
        ("mailjet", (400, {"Messages": [SUCCESS, {"Status": "error", "Errors": [{"StatusCode": 500}]}, SUCCESS]}),
         (2, 0, 0, 0, 1, 0)),
        ("mailjet", (200, {"Messages": [SUCCESS, {"Status": "success", "To": []}, SUCCESS]}), (3, 0, 0, 0, 0, 0)),
        ("mailjet", (200, {"what": 1}), (0, 0, 0, 0, 3, 0)),
        ("mailjet", (401, {"ErrorCode": "mj-0002", "StatusCode": 401, "ErrorMessage": "no"}), (0, 0, 0, 0, 0, 3)),
        ("mailjet", (500, {"ErrorCode": "mj-0001", "StatusCode": 500, "ErrorMessage": "no"}), (0, 0, 0, 0, 3, 0)),
        ("mailjet", (403, {"Messages": [FORBIDDEN] * 3}), (0, 0, 0, 0, 0, 3)),
        ("mailjet", (400, {"Messages": [NOT_OURS] * 3}), (0, 0, 0, 0, 0, 3)),
        ("mailjet", (400, {"Messages": [SUCCESS, FORBIDDEN, SUCCESS]}), (2, 1, 0, 0, 0, 0)),
        ("sendgrid", (200, {"odd": 1}), (0, 0, 0, 0, 3, 0)),
        ("sendgrid", (403, {"errors": [{"message": "The from address does not match"}]}), (0, 0, 0, 0, 0, 3)),
        ("sendgrid", (413, {"errors": [{"message": "too large"}]}), (0, 0, 0, 0, 0, 3)),
        ("sendgrid", "cut", (0, 0, 0, 0, 3, 0)),
    ],
)  # fmt: skip
def test_s64_each_providers_answer_is_read_for_each_reader(settings, kind, answer, told):
    with provider(settings, kind) as api:
        issue, _people = make_sending_issue(readers=3)
        api.answer = lambda _call: answer
        lifecycle.send(issue.pk)

    assert equation(issue) == told


def test_mailjet_is_asked_for_each_uncertain_reader(settings):
    with provider(settings, "mailjet") as api:
        issue, _people = make_sending_issue(readers=3)
        api.answer = lambda _call: "cut"
        lifecycle.send(issue.pk)
        lifecycle.recover(now=timezone.now() + timedelta(seconds=15))

    assert len(api.looks) == 3
    assert equation(issue) == (3, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_a_merge_route_takes_single_mails_as_well(settings, kind):
    with provider(settings, kind) as api:
        message = EmailMultiAlternatives("Kabar", "Halo", "r@k.example", ["Siti <siti@p.example>"])
        message.attach_alternative("<p>Halo</p>", "text/html")
        result = routes.deliver(message)

    assert (result.outcome, bool(result.provider_id)) == ("accepted", True)
    assert api.recipients == ["siti@p.example"]
