"""`webhooks`: provider events taken in, from the signed bytes of a post to statuses and suppressions, out of order.

Posts of 500 events, one in five of them told before, shuffled over all posts; against the same events one a transaction.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.test import RequestFactory
from django.utils import timezone

from benchmarks import bulk_subscribers, figures, reference
from benchmarks.figures import ROUNDS, Findings
from newsletter import editions
from newsletter.models import Issue
from subscribers import tokens
from subscribers.models import Subscriber
from workers import ledger, provider_events
from workers.models import Batch, Delivery, Event, Outcome
from workers.provider_events import views as webhooks

EVENTS_PER_POST = 500
EVENT_SHARES = {"delivered": 0.98, "deferred": 0.05, "bounce": 0.01, "spamreport": 0.001}
"""Of the readers of an issue; a bounce and a complaint come as well as a delivery, or without."""
EventData = dict[str, Any]


def run(*, quick: bool) -> Findings:
    found, now = Findings(), timezone.now()
    readers, singles = (5_000, 200) if quick else (20_000, 1_000)
    newsletter = reference.create_newsletter()
    bulk_subscribers.create_readers(newsletter, readers, now=now)
    settings.WEBHOOK_KEYS, signing = generate_keys()
    bulk, by_rows, again, cores = [], [], [], []
    for number in range(ROUNDS):
        issue, chance = record_as_sent(reference.create_due_issue(newsletter, now=now)), random.Random(number)
        told = list(build_events(issue, chance, kinds=EVENT_SHARES))
        repeated = told + chance.sample(told, len(told) // 5)
        chance.shuffle(repeated)
        rows, most = repeated[:singles], repeated[singles:]
        by_rows.append(figures.rate(len(rows), lambda rows=rows: receive_one_by_one(rows)))  # type: ignore[misc]
        posts = [
            sign_post(most[start : start + EVENTS_PER_POST], signing) for start in range(0, len(most), EVENTS_PER_POST)
        ]
        used = time.process_time()
        bulk.append(figures.rate(len(most), lambda posts=posts: post_all(posts)))  # type: ignore[misc]
        cores.append(len(most) / (time.process_time() - used))
        again.append(figures.rate(len(most), lambda posts=posts: post_all(posts)))  # type: ignore[misc]
        check_records(found, issue, told)
    found.tell("events", len(repeated), "events a round, one in six of them a repeat")
    found.tell("events_per_s", figures.median(bulk), f"events/s in posts of {EVENTS_PER_POST}, signature and all")
    found.tell("events_per_core_s", figures.median(cores), "events for each second of one core, the database's apart")
    found.tell("repeats_per_s", figures.median(again), "events/s when every post comes a second time")
    found.tell("rows_per_s", figures.median(by_rows), "events/s, one a transaction")
    found.ratio("webhooks_vs_rows", bulk, by_rows)
    return found


def generate_keys() -> tuple[dict[str, str], ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": base64.b64encode(public).decode()}, key


def record_as_sent(issue: Issue) -> Issue:
    """Planned, and accepted of everybody but the last hundred, who are uncertain."""
    now = timezone.now()
    editions.freeze(issue, now=now)
    ledger.plan(issue, now=now)
    for batch in Batch.objects.filter(issue=issue):
        ids = ledger.unpack(bytes(batch.reader_ids))
        is_last = batch.first_id > ids[0] or not Batch.objects.filter(issue=issue, number__gt=batch.number).exists()
        outcome = Outcome.UNCERTAIN if is_last else Outcome.ACCEPTED
        Delivery.objects.bulk_create(
            [Delivery(issue=issue, subscription=one, batch=batch, outcome=outcome, code="250") for one in ids]
        )
        Batch.objects.filter(pk=batch.pk).update(**{str(outcome): len(ids), "status": "done"})
    return issue


def build_events(issue: Issue, chance: random.Random, *, kinds: dict[str, float]) -> Iterator[EventData]:
    moment, names = int(time.time()) - 60, itertools.count(1)
    for reader in Delivery.objects.filter(issue=issue).values_list("subscription", flat=True):
        token = tokens.make_event_token(issue.pk, reader)
        for kind, share in kinds.items():
            if chance.random() < share:
                words = {"reason": "550 5.1.1 no such user"} if kind == "bounce" else {"response": "250 2.0.0 OK"}
                name = f"{issue.pk}-{next(names)}"
                yield {"event": kind, "timestamp": moment, "sg_event_id": name, "warta": token, **words}


def sign_post(told: Sequence[EventData], key: ec.EllipticCurvePrivateKey) -> tuple[bytes, dict[str, str]]:
    body, moment = json.dumps(told).encode(), str(int(time.time()))
    signature = key.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    name = "X-Twilio-Email-Event-Webhook"
    return body, {f"{name}-Signature": base64.b64encode(signature).decode(), f"{name}-Timestamp": moment}


def post_all(posts: Sequence[tuple[bytes, dict[str, str]]]) -> None:
    make = RequestFactory()
    for body, headers in posts:
        request = make.post("/webhooks/sendgrid/tracking/", body, content_type="application/json", headers=headers)
        answer = webhooks.tracking_webhook(request, "sendgrid")
        if answer.status_code != 200:
            raise RuntimeError(f"a post was answered by {answer.status_code}")


def receive_one_by_one(told: Sequence[EventData]) -> None:
    from anymail.webhooks.sendgrid import SendGridTrackingWebhookView

    view = SendGridTrackingWebhookView()
    for one in told:
        provider_events.receive([view.esp_to_anymail_event(one)], provider="sendgrid", now=timezone.now())


def check_records(found: Findings, issue: Issue, told: Sequence[EventData]) -> None:
    """One event each, the highest status for every reader, nobody uncertain of whom something was told."""
    kept = Event.objects.filter(issue=issue.pk).count()
    found.require(kept == len(told), f"{len(told)} events were told, {kept} kept")
    statuses = {"deferred": 0, "delivered": 1, "bounce": 2, "spamreport": 3}
    best: dict[int, int] = {}
    for one in told:
        reader = tokens.read_event_token(one["warta"])[1]
        best[reader] = max(best.get(reader, 0), statuses[one["event"]])
    rows = Delivery.objects.filter(issue=issue).values_list("subscription", "status", "outcome")
    names = {0: "", 1: "delivered", 2: "bounced", 3: "complained"}
    odd = sum(status != names[best.get(reader, 0)] for reader, status, _outcome in rows)
    found.require(not odd, f"{odd} readers have another status than their events tell")
    unsettled = sum(outcome == Outcome.UNCERTAIN and reader in best for reader, _status, outcome in rows)
    found.require(not unsettled, f"{unsettled} readers are uncertain although something was told of them")
    told_sums = ledger.count_deliveries(issue)
    found.require(told_sums.is_consistent, "the audience equation does not add up")
    found.require(Subscriber.objects.filter(suppressed_for="bounced").exists(), "no bounce led to a suppression")
