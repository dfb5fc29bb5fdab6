"""When a source is read again: later and later while it fails, or as its site asks for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0003_writing")]

    operations = [
        migrations.AddField(model_name="source", name="next_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="source", name="failures", field=models.PositiveSmallIntegerField(default=0)),
    ]
