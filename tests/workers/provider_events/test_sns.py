"""Amazon SES' events over SNS: real RSA signatures by a real certificate, and every way to forge one (T-41)."""

from __future__ import annotations

import base64
import datetime
import json
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from django.core.checks import run_checks

from newsletter.fetching import http_client
from subscribers import suppression, tokens
from tests.workers.provider_events import webhook_posts as posting
from workers.models import Event
from workers.provider_events import sns

pytestmark = pytest.mark.django_db

TOPIC = "arn:aws:sns:eu-west-1:123456789012:warta-ses"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
FOLDER = Path(__file__).parent.parent.parent / "data" / "ses"
DAY = datetime.timedelta(days=1)


@cache
def key(name: str = "amazon", bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def certificate(*, common_name="sns.amazonaws.com", signer=None, starts=-DAY, ends=DAY, is_authority=False) -> bytes:
    now, signer = datetime.datetime.now(datetime.UTC), signer or key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Amazon RSA 2048 M01")]))
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    return builder.sign(key("authority"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Net:
    """What our client finds on the network; it keeps count."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Exception | str] = {CERTIFICATE: certificate()}
        self.asked: list[str] = []

    def fetch(self, url, **_):
        self.asked.append(url)
        page = self.pages.get(url, http_client.PageGone("there is no page"))
        if isinstance(page, Exception):
            raise page
        if isinstance(page, str):
            return http_client.FetchResult(page, body=certificate())
        return http_client.FetchResult(url, body=page)


@pytest.fixture(autouse=True)
def net(settings, monkeypatch):
    settings.SES_TOPICS, settings.WEBHOOK_SECRETS, settings.WEBHOOK_KEYS = [TOPIC], {}, {}
    sns.clear_certificate_cache()
    found = Net()
    monkeypatch.setattr(http_client, "fetch", found.fetch)
    yield found
    sns.clear_certificate_cache()


def said(name: str, token: str) -> str:
    """What SES says, as SNS carries it."""
    return (FOLDER / f"{name}.json").read_text().replace("TOKEN", token)


def message(text: str = "", *, type="Notification", age=datetime.timedelta(), **fields) -> dict[str, str]:
    moment = datetime.datetime.now(datetime.UTC) - age
    content = {
        "Type": type,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": text,
        "Timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
    }
    if type != "Notification":
        address = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
        content |= {"Token": "2336412f37", "SubscribeURL": f"{address}&TopicArn={TOPIC}&Token=2336412f37"}
    return {**content, **fields}


SIGNED = {
    "Notification": ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
    "SubscriptionConfirmation": ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
}
SIGNED["UnsubscribeConfirmation"] = SIGNED["SubscriptionConfirmation"]


def signed(content: dict[str, str], *, by: rsa.RSAPrivateKey | None = None) -> dict[str, str]:
    """The string to sign is written down here once more, from Amazon's description, and not taken from the code."""
    lines = "".join(f"{name}\n{content[name]}\n" for name in SIGNED[content["Type"]] if name in content)
    digest = hashes.SHA1() if content["SignatureVersion"] == "1" else hashes.SHA256()
    signature = (by or key()).sign(lines.encode(), padding.PKCS1v15(), digest)
    return {**content, "Signature": base64.b64encode(signature).decode()}


def post(client, content, **headers):
    return client.post(
        "/webhooks/ses/tracking/", json.dumps(content), content_type="text/plain; charset=UTF-8", headers=headers
    )


@pytest.mark.parametrize("version", ["1", "2"])
def test_t41_a_bounce_signed_by_amazon_suppresses(client, siti, token, version):
    answer = post(client, signed(message(said("bounce_permanent", token), SignatureVersion=version)))

    assert answer.status_code == 200
    assert suppression.is_suppressed("siti@pembaca.example")
    event = Event.objects.get()
    assert (event.kind, event.code) == ("bounced", "5.1.1")
    assert event.occurred_at == datetime.datetime(2026, 11, 24, 0, 1, 30, tzinfo=datetime.UTC)
    assert "@" not in event.detail


def test_t41_a_subject_is_part_of_what_is_signed(client, siti, token):
    content = signed(message(said("complaint", token), Subject="Amazon SES Email Event Notification"))

    assert post(client, {**content, "Subject": "Something else"}).status_code == 400
    assert post(client, content).status_code == 200
    assert Event.objects.get().kind == "complained"


def test_t41_no_other_message_has_the_bytes_that_were_signed(client, siti, token):
    content = signed(message(said("complaint", token), Subject="Amazon SES Email Event Notification"))
    subject = content.pop("Subject")

    answer = post(client, {**content, "MessageId": f"{content['MessageId']}\nSubject\n{subject}"})

    assert answer.status_code == 400
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bounce_transient", "soft_bounced"),
        ("bounce_content", "blocked"),
        ("delivery", "delivered"),
        ("delay", "deferred"),
        ("complaint", "complained"),
        ("reject", "blocked"),
    ],
)
def test_s31_what_ses_says_is_told_apart(client, siti, token, name, kind):
    post(client, signed(message(said(name, token))))

    assert Event.objects.get().kind == kind


@pytest.mark.parametrize("name", ["complaint_not_spam", "open"])
def test_s33_what_is_no_complaint_changes_nothing(client, siti, token, name):
    assert post(client, signed(message(said(name, token)))).status_code == 200
    assert Event.objects.count() == 0


def test_a_test_notification_of_ses_is_taken(client):
    text = "Successfully validated SNS topic for Amazon SES event publishing."

    assert post(client, signed(message(text))).status_code == 200


def test_t41_a_forged_complaint_is_refused(client, siti, token):
    """What Anymail alone let in: a message that nobody signed."""
    content = message(said("complaint", token))

    assert post(client, content).status_code == 400
    assert post(client, {**content, "Signature": base64.b64encode(bytes(256)).decode()}).status_code == 400
    assert post(client, signed(content, by=key("forger"))).status_code == 400
    assert Event.objects.count() == 0


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "TopicArn"])
def test_t41_an_altered_message_is_refused(client, siti, token, field, settings):
    settings.SES_TOPICS = [TOPIC, TOPIC + "-2"]
    content = signed(message(said("complaint", token)))
    other = {
        "Message": said("bounce_permanent", token),
        "MessageId": "another",
        "Timestamp": message()["Timestamp"].replace("Z", "1Z"),
        "TopicArn": TOPIC + "-2",
    }

    assert post(client, {**content, field: other[field]}).status_code == 400
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123.pem",
        "https://evil.example/SimpleNotificationService-0123.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123.pem",
        "https://evil.example/?https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123.pem",
        "https://sns.eu-west-1.amazonaws.com/bucket/SimpleNotificationService-0123.pem",
        "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem\n",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem?x=.pem",
        "",
    ],
)
def test_t41_a_certificate_from_elsewhere_is_not_even_fetched(client, siti, token, url, net):
    net.pages[url] = certificate()

    assert post(client, signed(message(said("complaint", token), SigningCertURL=url))).status_code == 400
    assert (net.asked, Event.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    "found",
    [
        {"ends": -DAY / 2},
        {"starts": DAY / 2},
        {"common_name": "evil.example"},
        {"common_name": "sns.amazonaws.com.evil.example"},
        {"is_authority": True},
    ],
)
def test_t41_a_certificate_that_is_not_one_of_sns_proves_nothing(client, siti, token, found, net):
    net.pages[CERTIFICATE] = certificate(**found)

    assert post(client, signed(message(said("complaint", token)))).status_code == 400
    assert Event.objects.count() == 0


