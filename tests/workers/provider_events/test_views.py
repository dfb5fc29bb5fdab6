"""Who may post provider events: real signatures of every provider, and everything that is not one (T-40 to T-45)."""

from __future__ import annotations

import datetime
import json
import logging
from dataclasses import replace

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError

from subscribers import suppression, tokens
from subscribers.models import Subscription
from tests.factories import make_reader
from tests.workers.provider_events import webhook_posts as posting
from tests.workers.provider_events.webhook_posts import BASIC, COMPLAINTS, DATED, KEYS, SECRET, SIGNED, clock
from workers import provider_events
from workers.models import Event
from workers.provider_events import webhook_settings
from workers.providers import PROVIDERS

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning"),
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailInsecureWebhookWarning"),
]

ALL = (*BASIC, *SIGNED)


@pytest.fixture(autouse=True)
def _secrets(settings):
    settings.SITE_URL = "http://127.0.0.1:8000"
    settings.WEBHOOK_SECRETS = dict.fromkeys(BASIC, SECRET)
    settings.WEBHOOK_KEYS = dict(KEYS)
    settings.SES_TOPICS = []


def is_untouched(siti) -> bool:
    siti.refresh_from_db()
    return (Event.objects.count(), siti.status) == (0, "subscribed") and not suppression.is_suppressed(
        "siti@pembaca.example"
    )


@pytest.mark.parametrize("provider", ALL)
def test_t40_a_post_signed_by_its_provider_is_believed(client, siti, token, provider):
    answer = COMPLAINTS[provider](token, at=clock()).send(client)

    assert (answer.status_code, answer.content) == (200, b"")
    siti.refresh_from_db()
    assert siti.status == "unsubscribed"
    assert suppression.is_suppressed("siti@pembaca.example")
    assert Event.objects.get().kind == "complained"


@pytest.mark.parametrize("provider", ALL)
def test_t40_without_its_signature_or_secret_a_post_is_refused(client, siti, token, provider):
    post = COMPLAINTS[provider](token, at=clock())
    if provider == "mailgun":
        post = replace(post, body=json.dumps({**json.loads(post.body), "signature": {}}).encode())

    assert post.without("Authorization", posting.SIGNATURES.get(provider, "")).send(client).status_code == 400
    assert is_untouched(siti)


@pytest.mark.parametrize("provider", ALL)
def test_t40_another_secret_is_refused(client, siti, token, provider):
    other = {"secret": "penyedia:lain"} if provider in BASIC else {"key": posting.OTHER_KEYS[provider]}

    assert COMPLAINTS[provider](token, at=clock(), **other).send(client).status_code == 400
    assert is_untouched(siti)


@pytest.mark.parametrize("provider", ALL)
def test_t40_a_wrong_signature_is_refused(client, siti, token, provider):
    post = COMPLAINTS[provider](token, at=clock())
    name = posting.SIGNATURES.get(provider, "Authorization")
    if provider == "mailgun":
        content = json.loads(post.body)
        content["signature"]["signature"] = "0" * 64
        post = replace(post, body=json.dumps(content).encode())
    else:
        post = replace(post, headers={**post.headers, name: "v1,AAAA" if provider == "resend" else "AAAA"})

    assert post.send(client).status_code == 400
    assert is_untouched(siti)


@pytest.mark.parametrize("provider", ALL)
def test_t40_what_one_provider_signed_opens_no_other_door(client, siti, token, provider, settings):
    settings.WEBHOOK_SECRETS = {kind: f"{kind}:{SECRET}" for kind in BASIC}
    own = {"secret": f"{provider}:{SECRET}"} if provider in BASIC else {}

    post = COMPLAINTS[provider](token, at=clock(), **own)
    assert {post.send(client, to=door).status_code for door in ALL if door != provider} == {400}
    assert is_untouched(siti)


@pytest.mark.parametrize("provider", ["sendgrid", "resend", "mailersend", "mandrill"])
def test_t40_an_altered_body_is_refused(client, issue, siti, token, provider):
    budi = make_reader(issue.newsletter)
    other = tokens.make_event_token(issue.pk, budi.pk)
    post = COMPLAINTS[provider](token, at=clock()).altered(token.encode(), other.encode())

    assert post.send(client).status_code == 400
    assert is_untouched(siti)


def test_t40_mailgun_signs_no_body_so_its_token_counts_once_whatever_is_said_under_it(client, issue, siti, token):
    post = posting.mailgun(token, at=clock())
    post.send(client)
    budi = make_reader(issue.newsletter)
    other = post.altered(token.encode(), tokens.make_event_token(issue.pk, budi.pk).encode())

    assert other.send(client).status_code == 200
    assert other.altered(b"complained", b"unsubscribed").send(client).status_code == 200

    budi.refresh_from_db()
    assert (budi.status, Event.objects.count()) == ("subscribed", 1)


def test_how_old_a_signed_post_may_be_is_a_setting(client, siti, token, settings):
    settings.WEBHOOK_MOST_AGE_MIN = 480

    assert posting.mailgun(token, at=clock() - datetime.timedelta(hours=7)).send(client).status_code == 200
    assert posting.mailgun(token, at=clock() - datetime.timedelta(hours=9)).send(client).status_code == 400


