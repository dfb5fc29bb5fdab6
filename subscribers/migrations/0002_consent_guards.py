"""Consent stays as it was given: triggers on both engines, and the one row that ends the chain."""

from typing import Any

from django.db import migrations

from subscribers.consent import database_triggers


def install(apps: Any, schema_editor: Any) -> None:
    database_triggers.install(schema_editor.connection)


def remove(apps: Any, schema_editor: Any) -> None:
    database_triggers.remove(schema_editor.connection)


def begin_chain(apps: Any, schema_editor: Any) -> None:
    apps.get_model("subscribers", "ConsentHead").objects.get_or_create(pk=1, defaults={"mac": b""})


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0001_initial")]
    operations = [
        migrations.RunPython(install, remove),
        migrations.RunPython(begin_chain, migrations.RunPython.noop),
    ]
