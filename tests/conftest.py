"""What every test may use: a clock that stands still, a browser, and people and things made by plain functions (makers.py)."""

from __future__ import annotations

import datetime
import gc

import hypothesis
import pytest
from django.db.backends.signals import connection_created

from tests import chromium
from tests.examples import FEW, examples

# Machines differ and are busy: no test fails because it was slow.
hypothesis.settings.register_profile("all", deadline=None)
hypothesis.settings.register_profile("few", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile("few" if FEW else "all")


@pytest.fixture
def now() -> datetime.datetime:
    """Tuesday 24 November 2026, 07:00 in Jakarta."""
    return datetime.datetime(2026, 11, 24, 0, 0, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def browser():
    """Chromium, one for all tests of a file."""
    with chromium.browser() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _folders_of_our_own(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MAILBOX_DIR = tmp_path / "mail"
    settings.SEND_SPOOL = tmp_path / "spool" / "send"
    settings.TRACKING_SPOOL = tmp_path / "spool" / "hits"
    for folder in (settings.MEDIA_ROOT, settings.MAILBOX_DIR, settings.SEND_SPOOL, settings.TRACKING_SPOOL):
        folder.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True, scope="session")
def _consent_guards_let_tests_clean_up():
    """Tests that commit empty every table afterwards; the triggers that keep consent events forbid that."""
    from django.db import connection
    from django.test import TransactionTestCase

    from subscribers.consent import database_triggers

    clean_up = TransactionTestCase._fixture_teardown

    def clean_up_without_guards(self):
        database_triggers.remove(connection)
        try:
            clean_up(self)
        finally:
            database_triggers.install(connection)

    TransactionTestCase._fixture_teardown = clean_up_without_guards
    yield
    TransactionTestCase._fixture_teardown = clean_up


def pytest_make_parametrize_id(val, argname):
    """Bytes are called by their name: packed ones hold the time of day, and every worker has to collect the same names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_finish():
    """All that was imported stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Whatever asks a database is marked, so that a second database need not answer for what asks none."""
    for item in items:
        if item.get_closest_marker("django_db") or {"db", "transactional_db"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")


@pytest.fixture(autouse=True, scope="session")
def _unordered_rows_come_in_no_order():
    """SQLite hands out rows as they were written, other databases as they please; here it turns them round."""

    def turn_round(connection, **_kwargs):
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA reverse_unordered_selects = ON")

    connection_created.connect(turn_round)
    yield
    connection_created.disconnect(turn_round)
