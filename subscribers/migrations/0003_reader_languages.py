"""Languages of up to 35 characters (BCP 47). No row changes: the consent chain verifies as before."""

from typing import Any

from django.db import migrations, models

from subscribers.consent import database_triggers


def install(apps: Any, schema_editor: Any) -> None:
    database_triggers.install(schema_editor.connection)


def remove(apps: Any, schema_editor: Any) -> None:
    database_triggers.remove(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('subscribers', '0002_consent_guards'),
    ]

    operations = [
        # SQLite remakes a table whose column changes, and the triggers of the old table go with it.
        migrations.RunPython(remove, install),
        migrations.AlterField(
            model_name='consentevent',
            name='language',
            field=models.CharField(blank=True, max_length=35),
        ),
        migrations.AlterField(
            model_name='consenttext',
            name='language',
            field=models.CharField(max_length=35),
        ),
        migrations.AlterField(
            model_name='notice',
            name='language',
            field=models.CharField(max_length=35),
        ),
        migrations.AlterField(
            model_name='signuprequest',
            name='language',
            field=models.CharField(max_length=35),
        ),
        migrations.AlterField(
            model_name='subscriber',
            name='language',
            field=models.CharField(max_length=35),
        ),
        migrations.AlterField(
            model_name='subscription',
            name='language',
            field=models.CharField(max_length=35),
        ),
        migrations.RunPython(install, remove),
    ]