def test_t41_a_weak_key_a_page_that_is_no_certificate_and_one_that_moved_prove_nothing(client, siti, token, net):
    weak = key("weak", 1024)
    for page in (certificate(signer=weak), b"<html>", "https://evil.example/other.pem", http_client.PageGone("gone")):
        net.pages[CERTIFICATE] = page
        by = weak if page and isinstance(page, bytes) and page.startswith(b"-----") else key()
        assert post(client, signed(message(said("complaint", token)), by=by)).status_code == 400

    assert Event.objects.count() == 0


def test_the_certificate_is_fetched_once(client, siti, token, net):
    for number in range(3):
        post(client, signed(message(said("delivery", token), MessageId=f"message-{number}")))

    assert (net.asked, Event.objects.count()) == ([CERTIFICATE], 3)


def test_when_the_certificate_cannot_be_reached_amazon_comes_again(client, siti, token, net):
    net.pages[CERTIFICATE] = http_client.TemporaryFetchError("The site cannot be reached just now.")
    content = signed(message(said("complaint", token)))

    assert post(client, content).status_code == 503

    net.pages[CERTIFICATE] = certificate()
    assert post(client, content).status_code == 200


def test_nobody_makes_us_fetch_without_end(client, token, net):
    for number in range(30):
        url = CERTIFICATE.replace("0123456789abcdef.pem", f"{number:016x}.pem")
        answer = post(client, signed(message(said("complaint", token), SigningCertURL=url)))

    assert answer.status_code == 503
    assert len(net.asked) == 6


