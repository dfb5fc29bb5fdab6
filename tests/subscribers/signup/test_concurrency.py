"""Several workers at once, with commits of their own."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from subscribers import consent, signup
from subscribers.models import ConsentEvent, Notice, Subscriber
from tests.factories import NOW
from tests.subscribers.signup_helpers import ask, make_form


def in_threads(count, act):
    def run():
        try:
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_s72_four_ticks_at_once_send_one_mail_to_one_mailbox():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory knows one connection; PostgreSQL runs this")
    form = make_form()
    for number in range(12):
        ask(form, f"siti+{number}@contoh.id")

    in_threads(4, lambda: signup.admit_due(now=NOW))

    assert Notice.objects.count() == 1
    assert Subscriber.objects.count() == 1
    assert consent.verify_chain() is None


@pytest.mark.django_db(transaction=True)
def test_c02_committed_events_stay_in_one_chain_and_the_tables_empty_after_the_test():
    form = make_form()
    ask(form)

    signup.admit_due(now=NOW)

    assert ConsentEvent.objects.count() == 1
    assert consent.verify_chain() is None
