"""Whose turn it is at an issue's record: events alone, outcomes beside each other.

An event that comes while its delivery is being written must either find the row or be found by who writes it. So who
hears events of an issue does it alone, and who writes outcomes does it beside others of the kind; both in a transaction,
before they lock any row. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

from django.db import connection

NAMESPACE = 0x57415254


def acquire_exclusive(issue_id: int) -> None:
    """Nobody else hears events or writes outcomes of this issue until the transaction ends."""
    _lock("pg_advisory_xact_lock", issue_id)


def acquire_shared(issue_id: int) -> None:
    """Nobody hears events of this issue until the transaction ends; others may write outcomes."""
    _lock("pg_advisory_xact_lock_shared", issue_id)


def _lock(function: str, issue_id: int) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s, %s)", [NAMESPACE, issue_id % 2**31])