@pytest.mark.parametrize("provider", DATED)
def test_t40_a_signature_older_than_five_minutes_is_refused(client, siti, token, provider):
    for minutes in (-6, 6):
        at = clock() + datetime.timedelta(minutes=minutes)
        assert COMPLAINTS[provider](token, at=at).send(client).status_code == 400

    assert is_untouched(siti)


@pytest.mark.parametrize("provider", DATED)
def test_t40_a_signed_time_that_is_none_is_refused(client, siti, token, provider):
    """Even with the right key."""
    for moment in ("nan", "inf", "", "soon", "1e400"):
        assert COMPLAINTS[provider](token, at=clock(), moment=moment).send(client).status_code == 400

    assert is_untouched(siti)


@pytest.mark.parametrize("provider", ALL)
def test_t40_a_repeated_post_changes_nothing(client, siti, token, provider):
    post = COMPLAINTS[provider](token, at=clock())
    post.send(client)
    suppression.lift("siti@pembaca.example", by_reader=True, now=clock())
    Subscription.objects.filter(pk=siti.pk).update(status="subscribed")

    assert post.send(client).status_code == 200

    siti.refresh_from_db()
    assert (Event.objects.count(), siti.status) == (1, "subscribed")
    assert not suppression.is_suppressed("siti@pembaca.example")


@pytest.mark.parametrize("provider", ALL)
def test_t43_a_complaint_for_somebody_without_our_token_changes_nothing(client, siti, issue, token, provider):
    for forged in [
        "",
        "siti",
        tokens.make_unsubscribe(siti.pk, issue.pk),
        tokens.make_hit(issue.pk, siti.pk),
        token[:-1] + "A",
    ]:
        if forged == token:
            continue
        assert COMPLAINTS[provider](forged, at=clock()).send(client).status_code == 200

    assert is_untouched(siti)


def test_a_post_full_of_foreign_events_is_one_line_in_the_log(client, issue, caplog):
    foreign = [{"event": "bounce", "sg_event_id": str(number), "warta": "forged"} for number in range(50)]

    assert posting.sendgrid("", at=clock(), events=foreign).send(client).status_code == 200

    told = [record.getMessage() for record in caplog.records if record.name.startswith("workers")]
    assert told == ["provider events without our token left out"]


@pytest.mark.parametrize("provider", ALL)
def test_t42_a_provider_without_its_secret_has_no_door(client, siti, token, provider, settings):
    settings.WEBHOOK_SECRETS, settings.WEBHOOK_KEYS = {}, {}

    assert COMPLAINTS[provider](token, at=clock()).send(client).status_code == 404
    assert is_untouched(siti)


@pytest.mark.parametrize("provider", ALL)
def test_t42_no_start_with_a_provider_and_no_secret(settings, provider):
    settings.MAIL_ROUTES = [f"{provider}://kunci:rahasia@"]
    settings.WEBHOOK_SECRETS, settings.WEBHOOK_KEYS = {}, {}

    found = [error for error in run_checks() if error.id == "workers.E001"]

    assert len(found) == 1
    assert found[0].msg.startswith(webhook_settings.missing_settings(PROVIDERS[provider]) + ": not set")


def test_t42_with_its_secret_a_provider_starts(settings):
    settings.MAIL_ROUTES = [f"{provider}://kunci:rahasia@eu-west-1" for provider in ALL]

    assert [error for error in run_checks() if error.id.startswith("workers.E")] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY", "bukan-kunci"),
        ("RESEND_SIGNING_SECRET", "whsec_***"),
        ("MAILGUN_WEBHOOK_SIGNING_KEY", "kunci–panjang"),
    ],
)
def test_t42_a_key_that_is_none_stops_the_start_by_name(settings, name, value):
    settings.WEBHOOK_KEYS = {name: value}

    found = [error for error in run_checks() if error.id == "workers.E002"]

    assert [error.msg.partition(":")[0] for error in found] == [name]
    assert value not in found[0].msg


def test_a_secret_of_its_own_outranks_the_one_for_all(client, siti, token, settings):
    settings.WEBHOOK_SECRETS = {"": SECRET, "postmark": "postmark:miliknya-sendiri"}

    assert posting.postmark(token, at=clock()).send(client).status_code == 400
    assert posting.postmark(token, at=clock(), secret="postmark:miliknya-sendiri").send(client).status_code == 200
    assert posting.brevo(token, at=clock()).send(client).status_code == 200


def test_mandrill_signs_the_address_with_the_secret_in_it(client, siti, token, settings):
    settings.WEBHOOK_SECRETS = {"": SECRET}

    assert posting.mandrill(token, at=clock()).send(client).status_code == 400
    assert posting.mandrill(token, at=clock(), secret=SECRET).send(client).status_code == 200


# --- posts that mean harm, or nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ALL)
def test_get_and_head_are_harmless(client, provider, issue):
    assert client.get(f"/webhooks/{provider}/tracking/").status_code == 405
    assert client.head(f"/webhooks/{provider}/tracking/").status_code == 200
    assert Event.objects.count() == 0


