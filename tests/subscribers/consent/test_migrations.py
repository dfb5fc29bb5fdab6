"""Migrations of the consent tables keep every row, every MAC and the triggers."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from subscribers import consent
from subscribers.consent import database_triggers
from subscribers.models import ConsentEvent, ConsentHead, ConsentText
from tests.subscribers.consent.test_consent_chain import make_events

BEFORE = [("newsletter", "0005_correction"), ("subscribers", "0002_consent_guards")]
TABLES = ("subscribers_consenttext", "subscribers_consentevent", "subscribers_consenthead")


def rows() -> dict[str, list[dict[str, object]]]:
    """Every column by name: a table that SQLite remakes has its columns in another order."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            names = [column[0] for column in cursor.description]
            found[table] = [
                {name: bytes(one) if isinstance(one, memoryview) else one for name, one in zip(names, row, strict=True)}
                for row in cursor.fetchall()
            ]
    return found


def migrate(targets) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)


@pytest.fixture
def latest():
    """All migrations applied again, whatever a test leaves behind."""
    yield
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_longer_languages_change_no_consent_row_and_no_mac(latest):
    ConsentHead.objects.get_or_create(pk=1, defaults={"mac": b""})
    with transaction.atomic():
        make_events()
    migrate(BEFORE)
    before = rows()

    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())

    assert rows() == before
    assert len(before["subscribers_consentevent"]) == 4
    assert consent.verify_chain() is None


@pytest.mark.django_db(transaction=True)
def test_triggers_exist_after_each_direction(latest):
    migrate(BEFORE)
    assert database_triggers.missing_triggers(connection) == frozenset()

    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    assert database_triggers.missing_triggers(connection) == frozenset()


@pytest.mark.parametrize("model", [ConsentText, ConsentEvent])
def test_consent_columns_hold_the_longest_tag(model):
    assert model._meta.get_field("language").max_length == 35
