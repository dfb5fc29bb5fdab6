"""A sending process for tests to kill: python -m tests.processes.sender_process prepare|send|state …; prints JSON."""

from __future__ import annotations

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")


def prepare(readers: str, first: str = "0") -> object:
    """Create a newsletter with new readers, numbered from `first`, and an issue in status sending."""
    from subscribers.models import Subscriber, Subscription
    from tests.factories import NOW, make_newsletter
    from tests.workers.sending_helpers import make_sending_issue

    newsletter = make_newsletter(slug=f"uji-{first}", list_id=f"uji-{first}.kabarlintas.example")
    people = Subscriber.objects.bulk_create(
        Subscriber(email=f"n{place}@p.example", email_key=f"n{place}@p.example")
        for place in range(int(first), int(first) + int(readers))
    )
    Subscription.objects.bulk_create(
        Subscription(subscriber=person, newsletter=newsletter, status="subscribed", requested_at=NOW, confirmed_at=NOW)
        for person in people
    )
    issue, _own = make_sending_issue(newsletter=newsletter, readers=0)
    return issue.pk


def send(issue_id: str, lease_s: str = "60", seconds: str = "20", boot: str = "") -> object:
    """Do what a worker does at its start: settle, recover, send. `boot` simulates another boot of the host."""
    from django.utils import timezone

    from workers import ledger, spool
    from workers.sending import lifecycle

    if boot:
        spool.boot_id = lambda: boot
    ledger.claim.__kwdefaults__["lease_s"] = float(lease_s)
    settled = lifecycle.settle_orphaned(now=timezone.now())
    lifecycle.recover(now=timezone.now())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    return [settled, lifecycle.send(int(issue_id), seconds=float(seconds))]


def leave(issue_id: str, *emails: str) -> object:
    """Unsubscribe these readers by one click (the POST of RFC 8058). Return the status codes."""
    from django.test import Client

    from subscribers import tokens
    from subscribers.models import Subscription

    client, told = Client(headers={"host": "127.0.0.1"}), []
    for reader in Subscription.objects.filter(subscriber__email__in=emails):
        address = f"/u/{tokens.make_unsubscribe(reader.pk, int(issue_id))}/"
        told.append(client.post(address, {"List-Unsubscribe": "One-Click"}).status_code)
    return told


def state(issue_id: str) -> object:
    from newsletter.models import Issue
    from subscribers.models import Subscriber
    from workers import ledger

    issue = Issue.objects.get(pk=issue_id)
    told = ledger.count_deliveries(issue)
    uncertain = {row.subscription for row in ledger.uncertain_deliveries(issue)}
    return {
        "status": issue.status,
        "adds_up": told.is_consistent,
        "equation": [told.accepted, told.refused, told.deferred, told.skipped, told.uncertain, told.waiting],
        "uncertain": sorted(Subscriber.objects.filter(subscriptions__in=uncertain).values_list("email", flat=True)),
    }


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])) + "\n")
