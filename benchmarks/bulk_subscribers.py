"""Many readers at once: one made by the models, the others copied from that row by the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.management.color import no_style
from django.db import connection, models

from newsletter.models import Newsletter
from subscribers.models import Subscriber, Subscription, SubscriptionStatus
from workers.message import builder

NAMES = ("", "Siti Rahmawati", "Budi", "", "Ketut “Wayan” Suardana", "Dewi Lestari")


def create_readers(newsletter: Newsletter, count: int, *, now: datetime) -> None:
    """`count` subscribed readers of `newsletter`; the database holds none before."""
    confirmed = now - timedelta(days=30)
    first = Subscriber.objects.create(email="n0@pembaca.example", email_key="n0@pembaca.example", name="Siti")
    subscription = Subscription.objects.create(
        subscriber=first,
        newsletter=newsletter,
        status=SubscriptionStatus.SUBSCRIBED,
        requested_at=confirmed,
        confirmed_at=confirmed,
        may_track=True,
        source_url="https://kabarlintas.example/langganan",
    )
    is_postgresql = connection.vendor == "postgresql"
    own = "lpad(to_hex(n), 32, '0')::uuid" if is_postgresql else "printf('%%032x', n)"
    address = "'n' || n || '@pembaca.example'"
    _copy(first, count - 1, {"public_id": own, "email": address, "email_key": address})
    _copy(subscription, count - 1, {"subscriber_id": f"{first.pk} + n"})
    if is_postgresql:
        with connection.cursor() as cursor:
            for sql in connection.ops.sequence_reset_sql(no_style(), [Subscriber, Subscription]):
                cursor.execute(sql)  # ids of our own did not move it
            cursor.execute("ANALYZE")


def _copy(row: models.Model, count: int, changes: dict[str, str]) -> None:
    """Rows like `row`, whose ids follow its own; `changes` are SQL expressions of n = 1 … count."""
    names = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(changes.get(name, f'"{name}"') for name in names)
    table, key = row._meta.db_table, row._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s) "
            f'INSERT INTO "{table}" ("{key}", {columns}) SELECT {row.pk} + n, {values} FROM "{table}", numbers '
            f'WHERE "{key}" = %s ORDER BY n',
            [count, row.pk],
        )


def build_readers(count: int, *, now: datetime) -> list[builder.Recipient]:
    """Readers that differ as much as real ones do, without a database."""
    return [
        builder.Recipient(
            id=number,
            email=f"pembaca{number}@contoh{number % 50}.example",
            name=NAMES[number % len(NAMES)],
            confirmed_at=now - timedelta(days=number % 400),
            source_url="https://kabarlintas.example/langganan",
            may_track=True,
        )
        for number in range(1, count + 1)
    ]
