"""Store the version of the approval digest with each approval, and what each edition was frozen for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0006_reader_languages")]

    operations = [
        migrations.AddField(
            model_name="issue",
            name="approved_digest_version",
            field=models.PositiveSmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name="edition",
            name="frozen_for",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        ),
    ]
