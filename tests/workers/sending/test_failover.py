"""Two routes: if the first fails during an issue, the second sends the rest, and no reader gets two messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from newsletter.models import IssueStatus
from tests.workers.provider_api_servers import cutting, mailgun, mailgun_url
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger, routes
from workers.models import Batch
from workers.sending import lifecycle

pytestmark = pytest.mark.django_db


def test_t66_the_second_route_takes_the_rest_and_uncertain_readers_stay_with_the_first(sink, settings):
    cut = iter([False, False, False, True])
    with mailgun() as api, cutting(api.port, lambda: next(cut), dies=True) as port:
        first = mailgun_url(api, "&batch=10").replace(str(api.port), str(port))
        settings.MAIL_ROUTES = [first, *settings.MAIL_ROUTES]
        issue, people = make_sending_issue(readers=100)

        lifecycle.send(issue.pk)
        lifecycle.recover(now=timezone.now() + timedelta(seconds=15))
        lifecycle.send(issue.pk)
        for route in routes.configured():
            route.close()

    uncertain = {row.subscription for row in ledger.uncertain_deliveries(issue)}
    assert len(api.copies) == 40
    assert uncertain == {reader.pk for reader in people[30:40]}
    assert sorted([*api.recipients, *sink.recipients]) == sorted(reader.subscriber.email for reader in people)
    told = ledger.count_deliveries(issue)
    assert (told.accepted, told.uncertain, told.waiting) == (90, 10, 0)
    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENT
    assert Batch.objects.get().route == "smtp-2"
