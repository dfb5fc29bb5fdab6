"""What was put right after an issue had gone out."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0004_source_pace")]

    operations = [
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("link", "A link"), ("fact", "A fact")], max_length=4)),
                ("links", models.JSONField(blank=True, default=list)),
                ("words", models.JSONField(default=dict)),
                ("is_shown", models.BooleanField(default=True)),
                ("made_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("wants_next", models.BooleanField(default=False)),
                ("told_block", models.CharField(blank=True, max_length=40)),
                (
                    "issue",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="corrections", to="newsletter.issue"
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "told_in",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="newsletter.issue",
                    ),
                ),
            ],
            options={
                "ordering": ["made_at", "pk"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("kind__in", ["link", "fact"])), name="correction_kind_known")
                ],
            },
        ),
    ]
