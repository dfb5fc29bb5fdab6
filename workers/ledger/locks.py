"""Advisory locks on an issue: exclusive for provider events, shared for recorded outcomes.

A provider event can arrive while the delivery it is about is being written. Either the event's transaction must see the
row, or the transaction that writes the row must see the event. Therefore code that stores events of an issue takes the
exclusive lock, and code that writes outcomes takes the shared lock. Both take it inside a transaction and before they
lock any row. PostgreSQL releases it at the end of the transaction. SQLite has one writer at a time and needs no lock.
"""

from __future__ import annotations

from django.db import connection

NAMESPACE = 0x57415254
"""The first key of every advisory lock of this project: "WART" in ASCII."""


def acquire_exclusive(issue_id: int) -> None:
    """Wait until no other transaction stores events or writes outcomes of this issue, and keep them out until commit."""
    _lock("pg_advisory_xact_lock", issue_id)


def acquire_shared(issue_id: int) -> None:
    """Keep events of this issue out until the transaction ends. Other transactions may write outcomes."""
    _lock("pg_advisory_xact_lock_shared", issue_id)


def _lock(function: str, issue_id: int) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # The two-argument form takes 32-bit integers. Ids that are equal modulo 2**31 only share a lock.
            cursor.execute(f"SELECT {function}(%s, %s)", [NAMESPACE, issue_id % 2**31])