@pytest.mark.parametrize("minutes", [61, -6])
def test_t40_a_message_of_more_than_an_hour_ago_is_refused(client, siti, token, minutes):
    age = datetime.timedelta(minutes=minutes)

    assert post(client, signed(message(said("complaint", token), age=age))).status_code == 400
    assert Event.objects.count() == 0


def test_t40_a_repeated_message_changes_nothing(client, siti, token):
    content = signed(message(said("bounce_permanent", token)))
    post(client, content)
    suppression.lift("siti@pembaca.example", now=posting.clock())

    assert post(client, content).status_code == 200

    assert Event.objects.count() == 1
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_t41_another_topic_is_refused_however_well_signed(client, siti, token, net):
    for topic in ("arn:aws:sns:eu-west-1:999999999999:warta-ses", ["x"], {"a": 1}, None):
        content = message(said("complaint", token))
        content["TopicArn"] = topic
        assert post(client, signed(content)).status_code == 400

    assert (net.asked, Event.objects.count()) == ([], 0)


def test_t41_our_topic_is_confirmed_and_no_other(client, net):
    content = message("You have chosen to subscribe", type="SubscriptionConfirmation")
    net.pages[content["SubscribeURL"]] = b"<ConfirmSubscriptionResponse/>"

    assert post(client, signed(content)).status_code == 200
    assert net.asked == [CERTIFICATE, content["SubscribeURL"]]


@pytest.mark.parametrize(
    "url",
    [
        f"https://evil.example/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"https://sns.eu-west-1.amazonaws.com@169.254.169.254/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"https://sns.eu-west-1.amazonaws.com/?Action=Publish&TopicArn={TOPIC}&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:other&Token=2336412f37",
        f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=other",
    ],
)
def test_t41_cve_2023_33185_an_address_to_confirm_at_is_never_followed_blindly(client, net, url):
    content = message("You have chosen to subscribe", type="SubscriptionConfirmation", SubscribeURL=url)
    net.pages[url] = b"<ConfirmSubscriptionResponse/>"

    assert post(client, signed(content)).status_code == 400
    assert net.asked == [CERTIFICATE]


def test_the_end_of_a_subscription_is_an_error_in_the_log(client, caplog):
    assert post(client, signed(message("gone", type="UnsubscribeConfirmation"))).status_code == 200
    assert "is not subscribed any more" in caplog.text


def test_t43_a_complaint_without_our_token_changes_nothing(client, issue, siti):
    for forged in ("", "siti", tokens.make_unsubscribe(siti.pk, issue.pk)):
        assert post(client, signed(message(said("complaint", forged), MessageId=forged or "x"))).status_code == 200

    assert Event.objects.count() == 0


def test_a_secret_in_the_address_is_asked_for_too(client, siti, token, settings):
    settings.WEBHOOK_SECRETS = {"ses": posting.SECRET}
    content = signed(message(said("complaint", token)))

    unasked = post(client, content)

    assert (unasked.status_code, unasked.headers["WWW-Authenticate"]) == (401, 'Basic realm="Warta"')
    assert post(client, content, **posting.basic("warta:salah")).status_code == 400
    assert post(client, content, **posting.basic(posting.SECRET)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"TopicArn": "x"}'])
def test_an_odd_body_is_refused(client, body):
    answer = client.generic("POST", "/webhooks/ses/tracking/", body, content_type="text/plain")

    assert (answer.status_code, answer.content) == (400, b"")


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"eventType": []}', '{"eventType": "Bounce", "bounce": 7}'])
def test_odd_words_of_ses_are_left(client, text):
    assert post(client, signed(message(text))).status_code in {200, 400}
    assert Event.objects.count() == 0


def test_t42_without_topics_there_is_no_door_and_no_start(client, token, settings):
    settings.SES_TOPICS, settings.MAIL_ROUTES = [], ["ses://KEY:SECRET@eu-west-1"]

    assert post(client, signed(message(said("complaint", token)))).status_code == 404
    found = [error for error in run_checks() if error.id == "workers.E001"]
    assert found[0].msg.startswith("SES_TOPICS: not set")