@pytest.mark.parametrize("provider", ["postmark", "sendgrid", "mandrill"])
def test_a_post_of_several_megabytes_is_not_read(client, token, provider):
    post = COMPLAINTS[provider](token, at=clock())
    most = PROVIDERS[provider].webhook.most_bytes

    assert replace(post, body=b" " * (most + 1)).send(client).status_code == 413


ODD = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"[1]",
    b"[[]]",
    b'"text"',
    b"{}",
    b'{"RecordType": []}',
    b'[{"event": {}}]',
    b'[{"event": "bounce", "timestamp": 1e300}]',
    b'{"event": "spam", "ts_epoch": 99999999999999999999}',
    b"\xff\xfe{\x00}\x00",
    '{"RecordType": "Bounce"}'.encode("utf-16"),
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"Metadata": {"warta": "\\ud800"}, "RecordType": "SpamComplaint"}',
    b'{"Metadata": ["warta"], "RecordType": "SpamComplaint"}',
    b'{"Metadata": {"warta": {"a": 1}}, "RecordType": "SpamComplaint", "Tag": {}}',
]


@pytest.mark.parametrize("provider", BASIC)
def test_an_odd_body_gives_no_error_of_ours(client, provider, caplog):
    with caplog.at_level(logging.ERROR):
        answers = [posting.Post(provider, body, posting.basic(SECRET)).send(client) for body in ODD]

    assert {answer.status_code for answer in answers} <= {200, 400}
    assert {answer.content for answer in answers} == {b""}
    assert (caplog.records, Event.objects.count()) == ([], 0)


def test_an_odd_body_signed_by_the_provider_gives_no_error_of_ours(client):
    assert {signed_by_sendgrid(body).send(client).status_code for body in ODD} <= {200, 400}
    assert Event.objects.count() == 0


def signed_by_sendgrid(body: bytes) -> posting.Post:
    post = posting.sendgrid("", at=clock())
    moment = post.headers["X-Twilio-Email-Event-Webhook-Timestamp"]
    signature = posting.ecdsa_key().sign(moment.encode() + body, posting.ec.ECDSA(posting.hashes.SHA256()))
    headers = {**post.headers, "X-Twilio-Email-Event-Webhook-Signature": posting.base64.b64encode(signature).decode()}
    return replace(post, body=body, headers=headers)


@pytest.mark.parametrize("words", ["satu\0dua", "\ud800", "a" * 5000, "٥.١.١ بريد"])
def test_words_that_no_database_takes_are_made_plain(client, issue, siti, token, words):
    post = posting.postmark(token, at=clock())
    content = {**json.loads(post.body), "RecordType": "Bounce", "Type": "SoftBounce", "Details": words}

    assert replace(post, body=json.dumps(content).encode()).send(client).status_code == 200
    assert "\0" not in Event.objects.get().detail


@pytest.mark.parametrize("provider", ALL)
def test_a_wrong_charset_is_no_error_of_ours(client, token, provider):
    post = COMPLAINTS[provider](token, at=clock())

    for charset in ("utf-16", "latin-1", "no-such-charset", "../../etc"):
        answer = replace(post, content_type=f"{post.content_type}; charset={charset}").send(client)
        assert answer.status_code in {200, 400}


def test_a_body_shorter_than_it_says_and_a_length_that_is_none(client, token):
    post = posting.postmark(token, at=clock())

    for length in ["99999999999999999999", "-5", "abc"]:
        answer = client.post(
            "/webhooks/postmark/tracking/",
            post.body,
            content_type="application/json",
            headers=post.headers,
            CONTENT_LENGTH=length,
        )
        assert answer.status_code in {400, 413}


def test_t45_an_error_of_ours_tells_nobody_the_secret_or_the_address(client, token, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(provider_events, "receive", fail)
    client.raise_request_exception = False

    with caplog.at_level(logging.DEBUG):
        answer = posting.postmark(token, at=clock()).send(client)

    assert answer.status_code == 500  # so that the provider comes again
    told = answer.content.decode() + caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    secret = posting.basic(SECRET)["Authorization"]
    assert not [part for part in (SECRET, secret, secret[6:], token, "siti@") if part in told]


@pytest.mark.parametrize("provider", ALL)
def test_t45_a_refused_post_is_one_line_without_secret_or_address(client, token, provider, caplog, settings):
    settings.WEBHOOK_SECRETS = {"": SECRET}

    with caplog.at_level(logging.DEBUG):
        COMPLAINTS[provider](token, at=clock(), secret="penyedia:lain", key=posting.OTHER_KEYS.get(provider, "")).send(
            client
        )

    ours = [record for record in caplog.records if record.name.startswith("workers")]
    assert [record.getMessage() for record in ours] == ["provider event refused"]
    told = caplog.text + "".join(str(vars(record)) for record in ours)
    assert not [part for part in (SECRET, "penyedia:lain", token, "siti@", *KEYS.values()) if part in told]
